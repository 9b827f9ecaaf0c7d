"""The interface of a method: small and stable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from methods.parts.distributions import DISTRIBUTIONS, Shape, layer_counts

if TYPE_CHECKING:
    from methods.parts.masks import Masks


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
    """

    dense_gradient: bool = False
    replaces_step: bool = False


@dataclass(frozen=True)
class Rewinding:
    """Training in rounds, each followed by pruning and a return of the schedule to ``position``.

    Attributes:
        rounds: Rounds after the first training.
        position: Schedule position to go back to, 0...1.
        weights: Whether weights, optimiser state and statistics go back too (LTH), or only the schedule.
    """

    rounds: int
    position: float
    weights: bool


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


@dataclass
class Method:
    """A sparse-training method; its fields are its hyper-parameters and its typed config.

    A method decides which weights are active, from weights, dense gradients and progress. It never sees data, labels
    or the loss. To add one, subclass this class, override what differs and register it. The harness does everything
    else: it keeps weights and optimiser state exact, charges for events, counts and checks.

    Attributes:
        name: The name it is registered under.
        distribution: How the initial density is divided among layers: ``erk``, ``er`` or ``uniform``.
        interval: Iterations between topology events (delta T in the papers); 0 for none.
        masked: Whether the requested sparsity applies; False for dense training.
        prunes_globally: Whether layer densities follow the weights, so that a plan can only estimate them.
        image: Folder of the method's own container image; None for the suite's.
        family: The family it belongs to; suites accept it in place of method names.
        summary: One line for a reader who sees its name on the board.
        paper: Authors, year and arXiv identifier.
        look: How the board draws it; None to be given one.
    """

    name: str = ""
    distribution: str = "erk"
    interval: int = 0

    masked: ClassVar[bool] = True
    prunes_globally: ClassVar[bool] = False
    image: ClassVar[str | None] = None

    family: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    look: ClassVar[Look | None] = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters.

        Raises:
            ValueError: One of them is out of range; the message names it.
        """
        if self.distribution not in DISTRIBUTIONS:
            allowed = ", ".join(DISTRIBUTIONS)
            raise ValueError(f"method.distribution: {self.distribution[:80]!r} is not one of {allowed}")
        if self.interval < 0:
            raise ValueError(f"method.interval: {self.interval} is negative")

    def initial_density(self, target: float) -> float:
        """Global density before the first step; ``target`` unless the method goes from dense to sparse."""
        return target

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Densities of the layers at a global ``density``, for methods whose layer densities do not follow weights."""
        return DISTRIBUTIONS[self.distribution](shapes, density)

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers at a global ``density``, where `layer_densities` decides.

        Args:
            shapes: Weight shapes.
            density: Global density; the total is within one weight of it.
            active: Active weights so far; None before the first step.
        """
        return layer_counts(shapes, self.layer_densities(shapes, density), density)

    def start(self, masks: Masks, target: float) -> None:
        """Set the initial masks. Called once, before the first step."""
        density = self.initial_density(target)
        if density < 1:
            masks.initialise(self.layer_counts(masks.shapes, density))

    def marks(self) -> tuple[float, ...]:
        """Schedule positions at whose crossing `event` is called, in addition to every ``interval`` iterations."""
        return ()

    def event(self, moment: Moment) -> Event | None:
        """Return the topology event on this iteration, if any; decided on the host, from progress alone."""
        return None

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density after the event at ``moment``; None if the event does not change it."""
        return None

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Change the masks at an event. The time it takes is recorded as topology time."""

    def rewinding(self, target: float) -> Rewinding | None:
        """Rounds of a rewinding method; None for every other method."""
        return None


def check_fraction(field: str, value: float) -> None:
    """Raise a ValueError that names ``field`` unless ``value`` is in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"method.{field}: {value} is not in [0, 1]")


def check_interval(method: Method) -> None:
    """Raise a ValueError unless the method has a positive interval."""
    if method.interval < 1:
        raise ValueError(f"method.interval: {method.interval} is not a positive number of steps")
