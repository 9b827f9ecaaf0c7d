"""The inside of a run: from a request to a record. The same process in a container and out of one.

``python -m harness.training.worker REQUEST.json FOLDER`` trains what the request says, prints one JSON event a line,
and leaves ``record.json``, ``final.safetensors`` and checkpoints in the folder, with ``successor.pt`` where another run
resumes from this one. It trusts nothing outside it and is trusted by nothing: the runner checks what it leaves.

The checkpoints stay when the run is over: what they lead to is only certain once the record has been published.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness import generators, plugins
from harness.budget.costs import Costs
from harness.config import RunConfig, from_dict
from harness.errors import UsageError
from harness.machine import provenance
from harness.machine.allocator import keep_freed_memory
from harness.machine.meter import Meter
from harness.records import Record, empty, write
from harness.seeds import derive
from harness.tasks.data import Data
from harness.tasks.inputs import load_data
from harness.training import endings, launch, network, report, workplace
from harness.training.checkpoint import Checkpoints
from harness.training.determinism import Nondeterministic, require_deterministic
from harness.training.endings import INTERRUPTED, StoppedError
from harness.training.prepare import Prepared, prepare
from harness.training.ranked import RankedTrainer
from harness.training.ranks import Ranks
from harness.training.trainer import DivergedError, Emit, Trainer


def main() -> int:
    """Run the request named on the command line; events go to stdout."""
    # Only the first two arguments are ours, so that a wrapper may add its own.
    return work(Path(sys.argv[1]), Path(sys.argv[2]), lambda event: print(json.dumps(event), flush=True))


def work(request: Path, folder: Path, emit: Emit) -> int:
    """Train a request and leave its record.

    Args:
        request: JSON with ``config``, ``key``, ``runner``, ``code``, ``image`` and the ``provenance`` that is known
            outside; ``successor`` is the key of the run that resumes from this one, if any.
        folder: Where everything is written.
        emit: Takes progress events.

    Returns:
        Exit status: 0 when a record was written, whatever its status; 130 when interrupted; 1 if none could be.
    """
    requested = json.loads(request.read_text())
    stopped = _catch_stop()
    try:
        with workplace.hold(folder, stopped, emit):
            trained, leave = partial(_trained, requested, folder, emit, stopped), partial(_leave, folder, emit)
            if (count := requested["config"].get("nproc", 1)) > 1:
                return launch.train(count, trained, leave, folder / "record.json", partial(_begun, requested))
            return leave(trained())
    except workplace.OccupiedError as error:
        print(error, file=sys.stderr)  # whatever is in the folder is not this process's to replace
        return 1


def _begun(requested: dict[str, Any]) -> Record:
    """Return the record of a run that begins."""
    known: dict[str, Any] = {name: requested.get(name) for name in ("code", "image")}
    result = empty(requested["config"], requested["key"], requested["runner"], **known)
    result["provenance"].update(requested["provenance"], started=_now(), resumed=False)
    return result


def _trained(requested: dict[str, Any], folder: Path, emit: Emit, stopped: Callable[[], bool]) -> Record:
    """Train, in this process, and return the record."""
    started = time.perf_counter()
    result = _begun(requested)
    with Nondeterministic() as unsure:
        run = _Run(requested, folder, result, emit, stopped)
        try:
            run.train()
        except Exception as error:
            endings.note(result, error, run.ranks)
    result["provenance"].update(finished=_now(), nondeterministic=unsure.names)
    if result["cost"]["seconds"]["total"] is None:
        result["cost"]["seconds"]["total"] = time.perf_counter() - started
    return result


def _leave(folder: Path, emit: Emit, result: Record) -> int:
    """Write the record; return the exit status."""
    try:
        workplace.write(partial(write, result, folder / "record.json"), folder)
    except OSError as error:
        print(f"the record cannot be written to {folder}: {error.strerror}", file=sys.stderr)
        return 1
    emit({"event": "done", "status": result["status"], "reason": result["reason"]})
    return INTERRUPTED if result["status"] == "interrupted" else 0


def settle_process(run: RunConfig) -> None:
    """Give this process what a run needs: the recipe's threads, freed memory kept, deterministic algorithms."""
    keep_freed_memory()
    require_deterministic()
    if run.recipe.threads or run.nproc > 1:
        torch.set_num_threads(run.recipe.threads or max(1, torch.get_num_threads() // run.nproc))


class _Run:
    """A requested run."""

    def __init__(
        self, request: dict[str, Any], folder: Path, result: Record, emit: Emit, stopped: Callable[[], bool]
    ) -> None:
        self._request, self._folder = request, folder
        self._result, self._emit, self._stopped = result, emit, stopped
        self._started = time.perf_counter()
        self.ranks: Ranks | None = None

    def train(self) -> None:
        """Train to the end and fill in the record.

        Raises:
            StoppedError: It was told to stop.
        """
        run, task, splits = self._set_up()
        trainer, meter = self._trainer(run, task, splits), Meter(run.device)
        checkpoints = Checkpoints(
            self._folder, self._request["key"], trainer, meter, started=self._started, emit=self._emit
        )
        trainer = checkpoints.resume(partial(self._anew, splits), self.ranks)
        if run.checkpoint_seconds:
            checkpoints.check_room()
        self._result["provenance"]["resumed"] = checkpoints.resumed
        self._result["cost"]["seconds"]["setup"] = time.perf_counter() - self._started
        for note in task.notes:
            self._emit({"event": "log", "text": note})
        self._emit({"event": "started", "budget": vars(run.budget), "train_samples": task.train_samples})
        if self.ranks is not None and not self.ranks.leads:
            with meter:
                self._spend(task, trainer, checkpoints)
            self.ranks.totals(meter.peak_memory_bytes, meter.energy_joules or 0)
            self._result["status"] = "done"
            return
        others = None if self.ranks else [0.0, 0.0]  # memory and energy of the other processes
        try:
            with meter:
                spent = self._spend(task, trainer, checkpoints)
                if self.ranks is not None:
                    others = self.ranks.totals(0, 0)
                # Also before the test set is scored, for whatever may happen there.
                saved = checkpoints.save() if run.checkpoint_seconds or not spent else False
                if spent:
                    self._finish(trainer, splits)
        except DivergedError:
            checkpoints.discard()  # from there it would only diverge again
            raise
        finally:  # what a run cost that did not end well counts too, in earlier processes as well
            report.measure(self._result, trainer, meter, checkpoints, others)
        if not spent:
            resume = "run it again to resume from its checkpoint (--force begins anew)"
            raise StoppedError(resume if saved else "its checkpoint could not be written")

    def _set_up(self) -> tuple[RunConfig, Prepared, Data]:
        """Make model and data ready."""
        config = self._request["config"]
        generators.seed(derive(config["seed"], "start"))  # for what plug-ins draw when they are imported
        plugins.load_requested(self._request)
        run = from_dict(config)
        settle_process(run)
        if run.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("device=cuda was requested and there is no CUDA device here; device=cpu trains on the CPU")
        self._result["provenance"].update(provenance.machine(run.device))
        costs = self._request.get("costs")
        task = prepare(run, costs and Costs.from_dict(costs))
        if run.nproc > 1:
            self._join(run, task)
        self._result["config"].update(task.describe())
        self._stop_early()
        splits = load_data(run, self._request["provenance"].get("data_sha256"))
        self._stop_early()
        return run, task, splits

    def _join(self, run: RunConfig, task: Prepared) -> None:
        """Join the other processes of the run; only the leader is heard."""
        self.ranks = Ranks.join(run.nproc, run.device)
        made = self._result["provenance"]
        made["ranks"] = self.ranks.described(task.model)
        if made["gpu"] is not None:
            made["gpu"]["count"] = run.nproc
        if not self.ranks.leads:
            self._emit = lambda event: None

    def _trainer(self, run: RunConfig, task: Prepared, splits: Data) -> Trainer:
        return Trainer(run, task, splits) if self.ranks is None else RankedTrainer(run, task, splits, self.ranks)

    def _anew(self, splits: Data) -> Trainer:
        """Return a trainer at the start of the run, which shares nothing but the data with another one."""
        run = from_dict(self._request["config"])
        return self._trainer(run, prepare(run), splits)

    def _stop_early(self) -> None:
        if self._stopped():
            raise StoppedError("it had not begun to train")

    def _spend(self, task: Prepared, trainer: Trainer, checkpoints: Checkpoints) -> bool:
        """Train until the budget is spent; return whether it is, and the run was not told to stop."""
        successor = self._request.get("successor")
        before_last = partial(checkpoints.save_for, successor) if successor else None
        try:
            return trainer.train(self._emit, checkpoints.save, self._stopped, before_last)
        finally:
            report.describe(self._result, task, trainer)

    def _finish(self, trainer: Trainer, splits: Data) -> None:
        """Score the trained network and write it."""
        report.finish(self._result, trainer, splits.test)
        try:
            left = report.network(trainer)
            workplace.write(partial(network.write, left, self._folder / network.FINAL), self._folder)
        except OSError as error:
            text = f"the trained network could not be written: {error.strerror or error}"
            self._emit({"event": "log", "text": text})


def _catch_stop() -> Callable[[], bool]:
    """Turn SIGTERM into a request to stop between two iterations; Ctrl-C is the parent's to pass on."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return lambda: bool(told)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
