"""How each method looks in every plot.

A method says it itself (`methods.base.Look`). Colour tells families of methods apart and survives colour blindness
(Paul Tol's "vibrant" scheme). So does shape, for a plot in grey: no two methods share one that is filled alike. A
family's second method is hollow, with a dashed line. Hollow diamonds are kept for published numbers.
"""

from collections.abc import Iterable
from typing import Any

from methods import methods
from methods.base import Look

Looks = dict[str, dict[str, Any]]
"""Colour, shape, whether it is filled, and dash by a method's name on the board."""

# Paths in a box from -1 to 1, as Vega and the page's legend both draw them.
SHAPES = {
    "circle": "M-1,0A1,1,0,1,0,1,0A1,1,0,1,0,-1,0Z",
    "square": "M-.85,-.85L.85,-.85L.85,.85L-.85,.85Z",
    "triangle": "M0,-1L1,.8L-1,.8Z",
    "down": "M0,1L1,-.8L-1,-.8Z",
    "star": "M0,-1.1L.29,-.4L1.05,-.34L.47,.15L.65,.89L0,.5L-.65,.89L-.47,.15L-1.05,-.34L-.29,-.4Z",
    "right": "M1,0L-.8,1L-.8,-1Z",
    "left": "M-1,0L.8,1L.8,-1Z",
    "hourglass": "M-.9,-.9L.9,-.9L-.9,.9L.9,.9Z",
    "bowtie": "M-.9,-.9L.9,.9L.9,-.9L-.9,.9Z",
    "pentagon": "M0,-1L.95,-.31L.59,.81L-.59,.81L-.95,-.31Z",
    "hexagon": "M-.5,-.87L.5,-.87L1,0L.5,.87L-.5,.87L-1,0Z",
    "bar": "M-.4,-1L.4,-1L.4,1L-.4,1Z",
    "wedge": "M-.9,-.9L.9,.9L-.9,.9Z",
    "arrow": "M0,-1L.9,0L.4,0L.4,1L-.4,1L-.4,0L-.9,0Z",
    "chevron": "M-1,-.6L0,.2L1,-.6L1,.2L0,1L-1,.2Z",
    "slab": "M-1,-.4L1,-.4L1,.4L-1,.4Z",
    "tent": "M0,-1L1,.9L.45,.9L0,.1L-.45,.9L-1,.9Z",
    "cross": "M0,-.45L.5,-.95L.95,-.5L.45,0L.95,.5L.5,.95L0,.45L-.5,.95L-.95,.5L-.45,0L-.95,-.5L-.5,-.95Z",
    "plus": "M-.35,-1L.35,-1L.35,-.35L1,-.35L1,.35L.35,.35L.35,1L-.35,1L-.35,.35L-1,.35L-1,-.35L-.35,-.35Z",
}
_SPARE = [(shape, filled) for filled in (True, False) for shape in ("chevron", "tent", "slab")]
"""For variants, and methods that have no look of their own."""

_UNKNOWN = Look("#cc3311", "")
"""A method that is not registered here, or says nothing of its look, is red."""


def give(shown: Iterable[tuple[str, str]]) -> Looks:
    """Give every method of the board its look.

    Args:
        shown: Pairs of a method's name on the board and its own name. A variant ("set [delta_t=100]") has its
            method's colour and a spare shape.

    Returns:
        ``color``, ``shape``, ``filled`` and ``dash`` by name on the board: registered methods first, in the order of
        the registry.
    """
    known = methods()
    order = {name: place for place, name in enumerate(known)}
    looks: Looks = {}
    others = 0
    for label, name in sorted(set(shown), key=lambda pair: (order.get(pair[1], len(order)), pair)):
        own = known[name].look if name in known else None
        look = own or _UNKNOWN
        shape, filled = look.shape, look.filled
        if label != name or shape not in SHAPES:
            (shape, filled), others = _SPARE[others % len(_SPARE)], others + 1
        looks[label] = {"color": look.color, "shape": shape, "filled": filled, "dash": list(look.dash)}
    return looks


def about(name: str) -> str:
    """Return a method's one-line summary with its paper, for a reader who meets its name on the board."""
    method = methods().get(name)
    if method is None:
        return "A method that is not registered here."
    return f"{method.summary} ({method.paper})" if method.paper else method.summary
