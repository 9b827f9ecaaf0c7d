"""The inside of a run: from a request to a record. The same process in a container and out of one.

``python -m harness.training.worker REQUEST.json FOLDER`` trains what the request says, prints one JSON event a line,
and leaves ``record.json``, ``final.pt`` and, while under way, ``checkpoint.pt`` in the folder, with ``successor.pt``
where another run goes on from this one. It trusts nothing outside it and is trusted by nothing: the runner checks what
it leaves.
"""

import json
import math
import os
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

from harness.config import RunConfig, from_dict
from harness.errors import UsageError
from harness.machine import provenance
from harness.machine.allocator import keep_freed_memory
from harness.machine.meter import Meter
from harness.records import empty, write
from harness.tasks.vision.inputs import load_data
from harness.tasks.vision.score import evaluate
from harness.training.prepare import Task, prepare
from harness.training.trainer import DivergedError, Emit, Trainer

INTERRUPTED = 130
SUCCESSOR = "successor.pt"
"""The checkpoint from which the next run of a chain goes on."""


def main() -> int:
    """Run the request named on the command line; events go to stdout."""
    # Only the first two arguments are ours, so that a wrapper may add its own.
    return work(Path(sys.argv[1]), Path(sys.argv[2]), lambda event: print(json.dumps(event), flush=True))


def work(request: Path, folder: Path, emit: Emit) -> int:
    """Train a request and leave its record.

    Args:
        request: JSON with ``config``, ``key``, ``runner`` and the ``provenance`` that is known outside; ``successor``
            is the key of the run that goes on from this one, if any.
        folder: Where everything is written.
        emit: Takes progress events.

    Returns:
        Exit status: 0 when a record was written, whatever its status; 130 when interrupted.
    """
    asked = json.loads(request.read_text())
    stopped = _catch_stop()
    started = time.perf_counter()
    result = empty(asked["config"], asked["key"], asked["runner"])
    result["provenance"].update(asked["provenance"], started=_now(), resumed=False)
    try:
        _train(asked, folder, result, emit, stopped)
    except DivergedError as error:
        result.update(status="diverged", reason=str(error))
        (folder / "checkpoint.pt").unlink(missing_ok=True)  # from there it would only diverge again
    except UsageError as error:
        result.update(status="failed", reason=str(error))
    except Exception as error:  # whatever a method's code raises is this run's end, not the harness's
        traceback.print_exc()
        if _ran_out_of_memory(error):
            result.update(status="out_of_memory", reason=_first_line(error))
        else:
            result.update(status="failed", reason=f"{type(error).__name__}: {_first_line(error)}")
    result["provenance"]["finished"] = _now()
    if result["cost"]["seconds"]["total"] is None:
        result["cost"]["seconds"]["total"] = time.perf_counter() - started
    write(result, folder / "record.json")
    emit({"event": "done", "status": result["status"], "reason": result["reason"]})
    return INTERRUPTED if result["status"] == "interrupted" else 0


def settle_process(run: RunConfig) -> None:
    """Have this process train as the run's recipe wants: with so many threads, keeping the memory that it frees."""
    keep_freed_memory()
    if run.recipe.threads:
        torch.set_num_threads(run.recipe.threads)


def _train(
    asked: dict[str, Any], folder: Path, result: dict[str, Any], emit: Emit, stopped: Callable[[], bool]
) -> None:
    started = time.perf_counter()
    run = from_dict(asked["config"])
    settle_process(run)
    if run.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device=cuda was asked for and there is no CUDA device here; device=cpu trains on the CPU")
    result["provenance"].update(provenance.machine(run.device))
    task = prepare(run)
    result["config"].update(task.describe())
    splits = load_data(run)
    trainer = Trainer(run, task, splits)
    meter = Meter(run.device)
    saved = folder / "checkpoint.pt"
    spent_before = _resume(trainer, meter, saved, asked["key"], result)

    def save(key: str, path: Path) -> None:
        elapsed = spent_before + time.perf_counter() - started
        clocks = meter.clocks.state_dict()
        _save({"key": key, "elapsed": elapsed, "clocks": clocks, "trainer": trainer.state_dict()}, path)

    def checkpoint() -> None:
        save(asked["key"], saved)

    successor = asked.get("successor")
    before_last = partial(save, successor, folder / SUCCESSOR) if successor else None

    setup = time.perf_counter() - started
    emit({"event": "started", "budget": vars(run.budget), "train_samples": task.train_samples})
    with meter:
        try:
            spent = trainer.train(emit, checkpoint, stopped, before_last)
        finally:
            _describe(result, run, task, trainer)
        if spent:
            _finish(result, trainer, splits.test, folder)
            saved.unlink(missing_ok=True)
        else:
            checkpoint()
            result.update(status="interrupted", reason="told to stop; run it again to go on from its checkpoint")
    # Of a resumed run the meter has seen a part alone.
    joules = None if result["provenance"]["resumed"] else meter.energy_joules
    clocks = meter.clocks
    result["cost"].update(peak_memory_bytes=meter.peak_memory_bytes, energy_joules=joules)
    result["cost"].update(throttled=clocks.throttled, power_capped=clocks.power_capped)
    result["cost"]["seconds"].update(
        total=spent_before + time.perf_counter() - started, setup=setup, **trainer.watch.seconds
    )


