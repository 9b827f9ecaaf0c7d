"""Whether what is kept of a model makes it again: its ``state_dict`` for evaluation, a checkpoint for training.

A kept network holds the ``state_dict`` alone. A model whose outputs depend on more is refused before it is trained, and
where that shows only later, the run is invalid. Tables that never change, caches and counters do no harm and are not
refused.
"""

import torch
from torch import Tensor, nn

from harness import generators
from harness.budget.inputs import Inputs
from harness.config import RunConfig
from harness.errors import UsageError, listed
from harness.machine.oom import ran_out_of_memory
from harness.machine.precision import placed
from harness.tasks import models
from harness.tasks.data import Batches
from harness.tasks.score import answers, evaluating
from harness.training.architecture import Architecture, measured
from harness.training.beside import State, differing, load_state_dict, plain, state_dict

_PASSES, _SAMPLES = 3, 4
_CLOSE = 1e-5
"""Share of the largest output by which two evaluations of one network may differ."""

_known: set[Architecture] = set()


def require(run: RunConfig) -> None:
    """Refuse a plug-in's model that a run could not be resumed with, or whose network could not be kept; once for each.

    A new model is run in training mode, and a second one is given what is kept of it.

    Raises:
        UsageError: The second does not go on as the first.
    """
    architecture = Architecture.of(run)
    if architecture in _known or models.builder(run.model.name).__module__.startswith("harness."):
        return
    trained, fresh = architecture.build(run.seed), architecture.build(run.seed)
    before: State = {}
    for number in range(_PASSES):
        before = plain(trained)
        _outputs(trained.train(), architecture.inputs, number)
    if run.graph and (moved := differing(before, plain(trained))):
        raise UsageError(
            f"graph=true would repeat one step of {run.model.name}, which changes {listed(moved)} in each: set "
            f"graph=false"
        )
    _give(run.model.name, trained, fresh)
    _require_kept(run.model.name, trained, fresh, architecture.inputs)
    _give(run.model.name, trained, fresh)
    load_state_dict(fresh, state_dict(trained))
    if not _same(_outputs(trained.train(), architecture.inputs, -1), _outputs(fresh.train(), architecture.inputs, -1)):
        raise UsageError(
            f"model {run.model.name!r} changes what no checkpoint holds and its training depends on: a run that is "
            f"resumed would train other weights; keep it in buffers, or in attributes that are tensors, numbers, "
            f"strings, lists, dicts or a torch.Generator"
        )
    _known.add(architecture)


def _give(name: str, trained: nn.Module, fresh: nn.Module) -> None:
    """Load the ``state_dict`` of one model into another."""
    try:
        fresh.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        lines = str(error).splitlines()
        why = lines[1].strip() if len(lines) > 1 else lines[0]
        raise UsageError(
            f"model {name!r} has another state_dict after training passes than a new one, so that its network could "
            f"not be loaded ({why}): make buffers and parameters before the first pass"
        ) from None


def _require_kept(name: str, trained: nn.Module, fresh: nn.Module, inputs: Inputs) -> None:
    """Refuse a model that evaluates otherwise once its ``state_dict`` is loaded into a new one."""
    more = differing(state_dict(trained), state_dict(fresh))
    if not _same(_outputs(trained.eval(), inputs, -1), _outputs(fresh.eval(), inputs, -1)):
        what = listed(more) or "an object that is neither tensor nor number"
        raise UsageError(
            f"model {name!r} changes {what} in training, which its outputs depend on and its state_dict lacks, so that "
            f"a kept network would give other results than its record: make it a persistent buffer, "
            f"register_buffer(name, tensor)"
        )


def not_reproduced(run: RunConfig, trained: nn.Module, test: Batches) -> str | None:
    """Say that a trained network is not the one that its ``state_dict`` gives, or that was counted, if so.

    The first has other outputs once it is loaded into a new model; the second has changed what it computes, as by a
    counter of its own, so that the ledger charged something else.

    Args:
        run: Its settings.
        trained: The model.
        test: The test set; a part of its first batch is evaluated.
    """
    inputs = next(test.epoch(0))[0][: 16 * _SAMPLES]
    try:
        fresh = placed(Architecture.of(run).build(run.seed), torch.device(run.device))
        fresh.load_state_dict(trained.state_dict())
        more = differing(state_dict(trained), state_dict(fresh))
        # Kernels that are not deterministic make the network differ from itself.
        first, again, other = (_answers(model, inputs) for model in (trained, trained, fresh))
    except (RuntimeError, MemoryError) as error:
        if ran_out_of_memory(error):
            return None
        raise
    if _same(first, other, noise=10 * float((first - again).nan_to_num().abs().max())):
        return _counted_otherwise(run, state_dict(trained), more) if more else None
    return f"the outputs depend on {listed(more) or 'state'}, which training changed and the model's state_dict lacks"


def _counted_otherwise(run: RunConfig, kept: State, more: list[str]) -> str | None:
    """Say that a model has other costs with what a trained one keeps beside its ``state_dict``, if it has."""
    architecture = Architecture.of(run)
    model = architecture.build(run.seed)
    load_state_dict(model, kept)
    if architecture.measure(model).described(0) == measured(run).described(0):
        return None
    return f"the model computes other products than were counted before it was trained, which changed {listed(more)}"


def _outputs(model: nn.Module, inputs: Inputs, number: int) -> Tensor:
    """Return the outputs for noise on the CPU; numbers name batches and what is drawn beside."""
    with generators.seeded(number + 1):
        found = model(inputs.noise(_SAMPLES, number + 1))
    assert isinstance(found, Tensor)
    return found.detach().float()


def _answers(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return what a model answers in evaluation mode, drawing the same each time."""
    with evaluating(model), generators.seeded(0):
        if inputs.is_cuda:
            torch.cuda.manual_seed(0)
        return answers(model, inputs)


def _same(one: Tensor, other: Tensor, noise: float = 0.0) -> bool:
    """Whether outputs are the same but for rounding."""
    finite = one[one.isfinite()].abs()
    slack = _CLOSE * float(finite.max()) if finite.numel() else 0.0
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=slack + noise, equal_nan=True)
