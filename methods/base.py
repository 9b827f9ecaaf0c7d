"""The interface of a method: small and stable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.declarations import Event, Learned, Look, Moment, Probe, Rewinding
from methods.parts.distributions import DISTRIBUTIONS, Shape, by_hand, checked_counts, densities, layer_counts

if TYPE_CHECKING:
    from torch import Tensor

    from methods.parts.masks import Masks
    from methods.parts.patterns import Pattern

__all__ = [
    "Event",
    "Learned",
    "Look",
    "Method",
    "Moment",
    "Probe",
    "Rewinding",
    "check_fraction",
    "check_interval",
    "check_positive",
    "overrides",
]


@dataclass
class Method:
    """A sparse-training method; its fields are its hyper-parameters and its typed config.

    A method decides which weights are active, from weights, gradients and progress. It never sees data, labels or the
    loss. To add one, subclass this class, override what differs and register it. The harness does everything else: it
    keeps weights and optimiser state exact, charges for events, counts and checks.

    Most methods need the hooks up to `rewinding`. The others take part in training only where a method
    overrides them, and only at a target density below 1. At 1 a method trains as dense training does, except that
    events of ``rigl`` and ``srigl`` still replace steps (``replaces_step``), and ``cyclic`` and the rewinding methods
    still repeat the schedule.

    Attributes:
        name: The name it is registered under.
        distribution: How the initial density is divided among layers: ``erk``, ``er``, ``uniform``, ``uniform_all``
            (the first convolution too), ``balanced`` (equally many weights in each), or by hand, as ``0.01,0.109``.
        interval: Iterations between topology events (delta T in the papers); 0 for none.
        masked: Whether the requested sparsity applies; False for dense training.
        prunes_globally: Whether layer densities follow the weights, so that a plan can only estimate them.
        exact: Whether a run ends with the requested number of weights; if not, the sparsity it reaches is a result.
        own_decay: Whether `each_step` decays the masked weights, so that the recipe's weight decay leaves them out.
        recordable: Whether its hooks do the same work on the device in every step, so that a CUDA graph can hold them.
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
    exact: ClassVar[bool] = True
    own_decay: ClassVar[bool] = False
    recordable: ClassVar[bool] = True
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
        if self.distribution not in DISTRIBUTIONS and by_hand(self.distribution) is None:
            allowed = f"{', '.join(DISTRIBUTIONS)}, or a density for each layer, as 0.01,0.5"
            raise ValueError(f"method.distribution: {self.distribution[:80]!r} is not one of {allowed}")
        if self.interval < 0:
            raise ValueError(f"method.interval: {self.interval} is negative")

    def unread(self) -> tuple[str, ...]:
        """Return which of ``distribution`` and ``interval`` decide on nothing, so that runs refuse to set them."""
        return ()

    def initial_density(self, target: float) -> float:
        """Global density before the first step; ``target`` unless the method goes from dense to sparse."""
        return target

    def layer_densities(self, shapes: Sequence[Shape], density: float) -> list[float]:
        """Densities of the layers at a global ``density``, for methods whose layer densities do not follow weights."""
        return densities(self.distribution, shapes, density)

    def layer_counts(self, shapes: Sequence[Shape], density: float, active: Sequence[int] | None = None) -> list[int]:
        """Active weights of the layers at a global ``density``, where `layer_densities` decides.

        Args:
            shapes: Weight shapes.
            density: Global density; the total is within one weight of it.
            active: Active weights so far; None before the first step.

        Raises:
            ValueError: `layer_densities` do not average to ``density``, although the method is ``exact``.
        """
        found = self.layer_densities(shapes, density)
        if self.exact:
            return checked_counts(shapes, found, density, self.name)
        return layer_counts(shapes, found, density)

    def start(self, masks: Masks, target: float) -> None:
        """Set the initial masks. Called once, before the first step; what `probe` asked for can be read from masks."""
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

    def probe(self, target: float) -> Probe | None:
        """Return what to compute on the untrained network before `start`; None for nothing."""
        return None

    def keeps_largest(self) -> bool:
        """Return whether `start` keeps the largest initial weights of the whole network, which a plan works out."""
        return False

    def redraws(self, target: float) -> str | None:
        """Return which weights training starts from once `start` has set the masks (Frankle et al. 2021, section 5).

        ``"initial"`` are those of the run's seed, for masks that moved after they had zeroed some weights; ``"other"``
        are drawn from another seed; None keeps them as they are.
        """
        return None

    def pattern(self, target: float) -> Pattern | None:
        """Return the pattern that the final masks have, such as N:M; None for any. The referee checks it."""
        return None

    def gradient_counts(self, shapes: Sequence[Shape], active: Sequence[int], target: float) -> Sequence[int] | None:
        """Weights of each layer whose gradient an ordinary step computes; None for the active ones.

        The ledger charges the weight gradient at these counts. They must include what `Masks.train_also` updates, and
        all weights of a layer whose dense gradient `each_step` reads.

        Args:
            shapes: Weight shapes.
            active: Active weights of each layer.
            target: Global density at the end.
        """
        return None

    def learned(self, masks: Masks) -> Learned | None:
        """Return tensors that are trained beside the weights; called once, before `probe`. See `forward_weight`."""
        return None

    def forward_weight(self, weight: Tensor, mask: Tensor, layer: int, masks: Masks) -> Tensor:
        """Return the weights that the network uses: a differentiable function of those that are stored and trained.

        Where it is overridden, the parameters hold its values during forward and backward pass, in evaluations and at
        the end. Otherwise they hold the stored weights, which need not be 0 outside the masks; those that are neither
        active nor in `Masks.train_also` are frozen. Gradients reach the stored weights and learned tensors through
        autograd; for a straight-through estimate, return ``weight + (used - weight).detach()``.

        Called in every step and evaluation; it must neither wait for the device nor change a tensor in place.

        Args:
            weight: Stored weights of a layer, in the layer's shape.
            mask: 1 where active and 0 elsewhere, of the same shape and type.
            layer: Index of the layer.
            masks: Of the run; `Masks.learned` and `Masks.memory` are of use here.

        Returns:
            A tensor of the same shape and type, 0 where the mask is 0.
        """
        return weight

    def each_step(self, masks: Masks) -> None:
        """Change gradients, state or memory in every step, before gradients are masked and the optimiser steps.

        `Masks.gradient` is that of this step. Must not wait for the device. Runs on iterations whose event replaces
        the optimiser's step too.
        """

    def finish(self, masks: Masks, target: float) -> None:
        """Set the final masks after the last step, before the last evaluation."""


def overrides(method: Method, hook: str) -> bool:
    """Return whether a method has its own version of a hook."""
    return getattr(type(method), hook) is not getattr(Method, hook)


def check_fraction(field: str, value: float) -> None:
    """Raise a ValueError that names ``field`` unless ``value`` is in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"method.{field}: {value} is not in [0, 1]")


def check_positive(field: str, value: float, most: float | None = None) -> None:
    """Raise a ValueError that names ``field`` unless ``value`` is positive, and at most ``most``."""
    if not 0 < value < float("inf"):
        raise ValueError(f"method.{field}: {value} is not a positive number")
    if most is not None and value > most:
        raise ValueError(f"method.{field}: {value} is more than {most:,}")


def check_interval(method: Method) -> None:
    """Raise a ValueError unless the method has a positive interval."""
    if method.interval < 1:
        raise ValueError(f"method.interval: {method.interval} is not a positive number of steps")