def _describe(result: dict[str, Any], run: RunConfig, task: Task, trainer: Trainer) -> None:
    """Write down what was spent and seen, also of a run that did not end well."""
    masks, ledger, history = trainer.masks, trainer.course.ledger, trainer.history
    inference = task.costs.forward(masks.active)
    result["cost"].update(
        steps=ledger.steps,
        samples=ledger.samples,
        train_flops=ledger.flops,
        train_flops_ratio=ledger.flops / task.budget.reference_flops,
        inference_flops=inference,
        inference_flops_ratio=inference / task.costs.dense,
        dense_forward_flops=task.costs.dense,
    )
    result["cost"]["seconds"].update(trainer.watch.seconds)
    active = masks.counted()
    result["metrics"].update(
        val_accuracy=history.curve[-1]["val_accuracy"] if history.curve else None,
        sparsity=1 - sum(active) / masks.maskable,
        active=sum(active),
        nonzero=sum(masks.nonzero()),
        maskable=masks.maskable,
        layer_density={name: count / size for name, count, size in zip(masks.names, active, masks.sizes, strict=True)},
        exploration_rate=masks.exploration_rate(),
    )
    result.update(history.state_dict())


def _finish(result: dict[str, Any], trainer: Trainer, test: Any, folder: Path) -> None:
    """Hold the run against its promises and touch the test set, for the only time."""
    violations = trainer.final_violations()
    started = time.perf_counter()
    score = evaluate(trainer.model, test)
    trainer.watch.seconds["eval"] += time.perf_counter() - started
    if not math.isfinite(score.loss):  # the last steps ruined what no training loss saw any more
        raise DivergedError(f"the loss on the test set is {score.loss}")
    result["metrics"].update(test_accuracy=score.accuracy, test_top5=score.top5, test_loss=score.loss)
    result.update(status="invalid" if violations else "done", reason="; ".join(violations) or None)
    state = {name: tensor.cpu() for name, tensor in trainer.model.state_dict().items()}
    masks = {name: mask.cpu() for name, mask in trainer.masks.tensors()}
    _save({"weights": {name: state[name] for name in masks}, "masks": masks, "state_dict": state}, folder / "final.pt")


def _resume(trainer: Trainer, meter: Meter, saved: Path, key: str, result: dict[str, Any]) -> float:
    """Go on from a checkpoint of this very run, if there is one; return the seconds it had taken."""
    if not saved.exists():
        return 0.0
    state = torch.load(saved, map_location="cpu", weights_only=True)
    if state["key"] != key:
        return 0.0
    try:
        trainer.load_state_dict(state["trainer"])
        meter.clocks.load_state_dict(state["clocks"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        saved.unlink()
        raise UsageError(f"its checkpoint does not fit ({_first_line(error)}) and was removed: run it again") from error
    result["provenance"]["resumed"] = True
    return float(state["elapsed"])


def _save(state: dict[str, Any], path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def _catch_stop() -> Callable[[], bool]:
    """Turn SIGTERM into a request to stop between two iterations; Ctrl-C is the parent's to pass on."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return lambda: bool(asked)


def _ran_out_of_memory(error: Exception) -> bool:
    # Where a CPU's memory ends, torch raises a plain RuntimeError.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
