"""Where weights meet the inputs element by element, and whether what they give is summed: a product by hand.

A linear layer can be written as ``(x[:, None] * w).sum(-1)``, and in many other ways: with a weight that was normalised
before, with a division, with an average or a norm for the sum. What they share is that a weight and the inputs meet
element by element, and that a reduction follows along a side along which both differ. Scales, gates, position tables
and the like are not reduced so: they scale or shift activations, along no side that the activations lack.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from harness.budget.tracing import operators

Spans = frozenset[tuple[int, int]]
"""Steps through a storage, in elements: a side of n elements with stride s is (s, s * n) in all of its views."""

NOWHERE: Spans = frozenset()


@dataclass(frozen=True)
class Meeting:
    """A weight's meeting with the inputs.

    Attributes:
        parameter: Its name.
        operator: What they met in.
    """

    parameter: str
    operator: str


@dataclass(frozen=True)
class Bearing:
    """What the values of a storage vary with.

    Attributes:
        data: Steps along which they vary with the inputs; None for all.
        weights: Parameters of several sides of which they are weights still, not activations.
        sides: Steps along which these make them vary; None for all.
        met: Meetings of such parameters with the inputs.
        own: Steps along which these parameters varied there.
        common: Those of them along which the inputs varied as well.
    """

    data: Spans | None = None
    weights: frozenset[str] = frozenset()
    sides: Spans | None = None
    met: frozenset[Meeting] = frozenset()
    own: Spans = NOWHERE
    common: Spans = NOWHERE

    def beside(self, other: "Bearing", *, data: tuple[bool, bool]) -> "Bearing":
        """Return what a storage varies with that holds this and another; ``data`` says which follows from inputs."""
        kept = [each.data for each, follows in zip((self, other), data, strict=True) if follows]
        weighty = [each.sides for each in (self, other) if each.weights]
        return Bearing(
            _union(kept),
            self.weights | other.weights,
            _union(weighty),
            self.met | other.met,
            self.own | other.own,
            self.common | other.common,
        )


UNKNOWN = Bearing()
"""Of what follows from the inputs, along all sides for all that is known, and of constants."""


@dataclass(frozen=True)
class Operand:
    """A tensor that an operator reads, whether it follows from the inputs, and what it varies with."""

    tensor: Tensor
    data: bool
    bearing: Bearing


class Operation:
    """One operation that is no product, with the first tensor of its result.

    Args:
        func: The operator.
        args: Its arguments, by place.
        kwargs: And by name.
        operands: The tensors among them.
        result: What it gave.
    """

    def __init__(self, func: Any, args: Any, kwargs: Any, operands: Sequence[Operand], result: Tensor) -> None:
        self._func, self._operands, self._result = func, operands, result
        self._chooses = func.overloadpacket in operators.CHOICES
        self._elementwise = operators.is_elementwise(func)
        self._moves = func.is_view or self._chooses or func.overloadpacket in operators.COPIES
        self._dim = _argument(func, args, kwargs, "dim")

    def by_hand(self) -> tuple[frozenset[Meeting], int]:
        """Return the meetings whose common sides this operation reduces, and the elements that it reduces them over."""
        for operand in self._operands:
            tensor, bearing = operand.tensor, operand.bearing
            if _sides(tensor, bearing.common) & self._reduced(tensor):
                # Of a row, a root mean square over scaled activations keeps the side, a product by hand does not.
                own = {span for span in bearing.own if _sides(tensor, frozenset([span]))}
                if len(own) > 1 or self._result.dim() < tensor.dim():
                    return bearing.met, tensor.numel()
        return frozenset(), 0

    def bearing(self) -> Bearing:
        """Return what the result varies with."""
        follows = [self._carried(each, each.bearing.data) if each.data else set() for each in self._operands]
        weights: set[str] = set()
        sides: set[int] = set()
        met = set().union(*(each.bearing.met for each in self._operands if self._carried(each, each.bearing.common)))
        met_sides, common = (
            set().union(*(self._carried(each, getattr(each.bearing, which)) for each in self._operands))
            for which in ("own", "common")
        )
        for place, operand in enumerate(self._operands):
            own = self._carried(operand, operand.bearing.sides) if operand.bearing.weights else set()
            others = [follows[at] for at, other in enumerate(self._operands) if other.data and at != place]
            if not own or (others and self._chooses and len(own) < 3):  # rows that are looked up are activations
                continue
            for other in others:
                shared = own & other
                if shared and not self._moves and (operators.multiplies(self._func) or own - other):
                    met_sides, common = met_sides | own, common | shared
                    met |= {Meeting(each, operators.name_of(self._func)) for each in operand.bearing.weights}
            # What varies along all its sides with the inputs is an activation; what does not is as many weights.
            if all(own - other for other in others):
                weights |= operand.bearing.weights
                sides |= own
        return Bearing(
            self._spans(set().union(*follows)),
            frozenset(weights),
            self._spans(sides),
            frozenset(met),
            self._spans(met_sides),
            self._spans(common),
        )

    def outer(self) -> bool:
        """Whether weights are scaled by inputs that do not vary along all their sides."""
        places = range(len(self._operands))
        return operators.multiplies(self._func) and any(
            self._operands[one].bearing.weights
            and self._carried(self._operands[one], self._operands[one].bearing.sides)
            - self._carried(self._operands[other], self._operands[other].bearing.data)
            for one in places
            for other in places
            if one != other and self._operands[other].data
        )

    def _reduced(self, tensor: Tensor) -> set[int]:
        """Return the sides of an operand over which its values are combined, counted from the last, -1."""
        name = operators.name_of(self._func)
        fewer = self._result.numel() < tensor.numel()
        if self._elementwise or self._moves or not (fewer or "cum" in name):
            return set()
        every = set(range(-tensor.dim(), 0))
        if tensor is not self._operands[0].tensor:
            return every
        if pooled := re.search(r"(\d)d", name):
            return {side for side in every if side >= -int(pooled[1])}
        if self._dim is None or self._dim == []:
            return every
        named = self._dim if isinstance(self._dim, list | tuple) else [self._dim]
        return {side - tensor.dim() if side >= 0 else side for side in named}

    def _carried(self, operand: Operand, spans: Spans | None) -> set[int]:
        """Return the sides of the result along which it varies because an operand varies along some steps."""
        tensor, result = operand.tensor, self._result
        found = _sides(tensor, spans)
        lost = self._reduced(tensor)
        if lost and result.dim() < tensor.dim():
            kept = [side for side in range(-tensor.dim(), 0) if side not in lost]
            if len(kept) == result.dim():
                return {kept.index(side) - len(kept) for side in found if side in kept}
        elif self._elementwise or result.dim() == tensor.dim():
            return {side for side in found if -side <= result.dim() and result.shape[side] > 1}
        return set(range(-result.dim(), 0)) if found else set()

    def _spans(self, sides: Iterable[int]) -> Spans:
        shape, strides = self._result.shape, self._result.stride()
        return frozenset((strides[side], strides[side] * shape[side]) for side in sides if strides[side])


def _sides(tensor: Tensor, spans: Spans | None) -> set[int]:
    """Return the sides of a tensor that go along some steps through its storage, counted from the last, -1."""
    return {
        place - tensor.dim()
        for place, (size, step) in enumerate(zip(tensor.shape, tensor.stride(), strict=True))
        if size > 1 and step and (spans is None or any(step < stop and start < step * size for start, stop in spans))
    }


def _union(several: Iterable[Spans | None]) -> Spans | None:
    found: Spans = NOWHERE
    for spans in several:
        if spans is None:
            return None
        found |= spans
    return found


def _argument(func: Any, args: Any, kwargs: Any, name: str) -> Any:
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == name:
            return args[place] if place < len(args) else kwargs.get(name)
    return None
