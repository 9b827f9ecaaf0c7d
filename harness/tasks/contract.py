"""The contract of a task and of the models that it is trained with, held to before training: on samples, by values."""

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness import generators
from harness.errors import UsageError, reason
from harness.tasks import state
from harness.tasks.base import Score, Task
from harness.tasks.score import evaluating, problem

_CLOSE, _NOISE = 1e-4, 1e-6
"""How far sums of a batch may be from those of its parts: by a share of them, and at all."""
_SHAKEN, _STILL = 0.05, 1e-5
"""Deviation of what weights are moved by, and the share of the largest output that counts as noise of floats."""


def check(task: Task, loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> None:
    """Check what a plug-in's task makes of the outputs of a few samples.

    Args:
        task: The task.
        loss: What is differentiated: its loss, with the settings of a recipe.
        outputs: Those of the initial network, float32 [samples, ...].
        targets: Of the same samples.

    Raises:
        UsageError: A sentence of `Task.loss`, `Task.tally` or `Task.score` does not hold, its code fails, or it
            remembers something from call to call.
    """
    before = state.attributes(task)
    outputs = outputs.detach().clone().requires_grad_()
    with _named(task, "loss"):
        found = loss(outputs, targets)
    _require_loss(task, found, outputs)
    with torch.no_grad():
        _require_same(task, loss, outputs, targets)
        _require_unchanged(task, "loss", before)
        _require_tally(task, outputs, targets)
        _require_unchanged(task, "tally or score", before)


def require_causal(name: str, model: nn.Module, inputs: Tensor, tokens: int, task: str) -> None:
    """Check that no output of a model depends on a later token; its weights are changed.

    Weights are moved at random first: what is 0 at the start, as the last layers of blocks may be, would hide the rest.

    Args:
        name: Of the model.
        model: On the CPU.
        inputs: Random windows, int64 [windows, tokens of a window].
        tokens: How many different tokens there are.
        task: Name of the task.

    Raises:
        UsageError: One does.
    """
    generator = torch.Generator().manual_seed(0)
    length = inputs.shape[1]
    with evaluating(model), torch.random.fork_rng(devices=[]):
        for weight in model.parameters():
            weight.add_(torch.empty_like(weight).normal_(std=_SHAKEN, generator=generator))
        before = model(inputs).float()
        noise = _STILL * max(float(before.abs().max()), 1.0)
        for place in sorted({length // 3, length - 1} - {0}):
            changed = inputs.clone()
            changed[:, place] = (changed[:, place] + 1) % tokens
            moved = float((model(changed).float() - before)[:, :place].abs().max())
            if not moved <= noise:
                raise UsageError(
                    f"model {name!r} looks ahead: another token {place + 1} of {length} changes its outputs for tokens "
                    f"before it by up to {moved:.2g}; of the task {task}, outputs may depend on the tokens up to their "
                    f"place alone"
                )


def _require_loss(task: Task, found: Any, outputs: Tensor) -> None:
    if not isinstance(found, Tensor) or found.dim():
        raise _broken(task, "loss", f"returns {_shape(found)}, not the mean over the batch, a scalar tensor")
    if not bool(found.isfinite()):
        raise _broken(
            task, "loss", f"is {float(found.detach())} for the outputs of the initial network, which is not finite"
        )
    if not found.requires_grad:
        raise _broken(task, "loss", "has no gradient by the outputs: it is not computed from them by torch")
    with _named(task, "loss"):
        (gradient,) = torch.autograd.grad(found, outputs, allow_unused=True)
    if gradient is None or not bool(gradient.isfinite().all()):
        why = "has no gradient" if gradient is None else "has a gradient that is not finite"
        raise _broken(task, "loss", f"{why} by the outputs of the initial network")


def _require_same(task: Task, loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> None:
    """Require a loss that is a function of its arguments and of the global generators, which checkpoints hold."""
    found = []
    for _ in range(3):
        with generators.seeded(0), _named(task, "loss"):
            found.append(float(loss(outputs, targets)))
    if len(set(found)) > 1:
        raise _broken(
            task,
            "loss",
            f"is {found[0]:.8g}, {found[1]:.8g} and {found[2]:.8g} for the same outputs and targets; what it remembers "
            f"from call to call is in no checkpoint",
        )


def _require_unchanged(task: Task, part: str, before: Mapping[str, str]) -> None:
    if names := state.changed(before, task):
        raise _broken(
            task,
            part,
            f"changes {', '.join(names)}, which is in no checkpoint: a run that is resumed, or comes after another, "
            f"would train other weights; set attributes in __init__ alone",
        )


def _require_tally(task: Task, outputs: Tensor, targets: Tensor) -> None:
    count = len(outputs)
    whole = _tally(task, outputs, targets)
    for name, value in whole.items():
        if not math.isfinite(value):
            raise _broken(task, "tally", f"of {name} is {value} for the outputs of the initial network")
    if count > 1:
        cut = max(count * 3 // 8, 1)
        parts = [_tally(task, outputs[where], targets[where]) for where in (slice(0, cut), slice(cut, count))]
        for name, value in whole.items():
            first, second = (part.get(name, math.nan) for part in parts)
            near = _CLOSE * max(map(abs, (value, first, second))) + _NOISE
            if abs(value - first - second) > near or math.isnan(first + second):
                said = (
                    f"of {name} is {value:.6g} for {count} samples, but {first:.6g} for {cut} of them and {second:.6g}"
                )
                hint = "; loss must be the mean over the batch" if type(task).tally is Task.tally else ""
                raise _broken(task, "tally", f"{said} for the others, which must add up to it{hint}")
    with _named(task, "score"):
        score = task.score(whole, count)
    _require_score(task, score)


def _tally(task: Task, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Return the sums of a batch, once they are known to be what they must be."""
    with _named(task, "tally"):
        found = task.tally(outputs, targets)
    if not isinstance(found, Mapping):
        raise _broken(task, "tally", f"returns {_shape(found)}, not a dict of scalar tensors")
    for name, value in found.items():
        if not isinstance(name, str) or not name.isidentifier() or len(name) > 64:
            raise _broken(task, "tally", f"names a sum {name!r:.80}; allowed are words of letters, digits and '_'")
        if not isinstance(value, Tensor) or value.dim():
            raise _broken(task, "tally", f"of {name} is {_shape(value)}, not a scalar tensor")
    wanted = ("loss", task.metric.name) if type(task).score is Task.score else ("loss",)
    if missing := [name for name in wanted if name not in found]:
        raise _broken(task, "tally", f"has no {missing[0]!r}, but {', '.join(found) or 'nothing'}")
    return {name: float(value) for name, value in found.items()}


def _require_score(task: Task, score: Any) -> None:
    if not isinstance(score, Score):
        raise _broken(task, "score", f"returns {_shape(score)}, not a harness.tasks.base.Score")
    for name, value in (("value", score.value), ("loss", score.loss), *score.more.items()):
        if type(value) is not float:
            raise _broken(task, "score", f"has {name} {value!r:.80}, not a float")
    if why := problem(score, task):
        raise _broken(task, "score", f"says that {why}, for a few samples and the initial network")


@contextmanager
def _named(task: Task, part: str) -> Iterator[None]:
    """Name the task and the line of its file where its code fails; a warning that shapes differ is a failure."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Using a target size")
            yield
    except Exception as error:  # its author's code
        why = reason(error, inspect.getfile(type(task)))
        raise _broken(task, part, f"fails: {why}") from None


def _broken(task: Task, part: str, why: str) -> UsageError:
    return UsageError(f"task {task.name!r} cannot be used: its {part} {why}")


def _shape(found: Any) -> str:
    """Say what was found instead of a scalar tensor."""
    return f"a tensor of shape {list(found.shape)}" if isinstance(found, Tensor) else f"{found!r:.80}"
