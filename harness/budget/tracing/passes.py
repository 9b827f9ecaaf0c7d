"""Running a network under a trace: in both modes, on two batch sizes, without its values where that is possible."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from harness.budget.inputs import Inputs
from harness.budget.tracing.findings import Findings
from harness.budget.tracing.follow import Follow
from harness.budget.tracing.network import (
    counterpart,
    drawing,
    plain_operators,
    reached_by_gradients,
    require_ordinary,
    snapshot,
)
from harness.errors import UsageError, first_line

BATCHES = (2, 3)
"""Two batch sizes tell what a sample costs from what is computed once; batch normalisation needs several samples."""
_PASSES = 4
"""Passes of a network that draws random numbers, each from a seed of its own."""

_SMALL = 2_000_000  # weights

Runs = Counter[tuple[int, int]]


class ValuesNeededError(Exception):
    """A network on the meta device cannot be traced without its values."""


@dataclass(frozen=True)
class Pass:
    """What one sample costs in one pass.

    Attributes:
        macs: Multiply-accumulates of all products.
        uses: By parameter, the multiply-accumulates of each run of its elements (first, one past the last).
        shared: Parameters of products that are computed once for all samples.
    """

    macs: int
    uses: dict[str, Runs]
    shared: frozenset[str]

    def level(self, name: str, start: int, stop: int) -> Fraction | None:
        """Return how often each of a run of elements is used; None if some are used more often than others."""
        runs = self.uses.get(name, Counter())
        ends = sorted({start, stop, *(end for run in runs for end in run if start < end < stop)})
        levels = {
            sum(
                (Fraction(macs, last - first) for (first, last), macs in runs.items() if first <= at < last), Fraction()
            )
            for at in ends[:-1]
        }
        return levels.pop() if len(levels) == 1 else None


@dataclass(frozen=True)
class Mode:
    """What the passes of one mode found.

    Attributes:
        passes: One, or several that differ where the network draws at random.
        findings: Of every pass and batch size.
        drawn: Whether the network drew from a generator on the host, or may branch on what it computes or draws.
    """

    passes: tuple[Pass, ...]
    findings: tuple[Findings, ...]
    drawn: bool

    @property
    def random(self) -> bool:
        """Whether passes differ in what they compute."""
        return len(self.passes) > 1


@dataclass(frozen=True)
class Survey:
    """What a network does with its parameters in both modes."""

    training: Mode
    evaluation: Mode

    @property
    def findings(self) -> tuple[Findings, ...]:
        """Of every pass, in both modes."""
        return self.training.findings + self.evaluation.findings


def survey(model: nn.Module, inputs: Inputs) -> Survey:
    """Trace a network in training and in evaluation mode; it and all generators stay as they are.

    Args:
        model: On any device. On the meta device it is traced without values, which need not be possible; elsewhere
            with its values if it is small.
        inputs: What it takes and returns; any result will do whose shape is not said.

    Raises:
        UsageError: It cannot be run on such inputs, or does what no trace can follow.
        ValuesNeededError: It is on the meta device and branches on values.
    """
    require_ordinary(model)
    without_values = any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    if without_values or not is_small(model):
        try:
            return _survey(counterpart(model, "meta"), inputs)
        except UsageError:
            raise
        except Exception:  # whatever a network raises where tensors have no values
            if without_values:
                raise ValuesNeededError from None
    try:
        return _survey(counterpart(model, "cpu"), inputs)
    except UsageError:
        raise
    except Exception as error:
        what = f"{type(model).__name__} cannot be run on inputs of shape {inputs.shape}"
        raise UsageError(f"{what}: {first_line(error)}") from error


def is_small(model: nn.Module) -> bool:
    """Whether a network is faster traced with its values.

    For its first operators on the meta device, torch imports its compiler, which takes two seconds.
    """
    return sum(parameter.numel() for parameter in model.parameters()) <= _SMALL


def _survey(model: nn.Module, inputs: Inputs) -> Survey:
    model.train()
    training = _mode(model, inputs, least=2)
    model.eval()
    with torch.no_grad():
        return Survey(training, _mode(model, inputs, least=1))


def _mode(model: nn.Module, inputs: Inputs, least: int) -> Mode:
    passes: list[Pass] = []
    findings: list[Findings] = []
    drawn = False
    while len(passes) < (_PASSES if drawn else least):
        found = []
        # Both batches meet the same generators, those of the network's own included, which then move on.
        for batch, twin in zip(BATCHES, (snapshot(model), model), strict=True):
            with drawing(len(passes)) as moved:
                found.append(_run(twin, inputs.noise(batch, len(passes)), inputs.outputs))
                drawn |= moved() or found[-1].decides
        findings += found
        passes.append(_per_sample(type(model).__name__, *found))
        drawn |= passes[-1] != passes[0]
    distinct = [one for i, one in enumerate(passes) if one not in passes[:i]]
    return Mode(tuple(distinct), tuple(findings), drawn)


def _run(model: nn.Module, noise: Tensor, outputs: tuple[int, ...] | None) -> Findings:
    """Trace one forward pass on noise, whose generator is not one that the network draws from."""
    device = next(model.parameters()).device
    inputs = noise.to(device)
    with torch.device(device), plain_operators():
        follow = Follow(dict(model.named_parameters()), inputs)
        kept = {name: parameter.untyped_storage()._cdata for name, parameter in model.named_parameters()}
        with follow:
            result = model(inputs)
    _require_followed(model, follow, result, (len(noise), outputs))
    for name, parameter in model.named_parameters():
        if name not in kept:
            raise UsageError(f"{type(model).__name__} makes the parameter {name} in its forward pass: make it before")
        if parameter.untyped_storage()._cdata != kept[name]:
            follow.found.refused[name] = "is replaced in the forward pass"
    if model.training and (reached := reached_by_gradients(result)) is not None:
        follow.found.reached = {name for name, storage in kept.items() if storage in reached}
    return follow.found


def _per_sample(model: str, fewer: Findings, more: Findings) -> Pass:
    """Return what one further sample costs, and what was computed once, from passes on `BATCHES`."""
    few, many = BATCHES
    if many * fewer.macs < few * more.macs:
        if fewer.decides or more.decides:
            raise UsageError(
                f"{model} decides by the values of its inputs what it computes (an item(), or a branch or loop on a "
                f"tensor): what a sample costs depends on the data; compute the same for each"
            )
        raise UsageError(f"{model} multiplies samples with each other: what one costs depends on how many there are")
    uses, shared = {}, set()
    for name in fewer.uses | more.uses:
        runs = {run: more.uses[name][run] - fewer.uses[name][run] for run in fewer.uses[name] | more.uses[name]}
        uses[name] = Counter({run: macs // (many - few) for run, macs in runs.items() if macs > 0})
        if any(many * fewer.uses[name][run] != few * more.uses[name][run] for run in runs):
            shared.add(name)
    return Pass((more.macs - fewer.macs) // (many - few), uses, frozenset(shared))


def _require_followed(model: nn.Module, follow: Follow, result: Any, shape: tuple[int, tuple[int, ...] | None]) -> None:
    """Refuse what is not one tensor, a row for each sample, that follows from it by operators."""
    name, mode = type(model).__name__, "training" if model.training else "evaluation"
    samples, outputs = shape
    if not isinstance(result, Tensor):
        hint = ": wrap it in a module that returns the logits" if hasattr(result, "logits") else ""
        raise UsageError(f"{name} returns a {type(result).__name__} in {mode} mode, not one tensor{hint}")
    found = tuple(result.shape)
    if found[:1] != (samples,) or (outputs is not None and found != (samples, *outputs)):
        rest = "..." if outputs is None else ", ".join(map(str, outputs))
        raise UsageError(
            f"{name} returns a tensor of shape {found} for {samples} samples in {mode} mode, not ({samples}, {rest})"
        )
    if not follow.follows_from_inputs(result):
        raise UsageError(f"{name} computes outside torch in {mode} mode: its result cannot be followed to the inputs")
