"""Parts that the plots share: symbols, tooltips, intervals and the axis of accuracy, as Vega-Lite."""

from typing import Any

from harness.board.page.looks import SHAPES, Looks

Spec = dict[str, Any]

GROUND = "white"
"""What a hollow symbol is filled with; the page puts the colour of its background here."""

OURS, PUBLISHED = "datum.kind == 'ours'", "datum.kind == 'published'"

ACCURACY: Spec = {
    "field": "acc",
    "type": "quantitative",
    "title": "test top-1 accuracy, %",
    "scale": {"zero": False, "nice": True, "padding": 8},
}
CUT: list[Spec] = [
    {
        "joinaggregate": [
            {"op": "min", "field": "acc", "as": "least"},
            {"op": "max", "field": "acc", "as": "most"},
        ]
    },
    {"calculate": "max(0.5, 0.15 * (datum.most - datum.least))", "as": "margin"},
    {"calculate": "isValid(datum.low) ? max(datum.low, datum.least - datum.margin) : null", "as": "low"},
    {"calculate": "isValid(datum.high) ? min(datum.high, datum.most + datum.margin) : null", "as": "high"},
]
"""The axis fits the means: a huge interval would flatten everything else, so it is cut where the picture ends."""


def channel(looks: Looks, name: str, part: str, legend: Any = None) -> Spec:
    """Return the encoding of a channel by method.

    Args:
        looks: As `harness.board.page.looks.give` returns them.
        name: The channel, e.g. ``color``.
        part: What of a look it shows.
        legend: Vega-Lite's legend; None where the page has its own.
    """
    values = [look[part] for look in looks.values()]
    scale = {"domain": list(looks), "range": [SHAPES[v] for v in values] if part == "shape" else values}
    return {name: {"field": "method", "type": "nominal", "scale": scale, "legend": legend, "title": None}}


def symbol(looks: Looks, legend: Any = None) -> Spec:
    """Return a method's symbol: its shape, in its colour or hollow."""
    fills = {name: {"fill": look["color"] if look["filled"] else GROUND} for name, look in looks.items()}
    edge, shape = channel(looks, "stroke", "color", legend), channel(looks, "shape", "shape", legend)
    return channel(fills, "fill", "fill", legend) | edge | shape


def tooltip(*fields: tuple[str, str, str | None]) -> list[Spec]:
    """Return a tooltip of these fields: name in the data, title, format of a number or None for text."""
    return [
        {"field": field, "title": title, **({"type": "quantitative", "format": form} if form else {"type": "nominal"})}
        for field, title, form in fields
    ]


TELL = tooltip(
    ("method", "method", None),
    ("level", "sparsity", None),
    ("told", "top-1 %", None),
    ("flops", "FLOPs, × dense", ".3~f"),
    ("place", "rank", None),
    ("mark", "made", None),
)
_TELL_PUBLISHED = tooltip(
    ("label", "published", None),
    ("level", "sparsity", None),
    ("acc", "top-1 %", ".2f"),
    ("source", "source", None),
    ("protocol", "protocol", None),
)


def results(looks: Looks, which: str, legend: Any = None) -> list[Spec]:
    """Return intervals and points of our runs, and the hollow points of published ones.

    Args:
        looks: As `harness.board.page.looks.give` returns them.
        which: A Vega expression for the rows of ours to show.
        legend: Vega-Lite's legend; None where the page has its own.
    """
    interval = {"field": "low", "type": "quantitative"}
    return [
        {
            "transform": [{"filter": f"{which} && isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.65},
            "encoding": {"y": interval, "y2": {"field": "high"}, **channel(looks, "stroke", "color", legend)},
        },
        {
            "transform": [{"filter": which}],
            "mark": {"type": "point", "filled": True, "size": 75, "strokeWidth": 1.6, "opacity": 0.95},
            "encoding": {"y": ACCURACY, **symbol(looks, legend), "tooltip": TELL},
        },
        {
            "transform": [{"filter": PUBLISHED}],
            "mark": {"type": "point", "filled": False, "size": 130, "strokeWidth": 1.6, "shape": "diamond"},
            # its own colour, for a paper may have methods that we have not
            "encoding": {"y": ACCURACY, "color": {"field": "color", "scale": None}, "tooltip": _TELL_PUBLISHED},
        },
    ]
