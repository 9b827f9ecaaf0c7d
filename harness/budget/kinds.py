"""Kinds of budget: what a run may spend. A kind is one class here; nothing else branches on them."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from harness.errors import unknown


class Usage(NamedTuple):
    """What a stretch of training takes up.

    Attributes:
        steps: Training iterations.
        samples: Training samples in them.
        flops: Training FLOPs.
        seconds: Seconds of training and topology events.
    """

    steps: int = 0
    samples: int = 0
    flops: int = 0
    seconds: float = 0.0


class Reference(NamedTuple):
    """The dense run that a budget is compared with, before any stretching.

    Attributes:
        steps: Its iterations, not yet rounded.
        flops: Its training FLOPs.
    """

    steps: float
    flops: int


class Kind(ABC):
    """What a budget is counted in.

    Attributes:
        name: As in ``budget=NAME:AMOUNT``.
        default: Amount of a plain ``budget=NAME``; a string is an interpolation of the config.
        largest: Amounts above it are slips of the keyboard.
        unit: What the clock counts, in words.
        fixes_steps: Whether the clock counts iterations, so that their number is known in advance.
        timed: Whether the number of iterations depends on the speed of the machine.
    """

    name: ClassVar[str]
    default: ClassVar[float | str]
    largest: ClassVar[float]
    unit: ClassVar[str]
    fixes_steps: ClassVar[bool] = False
    timed: ClassVar[bool] = False

    @abstractmethod
    def spends(self, usage: Usage) -> float:
        """Return what training takes from the budget, in the clock's unit; an integer where it is counted."""

    @abstractmethod
    def size(self, amount: float, stretch: float, reference: Reference) -> float:
        """Return a configured budget in the clock's unit."""

    def reference_steps(self, amount: float, per_epoch: int, epochs: float) -> float:
        """Return the iterations of the dense run that a budget is compared with.

        Args:
            amount: As configured, without the stretch.
            per_epoch: Iterations of an epoch.
            epochs: The recipe's number of epochs, which counts where the budget says nothing about length.
        """
        return epochs * per_epoch

    def whole(self, amount: float) -> float:
        """Return an amount in the clock's unit, rounded up if only whole numbers can be spent."""
        return amount

    def miss(self, amount: float, spent: Usage, most: Usage) -> str | None:
        """Say in one line how a finished run missed its budget; None if it kept it.

        Args:
            amount: The budget, in the clock's unit.
            spent: What the run took up.
            most: What a single iteration takes up at most.
        """
        used = self.spends(spent)
        return None if 0 <= used - amount <= self.spends(most) else self._missed(amount, used)

    def words(self, amount: float) -> str:
        """Return a configured amount in words, such as ``160 epochs``."""
        return f"{amount:g} {self.name if amount != 1 else self.name.removesuffix('s')}"

    def _missed(self, amount: float, used: float) -> str:
        return f"budget: {used:.12g} {self.unit} where the budget is {amount:.12g}"


KINDS: dict[str, Kind] = {}
"""Every kind by its name."""


def register(cls: type[Kind]) -> type[Kind]:
    """Make a kind available as ``budget=NAME:AMOUNT``."""
    KINDS[cls.name] = cls()
    return cls


def kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        UsageError: There is none.
    """
    if name not in KINDS:
        raise unknown("budget kind", name, KINDS)
    return KINDS[name]


def words(name: str, amount: float) -> str:
    """Return a configured amount in words, also of a kind that only the author of a record knows."""
    return KINDS[name].words(amount) if name in KINDS else f"{amount:g} {name}"


@register
class Epochs(Kind):
    """Passes over the training split."""

    name = "epochs"
    default: ClassVar[float | str] = "${recipe.epochs}"
    largest = 100_000
    unit = "steps"
    fixes_steps = True

    def spends(self, usage: Usage) -> float:
        """Count iterations."""
        return usage.steps

    def size(self, amount: float, stretch: float, reference: Reference) -> float:
        """Return whole iterations."""
        return round(reference.steps * stretch)

    def reference_steps(self, amount: float, per_epoch: int, epochs: float) -> float:
        """Return the iterations of the budget's own epochs."""
        return amount * per_epoch

    def whole(self, amount: float) -> float:
        """Return the next whole iteration, float noise aside."""
        return math.ceil(amount * (1 - 1e-12))

    def miss(self, amount: float, spent: Usage, most: Usage) -> str | None:
        """Allow no other number of iterations."""
        return None if spent.steps == amount else self._missed(amount, spent.steps)


@register
class Steps(Epochs):
    """Training iterations."""

    name = "steps"
    default = 1000
    largest = 1_000_000_000

    def reference_steps(self, amount: float, per_epoch: int, epochs: float) -> float:
        """Return the amount itself."""
        return amount


@register
class Flops(Kind):
    """Training FLOPs, as multiples of those of the dense run at the recipe's number of epochs."""

    name = "flops"
    default = 1.0
    largest = 10_000
    unit = "training FLOPs"

    def spends(self, usage: Usage) -> float:
        """Count FLOPs."""
        return usage.flops

    def size(self, amount: float, stretch: float, reference: Reference) -> float:
        """Return FLOPs."""
        return amount * stretch * reference.flops

    def words(self, amount: float) -> str:
        """Name what they are multiples of."""
        return f"{amount:g} of the dense run's FLOPs"


@register
class Seconds(Kind):
    """Seconds of training and topology events; set-up and evaluation are not counted."""

    name = "seconds"
    default = 60
    largest = 90 * 86_400
    unit = "seconds of training"
    timed = True

    def spends(self, usage: Usage) -> float:
        """Count seconds."""
        return usage.seconds

    def size(self, amount: float, stretch: float, reference: Reference) -> float:
        """Return seconds."""
        return amount * stretch

    def miss(self, amount: float, spent: Usage, most: Usage) -> str | None:
        """Allow the iteration during which the time ran out, and a second."""
        allowed = amount + 1.0 + 2 * spent.seconds / max(spent.steps, 1)
        return None if amount * 0.999 <= spent.seconds <= allowed else self._missed(amount, spent.seconds)
