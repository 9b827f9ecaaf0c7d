"""The results of a run: the figures of its record, and its final weights."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from harness import generators
from harness.config import from_dict
from harness.machine.meter import WHOLE, Meter
from harness.records import Record, reliability
from harness.records.record import is_trial
from harness.seeds import derive
from harness.tasks import base
from harness.tasks.data import Batches, decoded
from harness.tasks.reliability import measured
from harness.tasks.score import evaluate, problem, recorded
from harness.training import reproducible
from harness.training.checkpoint import Checkpoints
from harness.training.network import Network
from harness.training.prepare import Prepared
from harness.training.promises import pattern_problems
from harness.training.trainer import DivergedError, Trainer
from methods.parts.patterns import active_neurons


def describe(result: Record, task: Prepared, trainer: Trainer) -> None:
    """Fill in what was spent and seen, also of a run that did not end well."""
    masks, ledger, history = trainer.masks, trainer.course.ledger, trainer.history
    inference = task.costs.forward(masks.active)
    full = result["config"].get("reference") or task.costs.as_reference()
    result["cost"].update(
        steps=ledger.steps,
        samples=ledger.samples,
        train_flops=ledger.flops,
        train_flops_ratio=ledger.flops / task.budget.reference_flops,
        inference_flops=inference,
        inference_flops_ratio=inference / full["forward_flops"],
        dense_forward_flops=full["forward_flops"],
    )
    probe = trainer.course.probe
    if probe.flops:
        result["cost"]["probe"] = {"samples": probe.samples, "flops": probe.flops}
    result["cost"]["seconds"].update(trainer.watch.seconds)
    active = masks.counted()
    result["metrics"].update(
        sparsity=1 - sum(active) / full["maskable"],
        active=sum(active),
        nonzero=sum(masks.nonzero()),
        maskable=masks.maskable,
        layer_density={name: count / size for name, count, size in zip(masks.names, active, masks.sizes, strict=True)},
        exploration_rate=masks.exploration_rate(),
        **{history.validated: history.curve[-1][history.validated] if history.curve else None},
    )
    if (result["config"].get("pattern") or {}).get("kind") == "fan_in":
        result["metrics"]["active_neurons"] = {name: active_neurons(mask) for name, mask in masks.tensors()}
    result.update(history.state_dict())


def finish(result: Record, trainer: Trainer, test: Batches) -> None:
    """Check the run's promises and touch the test set, for the only time; a trial of tuning leaves it alone.

    A network that a new model does not reproduce breaks one: what is kept of it would not be what was scored.

    Raises:
        DivergedError: The loss or the metric on the test set is NaN or infinite.
    """
    violations = trainer.final_violations() + pattern_problems(result["config"], trainer.masks)
    if not is_trial(result):
        if why := _score(result, trainer, test):
            violations.append(f"{why} on the test set")
        if why := reproducible.not_reproduced(from_dict(result["config"], method=False), trainer.model, test):
            violations.append(why)
    result.update(status="invalid" if violations else "done", reason="; ".join(violations) or None)


def _score(result: Record, trainer: Trainer, test: Batches) -> str | None:
    """Measure the network on the test set; return what no record can hold of it, if anything."""
    started = time.perf_counter()
    generators.seed(derive(result["seed"], "test"))  # whatever the training has drawn, as the referee does
    task = base.of(result["config"]["dataset"])
    score = evaluate(trainer.model, test, task, each=True)
    try:
        if not math.isfinite(score.loss):  # the last steps ruined what no later training loss shows
            raise DivergedError(f"the loss on the test set is {score.loss}")
        if not math.isfinite(score.value):
            raise DivergedError(f"{task.metric.name} is {score.value} on the test set")
        config = result["config"]
        if score.calibration is not None and not reliability.of_config(config):
            result["reliability"] = measured.group(
                score, trainer.model, test, config, corruptions=bool(config.get("corruptions"))
            )
    finally:
        trainer.watch.seconds["eval"] += time.perf_counter() - started
    result["metrics"].update(recorded(score, task))
    return problem(score, task)


def network(trainer: Trainer) -> Network:
    """Return the trained network."""
    return Network(trainer.model.state_dict(), dict(trainer.masks.tensors()))


def measure(
    result: Record, trainer: Trainer, meter: Meter, checkpoints: Checkpoints, others: Sequence[float] | None
) -> None:
    """Fill in time, memory and energy once the run is over.

    Args:
        result: The record.
        trainer: Of this process.
        meter: Of this process.
        checkpoints: They know of earlier processes.
        others: Memory and energy of the run's other processes at the same time; None if they are not known.
    """
    cost, clocks = result["cost"], meter.clocks
    with suppress(RuntimeError):  # of a device that an error has spoilt nothing can be read
        trainer.watch.settle()
    memory, energy = others or (0, 0)
    seen = others is not None and not checkpoints.resumed and meter.energy_joules is not None
    cost.update(
        peak_memory_bytes=None if others is None else meter.peak_memory_bytes + int(memory),
        # The meter has seen only a part of a resumed run.
        energy_joules=(meter.energy_joules or 0) + energy if seen else None,
        throttled=clocks.throttled,
        power_capped=clocks.power_capped,
    )
    if (share := meter.cpu_share) is not None and share < WHOLE and _computes_throughout(result["config"]):
        cost["core"] = share
    cost["seconds"].update(total=checkpoints.elapsed, **trainer.watch.seconds)


def _computes_throughout(config: dict[str, Any]) -> bool:
    """Whether training keeps a core busy: it waits neither for a GPU nor for files nor for other processes."""
    return config["device"] == "cpu" and not decoded(config["dataset"]) and config.get("nproc", 1) == 1
