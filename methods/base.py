"""What a method is: the interface, frozen and small."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from methods.parts.distributions import DISTRIBUTIONS, Shape, layer_counts
from methods.parts.masks import Masks


@dataclass(frozen=True)
class Moment:
    """Where a run stands right after a training iteration.

    Attributes:
        step: Training iterations done, this one included.
        position: Schedule position, 0 at the start and 1 at the end of training; what LR and density follow.
        previous: Position before this iteration.
        total: Iterations of the whole run, None where the budget does not fix them.
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
        dense_gradient: It reads the gradients of inactive weights too: the ledger charges for them.
        replaces_step: The batch serves the gradients alone; the optimiser does not step (RigL).
    """

    dense_gradient: bool = False
    replaces_step: bool = False


@dataclass(frozen=True)
class Rewinding:
    """Training in rounds, each followed by pruning and a return of the schedule to ``position``.

    Attributes:
        rounds: Rounds after the first training.
        position: Schedule position to go back to, 0...1.
        weights: Whether weights, optimiser state and statistics go back too (LTH), or the schedule alone.
    """

    rounds: int
    position: float
    weights: bool


@dataclass
class Method:
    """A sparse-training method; its fields are its hyper-parameters and its typed config.

    A method decides which weights are alive, from weights, dense gradients and progress. It never sees data, labels
    or the loss. Subclass it, override what differs, register it; the harness does everything else: keeps
    weights and optimiser state exact, charges for events, counts, checks.

    Attributes:
        name: Under which it is registered.
        distribution: How the initial density is shared out over layers: erk, er or uniform.
        interval: Iterations between topology events (the papers' delta T); 0 for none.
        image: Reference of its own container image; None for the suite's.
    """

    name: str = ""
    distribution: str = "erk"
    interval: int = 0

    masked: ClassVar[bool] = True  # whether the asked sparsity applies (False: dense)
    prunes_globally: ClassVar[bool] = False  # whether layer densities follow weights, so a plan can only estimate them
    image: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Check the hyper-parameters.

        Raises:
            ValueError: One of them is out of range; the message names it.
        """
        if self.distribution not in DISTRIBUTIONS:
            allowed = ", ".join(DISTRIBUTIONS)
            raise ValueError(f"method.distribution: {self.distribution!r} is not one of {allowed}")
        if self.interval < 0:
            raise ValueError(f"method.interval: {self.interval} is negative")

    def initial_density(self, target: float) -> float:
        """Global density before the first step; ``target`` unless the method goes from dense to sparse."""
        return target

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Densities of the layers when the global one is ``density``, where weights do not decide."""
        return DISTRIBUTIONS[self.distribution](shapes, density)

    def start(self, masks: Masks, target: float) -> None:
        """Set the initial masks. Called once, before the first step."""
        density = self.initial_density(target)
        if density < 1:
            masks.initialise(layer_counts(masks.shapes, self.layer_densities(masks.shapes, density), density))

    def marks(self) -> tuple[float, ...]:
        """Schedule positions at whose crossing `event` is asked besides every ``interval`` iterations."""
        return ()

    def event(self, moment: Moment) -> Event | None:
        """Say whether a topology event falls on this iteration; decided on the host, from progress alone."""
        return None

    def density(self, moment: Moment, target: float) -> float | None:
        """Global density that the event at ``moment`` leaves; None where it does not change it."""
        return None

    def update(self, masks: Masks, moment: Moment, target: float) -> None:
        """Change the masks at an event. Timed as topology."""

    def rewinding(self, target: float) -> Rewinding | None:
        """Rounds of a rewinding method; None for every other."""
        return None


def check_fraction(field: str, value: float) -> None:
    """Raise a ValueError that names ``field`` unless ``value`` is in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"method.{field}: {value} is not in [0, 1]")


def check_interval(method: Method) -> None:
    """Raise a ValueError unless the method has a positive interval."""
    if method.interval < 1:
        raise ValueError(f"method.interval: {method.interval} is not a positive number of steps")
