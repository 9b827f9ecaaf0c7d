"""How each method looks in every plot.

Colour tells families of methods apart and survives colour blindness (Paul Tol's "vibrant" scheme); shape and dash
tell the members of a family apart, so that no plot needs colour to be read.
"""

from collections.abc import Iterable
from typing import Any

Looks = dict[str, dict[str, Any]]
"""Colour, shape and dash by a method's name on the board."""

# Paths in a box from -1 to 1, as Vega and the page's legend both draw them.
SHAPES = {
    "circle": "M-1,0A1,1,0,1,0,1,0A1,1,0,1,0,-1,0Z",
    "square": "M-.85,-.85L.85,-.85L.85,.85L-.85,.85Z",
    "triangle": "M0,-1L1,.8L-1,.8Z",
    "diamond": "M0,-1.1L1,0L0,1.1L-1,0Z",
    "down": "M0,1L1,-.8L-1,-.8Z",
    "plus": "M-.35,-1L.35,-1L.35,-.35L1,-.35L1,.35L.35,.35L.35,1L-.35,1L-.35,.35L-1,.35L-1,-.35L-.35,-.35Z",
}
_GREY, _CYAN, _BLUE, _ORANGE = "#8a8a8a", "#33bbee", "#0077bb", "#ee7733"
_MAGENTA, _TEAL, _RED = "#ee3377", "#009988", "#cc3311"
# Colour of the family, shape and dash of the member.
_STYLES = {
    "dense": (_GREY, "plus", [2, 2]),
    "static": (_GREY, "circle", []),
    "set": (_CYAN, "circle", []),
    "set_itop": (_CYAN, "square", [6, 3]),
    "rigl": (_BLUE, "circle", []),
    "rigl_itop": (_BLUE, "square", [6, 3]),
    "gmp": (_ORANGE, "circle", []),
    "gmp_uniform": (_ORANGE, "square", [6, 3]),
    "granet": (_MAGENTA, "circle", []),
    "granet_s0": (_MAGENTA, "square", [6, 3]),
    "lth_rewind": (_TEAL, "circle", []),
    "lr_rewind": (_TEAL, "square", [6, 3]),
}
_MORE_SHAPES = ("triangle", "diamond", "down")


def give(methods: Iterable[tuple[str, str]]) -> Looks:
    """Give every method of the board its look.

    Args:
        methods: Pairs of a method's name on the board and its own name. A variant ("set [delta_t=100]") has its
            method's colour and another shape; a method from outside this project is red.

    Returns:
        ``color``, ``shape`` and ``dash`` by name on the board, our methods first, family by family.
    """
    order = {name: place for place, name in enumerate(_STYLES)}
    looks: Looks = {}
    others = 0
    for label, name in sorted(set(methods), key=lambda pair: (order.get(pair[1], len(order)), pair)):
        color, shape, dash = _STYLES.get(name, (_RED, "", []))
        if label != name or name not in _STYLES:
            shape, others = _MORE_SHAPES[others % len(_MORE_SHAPES)], others + 1
        looks[label] = {"color": color, "shape": shape, "dash": dash}
    return looks
