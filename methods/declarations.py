"""What a method is told, and what it answers: plain values that a plan can hold without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 1_000_000  # batches, images of a class or passes of a probe


@dataclass(frozen=True)
class Moment:
    """Where a run stands right after a training iteration.

    Attributes:
        step: Training iterations done, including this one.
        position: Schedule position, 0 at the start and 1 at the end of training; learning rate and density follow it.
        previous: Position before this iteration.
        total: Iterations of the whole run; None where the budget does not fix them.
        round: Rewinding rounds begun: 0 during the first training.
    """

    step: int
    position: float
    previous: float
    total: int | None
    round: int = 0


@dataclass(frozen=True)
class Event:
    """A topology event on an iteration.

    Attributes:
        dense_gradient: The event reads the gradients of inactive weights too, so the ledger charges for them.
        replaces_step: The batch only provides gradients; the optimiser does not step (RigL).
        gradient: The event reads the gradients of trained weights alone, which every step computes anyway.
    """

    dense_gradient: bool = False
    replaces_step: bool = False
    gradient: bool = False

    def __post_init__(self) -> None:
        """Check the types.

        Raises:
            ValueError: One is not a boolean; the message names it.
        """
        for name in ("dense_gradient", "replaces_step", "gradient"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"event.{name}: {getattr(self, name)!r} is not true or false")


@dataclass(frozen=True)
class Rewinding:
    """Training in rounds, each followed by pruning and a return of the schedule to ``position``.

    Attributes:
        rounds: Rounds after the first training.
        position: Schedule position to go back to, 0...1.
        weights: Whether weights, learned tensors, optimiser state and statistics go back too (LTH), or only the
            schedule. `Masks.memory` stays as it is.
    """

    rounds: int
    position: float
    weights: bool


@dataclass(frozen=True)
class Probe:
    """What is computed on the untrained network before the first step.

    Batches are the first ones of the first epoch, augmented as in training. They count as training images and cost
    FLOPs, but no steps. The network, its statistics and all generators stay as they were.

    Attributes:
        batches: Training batches; the gradient is that of their mean loss at the initial weights.
        per_class: Instead: one batch of so many training images of each class (GraSP).
        temperature: The logits are divided by it.
        hessian: Whether the Hessian times that gradient is computed too.
        flows: Passes without data (SynFlow) that `Masks.flow` may take, each of one input.
    """

    batches: int = 0
    per_class: int = 0
    temperature: float = 1.0
    hessian: bool = False
    flows: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: One is out of range, or two exclude each other; the message names it.
        """
        for name in ("batches", "per_class", "flows"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"probe.{name}: {value!r} is not a whole number of 0 or more")
            if value > _MOST:
                raise ValueError(f"probe.{name}: {value} is more than {_MOST:,}")
        if not isinstance(self.temperature, int | float) or not 0 < self.temperature < float("inf"):
            raise ValueError(f"probe.temperature: {self.temperature!r} is not a positive number")
        if self.batches and self.per_class:
            raise ValueError(f"probe.per_class: {self.per_class} takes the place of batches, which are {self.batches}")
        if self.hessian and not (self.batches or self.per_class):
            raise ValueError("probe.hessian: there is no product without batches or per_class")


@dataclass(frozen=True)
class Learned:
    """Tensors that are trained beside the weights, by the same optimiser and learning rate (STR's thresholds).

    Attributes:
        values: Initial values by name: a tensor of any shape for each layer, in model order.
        weight_decay: Their weight decay.
    """

    values: Mapping[str, Sequence[Tensor]]
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        """Check the weight decay.

        Raises:
            ValueError: It is negative, NaN or infinite.
        """
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"learned.weight_decay: {self.weight_decay} is not a number of 0 or more")


@dataclass(frozen=True)
class Look:
    """How a method is drawn on the board.

    Attributes:
        color: Of its family, as ``#rrggbb``.
        shape: Of its family, a name in `harness.board.page.looks.SHAPES`.
        filled: Whether the shape is filled or hollow.
        dash: Lengths of dashes and gaps of its line, in pixels; empty for a solid line.
    """

    color: str
    shape: str
    filled: bool = True
    dash: tuple[int, ...] = ()

    def hollow(self) -> Look:
        """Return the look of a variant of this method: a hollow shape and a dashed line."""
        return replace(self, filled=False, dash=(6, 3))
