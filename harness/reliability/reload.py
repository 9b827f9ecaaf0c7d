"""A kept classifier on the test set of its run; it must give the accuracy of the record exactly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from harness import config, generators
from harness.audit import kept
from harness.config import RunConfig
from harness.errors import UsageError, first_line, short
from harness.machine.precision import placed
from harness.networks.keep import path_of
from harness.networks.load import load_network
from harness.records import Record, metrics, reliability
from harness.seeds import derive
from harness.tasks import data
from harness.tasks.data import Batches
from harness.tasks.inputs import load_data
from harness.tasks.score import Score, evaluate
from harness.training.worker import settle_process


class Reloaded(NamedTuple):
    """A kept network, evaluated.

    Attributes:
        run: The settings of its run.
        model: In evaluation mode, on the device of the run.
        test: The test set, on that device.
        score: What it scores on them, with its calibration.
    """

    run: RunConfig
    model: nn.Module
    test: Batches
    score: Score


class Reloading:
    """Reloads networks one after the other; a test set is read once for successive runs that share it."""

    def __init__(self, model: str | None = None) -> None:
        """Prepare.

        Args:
            model: The plug-in that the models come from, ``path/file.py:function``; None for models of this project and
                of installed packages.
        """
        self._model = model
        self._served: tuple[object, Batches] | None = None

    def __call__(self, output: Path, record: Record) -> Reloaded:
        """Reload the network of a run and score it as the run did.

        Args:
            output: The folder with ``records`` and ``networks``.
            record: Of the run, which is done.

        Raises:
            UsageError: It is no classifier that gives probabilities, there is no such network, it or the data are not
                those of the record, this machine cannot evaluate it, or it has another accuracy here.
        """
        with _explained():
            if why := reliability.of_config(record["config"]):
                raise UsageError(why)
        _require_kept(output, record)
        run = _settings(record)
        if run.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("it was scored on CUDA, in bfloat16, and there is no CUDA device here")
        settle_process(run)
        model = placed(load_network(path_of(output, record["key"]), self._model).model, torch.device(run.device))
        test = self._test(run, record)
        seed(run)
        score = evaluate(model, test, each=True)
        _require_accuracy(score, record, test.samples)
        return Reloaded(run, model, test, score)

    def _test(self, run: RunConfig, record: Record) -> Batches:
        with _explained():
            _require_data(run, record)
        same = (vars(run.dataset), run.device, run.loader)
        if self._served is None or self._served[0] != same:
            self._served = None  # before the next ones take their memory
            with _explained():
                self._served = (same, load_data(run).test)
        return self._served[1]


def load_test(record: Record) -> Batches:
    """Return the test set of a classifier's run, on the CPU.

    Raises:
        UsageError: The run is of another task; or the data are absent, or not those of the record.
    """
    _require_classifier(record)
    run = _settings(record | {"config": record["config"] | {"device": "cpu", "loader": "auto"}})
    with _explained():
        _require_data(run, record)
        return load_data(run).test


def seed(run: RunConfig) -> None:
    """Seed the global generators as a run does before it is scored: a model may draw in evaluation mode."""
    generators.seed(derive(run.seed, "test"))


@contextmanager
def _explained() -> Iterator[None]:
    """Say of a config with values of other types, which a record may have, that it is none."""
    try:
        yield
    except UsageError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"its config is not that of a run ({first_line(error)})") from None


def _require_classifier(record: Record) -> None:
    """Refuse a run of another task by name: reliability is that of probabilities of classes.

    Raises:
        UsageError: It is one.
    """
    task = metrics.task_of(record["config"].get("dataset") or {})
    if task != metrics.CLASSIFICATION:
        raise UsageError(f"its task is {task}: reliability is measured of a {metrics.CLASSIFICATION} alone")


def _settings(record: Record) -> RunConfig:
    with _explained():
        run = config.from_dict(record["config"], method=False)
    if run.device not in ("cpu", "cuda"):
        raise UsageError(f"its config has device {short(run.device)}, not cpu or cuda")
    return run


def _require_data(run: RunConfig, record: Record) -> None:
    if data.fingerprint(vars(run.dataset)) not in (record["provenance"]["data_sha256"], data.ABSENT):
        raise UsageError(f"the data of {run.dataset.name} here are not those that it was trained on")


def _require_kept(output: Path, record: Record) -> None:
    if record.get("network") is None:
        raise UsageError("its network was not kept (keep=none, or made before networks were kept): train it again")
    path = path_of(output, record["key"])
    if not path.is_file():
        raise UsageError(f"its network is not here: {path} is not a file")
    try:
        reasons = kept.refusals(output, record)
    except (KeyError, TypeError) as error:
        raise UsageError(f"its config lacks a part ({first_line(error)})") from None
    if reasons:
        raise UsageError(reasons[0])


def _require_accuracy(score: Score, record: Record, samples: int) -> None:
    claimed, made, here = record["metrics"]["test_accuracy"], record["provenance"]["torch"], str(torch.__version__)
    if score.accuracy == claimed:
        return
    other = f"; it was made with torch {made}, here is {here}" if made != here else ""
    raise UsageError(
        f"the reloaded network classifies {round(score.accuracy * samples)} of {samples} test samples correctly, the "
        f"record says {round(claimed * samples)}{other}: nothing is measured from it"
    )
