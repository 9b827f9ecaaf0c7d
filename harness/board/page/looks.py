"""How each method looks in every plot.

Colour tells families of methods apart and survives colour blindness (Paul Tol's "vibrant" scheme). So does shape,
for a plot in grey: each family has one of its own, filled for the method and hollow, with a dashed line, for its
variant. Hollow diamonds are kept for published numbers.
"""

from collections.abc import Iterable
from typing import Any

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
    "cross": "M0,-.45L.5,-.95L.95,-.5L.45,0L.95,.5L.5,.95L0,.45L-.5,.95L-.95,.5L-.45,0L-.95,-.5L-.5,-.95Z",
    "plus": "M-.35,-1L.35,-1L.35,-.35L1,-.35L1,.35L.35,.35L.35,1L-.35,1L-.35,.35L-1,.35L-1,-.35L-.35,-.35Z",
}
_GREY, _CYAN, _BLUE, _ORANGE = "#8a8a8a", "#33bbee", "#0077bb", "#ee7733"
_MAGENTA, _TEAL, _RED = "#ee3377", "#009988", "#cc3311"
# Colour and shape of the family, whether the member is filled, its dash.
_STYLES: dict[str, tuple[str, str, bool, list[int]]] = {
    "dense": (_GREY, "plus", True, [2, 2]),
    "static": (_GREY, "cross", True, []),
    "set": (_CYAN, "circle", True, []),
    "set_itop": (_CYAN, "circle", False, [6, 3]),
    "rigl": (_BLUE, "square", True, []),
    "rigl_itop": (_BLUE, "square", False, [6, 3]),
    "gmp": (_ORANGE, "triangle", True, []),
    "gmp_uniform": (_ORANGE, "triangle", False, [6, 3]),
    "granet": (_MAGENTA, "down", True, []),
    "granet_s0": (_MAGENTA, "down", False, [6, 3]),
    "lth_rewind": (_TEAL, "star", True, []),
    "lr_rewind": (_TEAL, "star", False, [6, 3]),
}
_MORE = [(shape, filled) for filled in (True, False) for shape in ("right", "left", "hourglass")]


def give(methods: Iterable[tuple[str, str]]) -> Looks:
    """Give every method of the board its look.

    Args:
        methods: Pairs of a method's name on the board and its own name. A variant ("set [delta_t=100]") has its
            method's colour and a shape of no family; a method from outside this project is red.

    Returns:
        ``color``, ``shape``, ``filled`` and ``dash`` by name on the board, our methods first, family by family.
    """
    order = {name: place for place, name in enumerate(_STYLES)}
    looks: Looks = {}
    others = 0
    for label, name in sorted(set(methods), key=lambda pair: (order.get(pair[1], len(order)), pair)):
        color, shape, filled, dash = _STYLES.get(name, (_RED, "", True, []))
        if label != name or name not in _STYLES:
            (shape, filled), others = _MORE[others % len(_MORE)], others + 1
        looks[label] = {"color": color, "shape": shape, "filled": filled, "dash": dash}
    return looks
