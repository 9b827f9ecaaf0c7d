"""Gradients on a tape: what a method may learn from the data, recorded in one run and replayed without the data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from harness.budget.parts import Layers
from harness.config import RunConfig
from harness.errors import UsageError
from harness.tasks import base, data
from harness.tasks.data import Batches, Data
from harness.tasks.data.order import bounds
from harness.training import probing
from harness.training.prepare import Prepared
from harness.training.probing import Probed
from harness.training.step import Step
from harness.training.trainer import Trainer

_MOST_BYTES = 2e9


@dataclass
class Tape:
    """What the data told a run.

    Attributes:
        losses: Of each step.
        gradients: Of each step, in the order of the model's parameters; None for a parameter that has none.
        target: One target, of 0.
        probe: Gradients and Hessian products of the probe before the first step; None if there are none.
        flows: Scores of the probe's data-free passes.
    """

    losses: list[Tensor] = field(default_factory=list)
    gradients: list[list[Tensor | None]] = field(default_factory=list)
    target: Tensor | None = None
    probe: dict[str, list[Tensor] | None] | None = None
    flows: list[list[Tensor]] = field(default_factory=list)


class Recorder(Trainer):
    """A trainer that records what its steps and its probe compute."""

    def __init__(self, run: RunConfig, task: Prepared, splits: Data, tape: Tape) -> None:
        """See `Trainer`; the tape is written to.

        Raises:
            UsageError: The tape would be too long for this kit.
        """
        super().__init__(run, task, splits)
        steps = self.course.clock.total_steps or 1
        size = steps * sum(parameter.nbytes for parameter in self.model.parameters())
        if size > _MOST_BYTES:
            raise UsageError(
                f"the gradients of {steps:,} steps of {run.model.name} are {size / 1e9:.1f} GB, the most that is "
                f"recorded are {_MOST_BYTES / 1e9:g} GB: choose a smaller model or budget"
            )
        self._step = _Recorded(tape, run, self.model, self.optimizer, self._topology, splits.train)


class Player(Trainer):
    """A trainer whose steps take their gradients from a tape, and see no sample."""

    def __init__(self, run: RunConfig, task: Prepared, tape: Tape) -> None:
        """See `Trainer`; the tape is read from its beginning."""
        assert tape.target is not None
        super().__init__(run, task, blank(run, tape.target))
        self._step = _Played(tape, run, self.model, self.optimizer, self._topology, self._splits.train)


class _Recorded(Step):
    def __init__(self, tape: Tape, *of_step: Any) -> None:
        super().__init__(*of_step)
        self._tape = tape

    def _differentiated(self, inputs: Tensor, targets: Tensor) -> Tensor:
        loss = super()._differentiated(inputs, targets)
        self._tape.target = torch.zeros_like(targets[0])
        self._tape.losses.append(loss.clone())
        gradients = [parameter.grad for parameter in self._model.parameters()]
        self._tape.gradients.append([None if gradient is None else gradient.clone() for gradient in gradients])
        return loss


class _Played(Step):
    def __init__(self, tape: Tape, *of_step: Any) -> None:
        super().__init__(*of_step)
        self._left = zip(tape.losses, tape.gradients, strict=True)

    def _differentiated(self, inputs: Tensor, targets: Tensor) -> Tensor:
        loss, gradients = next(self._left)
        for parameter, gradient in zip(self._model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        return loss


class _Blank(Batches):
    """Batches of inputs that are 0 everywhere, as black images are, and of targets that are."""

    def __init__(self, samples: int, run: RunConfig, target: Tensor, *, training: bool) -> None:
        self.samples, self.batch_size, self.training = samples, run.recipe.batch_size, training
        self._inputs, self._target = base.inputs(vars(run.dataset)), torch.zeros_like(target)

    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        for begin, end in bounds(self.samples, self.batch_size, training=self.training)[start:]:
            yield self._inputs.zeros(end - begin), self._target.expand(end - begin, *self._target.shape)


def blank(run: RunConfig, target: Tensor) -> Data:
    """Return inputs of 0 in place of a run's data set, as many in each part.

    Args:
        run: Its data set.
        target: One target, of which shape and type count.
    """
    sizes = data.info(vars(run.dataset))
    parts = ((sizes.train_samples, True), (sizes.val_samples, False), (sizes.test_samples, False))
    return Data(*(_Blank(samples, run, target, training=training) for samples, training in parts))


@contextmanager
def recording(tape: Tape) -> Iterator[None]:
    """Record what probes find meanwhile."""
    real = probing.probe

    def probe(run: RunConfig, model: nn.Module, layers: Layers, batches: Batches) -> Probed | None:
        found = real(run, model, layers, batches)
        if found is None:
            return None
        tape.probe = {"gradients": _copies(found.gradients), "hessian_gradients": _copies(found.hessian_gradients)}
        compute = found.compute_flow

        def flow() -> list[Tensor]:
            scores = compute()
            tape.flows.append([score.clone() for score in scores])
            return scores

        found.compute_flow = flow
        return found

    with _in_place_of_probe(probe):
        yield


@contextmanager
def playing(tape: Tape) -> Iterator[None]:
    """Have probes find what the tape holds."""

    def probe(run: RunConfig, model: nn.Module, layers: Layers, batches: Batches) -> Probed | None:
        wanted, flows = run.method.probe(1 - run.sparsity), iter(tape.flows)
        return None if wanted is None else Probed(lambda: next(flows), wanted.flows, **(tape.probe or {}))

    with _in_place_of_probe(probe):
        yield


@contextmanager
def _in_place_of_probe(probe: Callable[..., Probed | None]) -> Iterator[None]:
    real, probing.probe = probing.probe, probe
    try:
        yield
    finally:
        probing.probe = real


def _copies(tensors: list[Tensor] | None) -> list[Tensor] | None:
    return None if tensors is None else [tensor.clone() for tensor in tensors]
