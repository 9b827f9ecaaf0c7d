"""Batches: what one job on another machine trains, as plain data, and how it is trained there.

Whoever submits packs chains into batches, each worth a job, and has an engine (`harness.executors.elsewhere.Engine`)
bring them to a worker process. That process needs this package, the data and the shared output folder: it plans each
run anew, refuses one that is another run there, and trains the rest with the local executor, leases included. What
happens is told in messages, dictionaries of plain values.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import config, plugins
from harness.board.spending import Plan
from harness.errors import UsageError
from harness.executors.base import Event, Finished, Progressed, Started
from harness.executors.causes import MachineError, is_of_machine
from harness.executors.local import LocalExecutor
from harness.executors.sharing import share
from harness.plan.planned import Planned, identified
from harness.records.identity import Identity

Message = dict[str, Any]
"""``key`` names the run, ``event`` is one of

``taken``
    it was taken up;
``progress``, ``log``
    what it says, as in `harness.executors.base.Progressed`;
``ended``
    with ``status``, ``trained`` and ``left`` as in `harness.executors.base.Finished`; its record, if there is one, is
    in the output folder;
``refused``
    it cannot be trained there, or nothing can: ``why`` says so in a line. ``key`` is null.
"""
Tell = Callable[[Message], None]

_BETWEEN_SECONDS = 2.0
"""Between two messages of a run's progress that is no evaluation."""
_STOP_SECONDS = 2.0
"""For the reason why a run was ended from outside to be known."""


@dataclass(frozen=True)
class Batch:
    """What one job trains, as plain data.

    Attributes:
        chains: Runs, each of a chain after the one before (`packed`).
        folder: The current folder of whoever submits it; a worker that has it too works there.
        looks: The plan that the records carry, as they hold it; None if none decides the number of seeds.
        wait: Whether to wait for runs that other processes train; otherwise they are left to them.
        at_once: Chains that are trained at a time.
    """

    chains: list[list[dict[str, Any]]]
    folder: str
    looks: dict[str, Any] | None = None
    wait: bool = True
    at_once: int = 1

    @property
    def keys(self) -> list[str]:
        """The keys of its runs."""
        return [str(run["key"]) for chain in self.chains for run in chain]


def packed(planned: Planned) -> dict[str, Any]:
    """Return a planned run as plain data, with absolute paths: another process may have another current folder."""
    run = planned.run
    settings = config.to_dict(run)
    settings["output"] = str(Path(run.output).resolve())
    if run.dataset.root is not None:
        settings["dataset"]["root"] = str(Path(run.dataset.root).expanduser().absolute())
    if run.runner.image is not None and os.path.isdir(run.runner.image):
        settings["runner"]["image"] = os.path.abspath(run.runner.image)
    return {
        "key": planned.key,
        "settings": settings,
        "recipe_methods": run.recipe.methods,
        "keep": run.keep,
        "tuned": run.tuned,
        "plugins": dict(run.plugins),
        "identity": asdict(planned.identity),
    }


def unpacked(chains: Sequence[Sequence[dict[str, Any]]]) -> list[list[Planned]]:
    """Plan the runs of a batch anew.

    Args:
        chains: Of runs as `packed` returned them, perhaps on another machine.

    Raises:
        UsageError: One is another run here, since code, data or environment differ; or a plug-in cannot be loaded.
    """
    planned = iter(identified(_settings(plain) for chain in chains for plain in chain))
    return [[_required(plain, next(planned)) for plain in chain] for chain in chains]


def _settings(plain: dict[str, Any]) -> config.RunConfig:
    for group, text in plain["plugins"].items():
        plugins.load(group, text)
    run = config.from_dict(plain["settings"])
    run.recipe.methods = plain["recipe_methods"]
    run.keep, run.tuned, run.plugins = plain["keep"], plain["tuned"], dict(plain["plugins"])
    return run


def _required(plain: dict[str, Any], planned: Planned) -> Planned:
    """Return a run that was planned here, if it is the one that was packed."""
    if planned.key == plain["key"]:
        return planned
    if planned.identity.data is None:
        why = f"the data of {planned.run.dataset.name} are not there"
    else:
        differences = planned.identity.differences(Identity(**plain["identity"]))
        why = "; ".join(differences) or "its identity differs"
    raise UsageError(f"{planned.title} ({plain['key']}) is another run on {platform.node()}: {why}")


class Worker:
    """Trains one batch in this process; `stop` may come from another thread."""

    def __init__(self, batch: Batch, tell: Tell) -> None:
        """Prepare.

        Args:
            batch: What to train.
            tell: Takes the messages, in the thread of `train`.
        """
        self._batch, self._tell = batch, tell
        self._stop = threading.Event()
        self._executor: LocalExecutor | None = None
        self._told: dict[str, float] = {}

    def train(self) -> list[tuple[str, str]]:
        """Train the batch; return the key and the status of each run that has ended.

        A run that another attempt has settled is not trained again; one that was interrupted resumes.
        """
        with suppress(OSError):
            os.chdir(self._batch.folder)
        try:
            chains = unpacked(self._batch.chains)
        except UsageError as error:
            self._tell({"key": None, "event": "refused", "why": str(error)})
            return []
        _, chains = share(chains, self._batch.at_once, lambda line: None)
        looks = None if self._batch.looks is None else Plan(**_tuples(self._batch.looks))
        self._executor = LocalExecutor(self._batch.at_once, looks, wait=self._batch.wait)
        if self._stop.is_set():
            self._executor.cancel()
        self._executor.submit(chains)
        return self._follow(self._executor)

    def stop(self) -> None:
        """Have the runs under way write a checkpoint and end; `train` then returns."""
        self._stop.set()
        if self._executor is not None:
            self._executor.cancel()

    def _follow(self, executor: LocalExecutor) -> list[tuple[str, str]]:
        ended = []
        try:
            for event in executor.events():
                if (message := self._message(event)) is not None:
                    self._tell(message)
                if isinstance(event, Finished):
                    ended.append((event.planned.key, event.status))
        except MachineError as error:  # what it has not ended is taken elsewhere
            self._tell({"key": None, "event": "log", "text": f"{platform.node()}: {error}"})
        except UsageError as error:
            self._tell({"key": None, "event": "refused", "why": f"{platform.node()}: {error}"})
        return ended

    def _message(self, event: Event) -> Message | None:
        key = event.planned.key
        match event:
            case Started():
                return {"key": key, "event": "taken", "host": platform.node()}
            case Finished():
                status = event.status
                # What stops a job may reach its runs before it reaches this process, and end one that is being set up.
                if event.record is not None and is_of_machine(event.record) and self._stop.wait(_STOP_SECONDS):
                    status = "interrupted"
                return {
                    "key": key,
                    "event": "ended",
                    "status": status,
                    "trained": event.trained,
                    "left": event.left,
                }
            case Progressed() if event.message.get("event") == "log":
                return {"key": key, **event.message}
            case Progressed() if event.message.get("event") == "progress":
                now = time.monotonic()
                if event.message["evaluated"] or now - self._told.get(key, -_BETWEEN_SECONDS) >= _BETWEEN_SECONDS:
                    self._told[key] = now
                    return {"key": key, **event.message}
        return None


def _tuples(looks: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in looks.items()}
