"""Parts that the plots share: symbols, tooltips, intervals and the axis of results, as Vega-Lite.

They are worded for accuracy. Where a table has another metric, `reworded` here and `reword` in ``assets/plots.js``
replace the words in `AXIS` and `TOLD` and set the parameters of `PARAMS`.
"""

import json
from typing import Any

from harness.board.page.looks import SHAPES, Looks
from harness.board.scale import scale_of
from harness.board.tables import Table
from harness.records.metrics import ACCURACY

Spec = dict[str, Any]

GROUND = "white"
"""What a hollow symbol is filled with; the page puts the colour of its background here."""

OURS, PUBLISHED = "datum.kind == 'ours'", "datum.kind == 'published'"

AXIS, VALIDATION, TOLD = "test top-1 accuracy, %", "validation accuracy, %", "top-1 %"
"""Words for an accuracy: titles of axes, and the column and tooltip of a result."""

PARAMS: list[Spec] = [{"name": "better", "value": 1}, {"name": "point", "value": 1}]
"""Whether more is better (1) or less (-1), and how much a point is, on the axis of results."""

SCORE: Spec = {
    "field": "shown",
    "type": "quantitative",
    "title": AXIS,
    "scale": {"zero": False, "nice": True, "padding": 8},
}
CUT: list[Spec] = [
    {
        "joinaggregate": [
            {"op": "min", "field": "acc", "as": "least"},
            {"op": "max", "field": "acc", "as": "most"},
            {"op": "median", "field": "acc", "as": "middle"},
        ]
    },
    {"calculate": "better > 0 ? datum.most : datum.least", "as": "best"},
    {"calculate": "max(10 * point, 6 * abs(datum.best - datum.middle))", "as": "far"},
    {"calculate": "better * (datum.best - datum.acc) > datum.far", "as": "outside"},
    {"calculate": "datum.outside ? null : datum.acc", "as": "inside"},
    {
        "joinaggregate": [
            {"op": "min", "field": "inside", "as": "least"},
            {"op": "max", "field": "inside", "as": "most"},
        ]
    },
    {"calculate": "max(0.5 * point, 0.15 * (datum.most - datum.least))", "as": "margin"},
    {"calculate": "better > 0 ? datum.least - datum.margin : datum.most + datum.margin", "as": "edge"},
    {"calculate": "datum.outside ? datum.edge : datum.acc", "as": "shown"},
    {"calculate": "isValid(datum.low) && !datum.outside", "as": "spans"},
    {"calculate": "datum.spans ? max(datum.low, datum.least - datum.margin) : null", "as": "low"},
    {"calculate": "datum.spans ? min(datum.high, datum.most + datum.margin) : null", "as": "high"},
]
"""The axis fits the means near the best: a row that collapsed, or a huge interval, would flatten everything else. A
mean that is over ten points and over six times as far from the best as the median is stands at the border, marked as
`OUTSIDE`; an interval is cut where the picture ends."""

OUTSIDE: Spec = {
    "transform": [{"filter": "datum.outside"}],
    "mark": {
        "type": "text",
        "dy": {"expr": "-13 * better"},
        "fontSize": 13,
        "text": {"expr": "better > 0 ? '↓' : '↑'"},
    },
    "encoding": {"y": SCORE},
}
"""An arrow at a point that lies farther out than its place says."""


def axis_of(table: Table) -> dict[str, Any]:
    """Return how the results of a table are worded and scaled, as the page and the picture take it."""
    metric = table.metric
    accuracy = metric == ACCURACY
    direction = "" if metric.higher else " (lower is better)"
    return {
        "name": metric.noun,
        "heading": metric.noun[:1].upper() + metric.noun[1:],
        "axis": AXIS if accuracy else f"test {metric.label}{direction}",
        "validation": VALIDATION if accuracy else f"validation {metric.label}{direction}",
        "told": metric.label,
        "better": 1 if metric.higher else -1,
        "point": metric.scale * scale_of(table).whole / 100,
    }


def reworded(spec: Spec, axis: dict[str, Any]) -> Spec:
    """Return a specification in the words of a table's metric.

    Args:
        spec: Worded for accuracy.
        axis: As `axis_of` returns it.
    """
    words = {AXIS: axis["axis"], VALIDATION: axis["validation"], TOLD: axis["told"]}
    text = json.dumps(spec)
    for ours, theirs in words.items():
        text = text.replace(json.dumps(ours), json.dumps(theirs))
    found: Spec = json.loads(text)
    found["params"] = [{"name": param["name"], "value": axis[param["name"]]} for param in PARAMS]
    return found


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
    ("told", TOLD, None),
    ("flops", "FLOPs, × dense", ".3~f"),
    ("place", "rank", None),
    ("mark", "made", None),
)
_TELL_PUBLISHED = tooltip(
    ("label", "published", None),
    ("level", "sparsity", None),
    ("acc", TOLD, ".6~g"),
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
            "encoding": {"y": SCORE, **symbol(looks, legend), "tooltip": TELL},
        },
        {
            "transform": [{"filter": PUBLISHED}],
            "mark": {"type": "point", "filled": False, "size": 130, "strokeWidth": 1.6, "shape": "diamond"},
            # its own colour, for a paper may have methods that we have not
            "encoding": {"y": SCORE, "color": {"field": "color", "scale": None}, "tooltip": _TELL_PUBLISHED},
        },
    ]
