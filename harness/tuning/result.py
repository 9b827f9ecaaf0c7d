"""The file that a tuning leaves: the space, its trials, what they cost and which settings they chose."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.records import metrics, write_atomic
from harness.records.identity import canonical
from harness.records.metrics import Metric, field
from harness.tuning.space import Settings, Space, draw, from_plain
from harness.vocabulary import STATUSES

SPLIT = "validation"
"""The only split that a trial is scored on."""

SEED = 1_000_000
"""The seed of every trial: none that a row of a board requires, so that no run of a board was tuned on its own seed."""

FEWEST, MOST = 2, 100

_PARTS = ("dataset", "model", "recipe", "budget", "method")


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        settings: What was tried.
        key: The key of its run.
        status: How it ended.
        score: The metric of its task on the validation split at its end; None if it is not done.
        sparsity: That it reached; None likewise.
        fits: Whether that is no less than was requested, where a method does not hit a sparsity but reaches one.
        train_flops: Of its training; None where it left none.
    """

    settings: Settings
    key: str
    status: str
    score: float | None
    sparsity: float | None
    fits: bool
    train_flops: int | None

    def __post_init__(self) -> None:
        """Raise a ValueError for what no run leaves: a file may have been edited."""
        sound = (
            isinstance(self.key, str)
            and self.status in STATUSES
            and (self.status == "done") == (self.score is not None)
            and (self.score is None or _is_number(self.score))
            and (self.sparsity is None or _is_share(self.sparsity))
            and type(self.fits) is bool
            and (self.train_flops is None or (type(self.train_flops) is int and self.train_flops >= 0))
        )
        if not sound:
            raise ValueError("no trial")

    def plain(self, metric: Metric) -> dict[str, Any]:
        """Return what the file of a tuning holds of it: its score is under the name that records have for it."""
        return {field(metric, "val") if name == "score" else name: value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Tuning:
    """What was tuned, how, and with which result.

    Attributes:
        task: Settings of the run without tuning: ``dataset``, ``model``, ``recipe``, ``budget``, ``method`` and more.
        sparsity: The sparsity of every trial.
        name: Of the space.
        space: Its ranges for this method.
        trials: In the order in which they were drawn.
    """

    task: dict[str, Any]
    sparsity: float
    name: str
    space: Space
    trials: tuple[Trial, ...]

    @property
    def metric(self) -> Metric:
        """What its trials are compared by."""
        return metrics.of_dataset(self.task["dataset"])

    @property
    def flops(self) -> int:
        """Training FLOPs of all trials; equal trials are trained once."""
        return sum({trial.key: trial.train_flops or 0 for trial in self.trials}.values())

    @property
    def chosen(self) -> int | None:
        """The number of the best trial, the first of several; None if none is done at the sparsity.

        A trial that ended denser than it was to be is passed over: a tuned method must not buy its score with weights.
        """
        scores = {
            number: self.metric.gain(trial.score)
            for number, trial in enumerate(self.trials)
            if trial.score is not None and trial.fits
        }
        return max(scores, key=lambda number: (scores[number], -number), default=None)

    @property
    def settings(self) -> Settings:
        """The chosen settings."""
        assert self.chosen is not None
        return self.trials[self.chosen].settings

    def described(self) -> dict[str, Any]:
        """Return what a record says of the tuning of its settings."""
        return {
            "chosen": "tuned",
            "space": {name: one.plain() for name, one in self.space.items()},
            "trials": len(self.trials),
            "flops": self.flops,
            "split": SPLIT,
        }

    def text(self) -> str:
        """Return the content of the file."""
        chosen = self.chosen
        plain = {
            "task": self.task,
            "sparsity": self.sparsity,
            "seed": SEED,
            "split": SPLIT,
            "space": {"name": self.name, "settings": {name: one.plain() for name, one in self.space.items()}},
            "trials": [trial.plain(self.metric) for trial in self.trials],
            "flops": self.flops,
            "chosen": chosen,
            "settings": None if chosen is None else self.settings,
        }
        return json.dumps(plain, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write the file."""
        write_atomic(path, self.text())


def named(task: Mapping[str, Any]) -> str:
    """Return what trials are drawn for, ``DATASET/MODEL``, as `harness.tuning.space.draw` takes it."""
    return f"{task['dataset']['name']}/{task['model']['name']}"


def read(path: Path) -> Tuning:
    """Read the file of a tuning and draw its trials again.

    Raises:
        UsageError: It cannot be read, is no such file, holds trials that its space does not give, or names another
            choice than its trials make.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        space = from_plain(plain["space"]["settings"])
        metric = metrics.of_dataset(plain["task"]["dataset"])
        named_score = field(metric, "val")
        trials = tuple(
            Trial(**{"score" if name == named_score else name: value for name, value in trial.items()})
            for trial in plain["trials"]
        )
        found = Tuning(plain["task"], plain["sparsity"], plain["space"]["name"], space, trials)
        sound = all(isinstance(found.task[part], dict) for part in _PARTS) and isinstance(found.name, str)
        sound = sound and _is_share(found.sparsity) and all(_is_of(metric, trial.score) for trial in trials)
        drawn = draw(space, named(found.task), len(trials))
        same = canonical([trial.settings for trial in trials]) == canonical(drawn)
        kept = found.text() == json.dumps(plain, indent=1) + "\n"
    except OSError as error:
        raise UsageError(f"tuned={path}: cannot be read ({error.strerror})") from None
    except UsageError as error:
        raise UsageError(f"tuned={path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise UsageError(f"tuned={path}: is not a file that sparsebench tune wrote") from None
    if not sound:
        raise UsageError(f"tuned={path}: is not a file that sparsebench tune wrote")
    if not same:
        raise UsageError(f"tuned={path}: its trials are not those that its space gives")
    if not kept:
        raise UsageError(f"tuned={path}: does not say what its trials say; it was changed after it was written")
    return found


def _is_of(metric: Metric, score: float | None) -> bool:
    """Tell whether a score is one that the metric can have."""
    if score is None:
        return True
    return (metric.lowest is None or metric.lowest <= score) and (metric.highest is None or score <= metric.highest)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
