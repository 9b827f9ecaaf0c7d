"""The inside of a run: from a request to a record. The same process in a container and out of one.

``python -m harness.training.worker REQUEST.json FOLDER`` trains what the request says, prints one JSON event a line,
and leaves ``record.json``, ``final.pt`` and, until it is done, ``checkpoint.pt`` in the folder, with ``successor.pt``
where another run resumes from this one. It trusts nothing outside it and is trusted by nothing: the runner checks what
it leaves.
"""

import json
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness import plugins
from harness.config import RunConfig, from_dict
from harness.errors import UsageError, first_line
from harness.machine import provenance
from harness.machine.allocator import keep_freed_memory
from harness.machine.meter import Meter
from harness.records import Record, empty, write
from harness.tasks.vision.inputs import load_data
from harness.training import report
from harness.training.checkpoint import CHECKPOINT, Checkpoints
from harness.training.prepare import prepare
from harness.training.trainer import DivergedError, Emit, Trainer

INTERRUPTED = 130
"""Exit status of a run that was told to stop."""


def main() -> int:
    """Run the request named on the command line; events go to stdout."""
    # Only the first two arguments are ours, so that a wrapper may add its own.
    return work(Path(sys.argv[1]), Path(sys.argv[2]), lambda event: print(json.dumps(event), flush=True))


def work(request: Path, folder: Path, emit: Emit) -> int:
    """Train a request and leave its record.

    Args:
        request: JSON with ``config``, ``key``, ``runner`` and the ``provenance`` that is known outside; ``successor``
            is the key of the run that resumes from this one, if any.
        folder: Where everything is written.
        emit: Takes progress events.

    Returns:
        Exit status: 0 when a record was written, whatever its status; 130 when interrupted.
    """
    requested = json.loads(request.read_text())
    stopped = _catch_stop()
    started = time.perf_counter()
    result = empty(requested["config"], requested["key"], requested["runner"])
    result["provenance"].update(requested["provenance"], started=_now(), resumed=False)
    try:
        _train(requested, folder, result, emit, stopped)
    except DivergedError as error:
        result.update(status="diverged", reason=str(error))
        (folder / CHECKPOINT).unlink(missing_ok=True)  # from there it would only diverge again
    except UsageError as error:
        result.update(status="failed", reason=str(error))
    except Exception as error:  # whatever a method's code raises is this run's end, not the harness's
        traceback.print_exc()
        if _ran_out_of_memory(error):
            result.update(status="out_of_memory", reason=first_line(error))
        else:
            result.update(status="failed", reason=f"{type(error).__name__}: {first_line(error)}")
    result["provenance"]["finished"] = _now()
    if result["cost"]["seconds"]["total"] is None:
        result["cost"]["seconds"]["total"] = time.perf_counter() - started
    write(result, folder / "record.json")
    emit({"event": "done", "status": result["status"], "reason": result["reason"]})
    return INTERRUPTED if result["status"] == "interrupted" else 0


def settle_process(run: RunConfig) -> None:
    """Give this process the recipe's number of threads, and let it keep the memory that it frees."""
    keep_freed_memory()
    if run.recipe.threads:
        torch.set_num_threads(run.recipe.threads)


def _train(request: dict[str, Any], folder: Path, result: Record, emit: Emit, stopped: Callable[[], bool]) -> None:
    """Train a request to its end, or until it is told to stop, and fill in the record."""
    started = time.perf_counter()
    plugins.load_requested(request)
    run = from_dict(request["config"])
    settle_process(run)
    if run.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device=cuda was requested and there is no CUDA device here; device=cpu trains on the CPU")
    result["provenance"].update(provenance.machine(run.device))
    task = prepare(run)
    result["config"].update(task.describe())
    splits = load_data(run)
    trainer, meter = Trainer(run, task, splits), Meter(run.device)
    checkpoints = Checkpoints(folder, request["key"], trainer, meter, started)
    checkpoints.resume()
    result["provenance"]["resumed"] = checkpoints.resumed
    successor = request.get("successor")
    before_last = partial(checkpoints.save_for, successor) if successor else None
    result["cost"]["seconds"]["setup"] = time.perf_counter() - started
    for note in task.notes:
        emit({"event": "log", "text": note})
    emit({"event": "started", "budget": vars(run.budget), "train_samples": task.train_samples})
    with meter:
        try:
            spent = trainer.train(emit, checkpoints.save, stopped, before_last)
        finally:
            report.describe(result, task, trainer)
        if spent:
            report.finish(result, trainer, splits.test, folder)
            checkpoints.discard()
        else:
            checkpoints.save()
            result.update(status="interrupted", reason="told to stop; run it again to resume from its checkpoint")
    report.measure(result, trainer, meter, checkpoints)


def _catch_stop() -> Callable[[], bool]:
    """Turn SIGTERM into a request to stop between two iterations; Ctrl-C is the parent's to pass on."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return lambda: bool(told)


def _ran_out_of_memory(error: Exception) -> bool:
    # Where a CPU's memory ends, torch raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
