"""The plots, as Vega-Lite specifications: the page draws them in the browser, README's is drawn from the same.

A specification carries no data: the page and `static` fill in the source it names.
"""

import json
from collections.abc import Sequence
from typing import Any

from harness.board.page.looks import SHAPES, Looks

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


# What a hollow symbol is filled with; the page puts the colour of its ground here.
GROUND = "white"


def _method(looks: Looks, channel: str, part: str, legend: Any = None) -> Spec:
    values = [look[part] for look in looks.values()]
    scale = {"domain": list(looks), "range": [SHAPES[v] for v in values] if part == "shape" else values}
    return {channel: {"field": "method", "type": "nominal", "scale": scale, "legend": legend, "title": None}}


def _symbol(looks: Looks, legend: Any = None) -> Spec:
    """Return a method's symbol: its shape, in its colour or hollow."""
    fills = {name: {"fill": look["color"] if look["filled"] else GROUND} for name, look in looks.items()}
    edge, shape = _method(looks, "stroke", "color", legend), _method(looks, "shape", "shape", legend)
    return _method(fills, "fill", "fill", legend) | edge | shape


def _tooltip(*fields: tuple[str, str, str | None]) -> list[Spec]:
    return [
        {"field": field, "title": title, **({"type": "quantitative", "format": form} if form else {"type": "nominal"})}
        for field, title, form in fields
    ]


_TELL = _tooltip(
    ("method", "method", None),
    ("level", "sparsity", None),
    ("told", "top-1 %", None),
    ("flops", "FLOPs, × dense", ".3~f"),
    ("place", "rank", None),
    ("mark", "made", None),
)
_TELL_PUBLISHED = _tooltip(
    ("label", "published", None),
    ("level", "sparsity", None),
    ("acc", "top-1 %", ".2f"),
    ("source", "source", None),
    ("protocol", "protocol", None),
)
_ACCURACY = {
    "field": "acc",
    "type": "quantitative",
    "title": "test top-1 accuracy, %",
    "scale": {"zero": False, "nice": True, "padding": 8},
}
# The axis fits the means: a huge interval would flatten everything else, so it is cut where the picture ends.
_CUT: list[Spec] = [
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
# Lines without a colour scale get legend symbols without a colour.
_STROKES = {"symbols": {"update": {"stroke": {"value": "#888"}, "strokeWidth": {"value": 2}, "size": {"value": 400}}}}
_OURS, _PUBLISHED = "datum.kind == 'ours'", "datum.kind == 'published'"


def _marks(looks: Looks, which: str, legend: Any = None) -> list[Spec]:
    """Return intervals and points of our runs, and the hollow points of published ones."""
    interval = {"field": "low", "type": "quantitative"}
    return [
        {
            "transform": [{"filter": f"{which} && isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.65},
            "encoding": {"y": interval, "y2": {"field": "high"}, **_method(looks, "stroke", "color", legend)},
        },
        {
            "transform": [{"filter": which}],
            "mark": {"type": "point", "filled": True, "size": 75, "strokeWidth": 1.6, "opacity": 0.95},
            "encoding": {"y": _ACCURACY, **_symbol(looks, legend), "tooltip": _TELL},
        },
        {
            "transform": [{"filter": _PUBLISHED}],
            "mark": {"type": "point", "filled": False, "size": 130, "strokeWidth": 1.6, "shape": "diamond"},
            # its own colour, for a paper may have methods that we have not
            "encoding": {"y": _ACCURACY, "color": {"field": "color", "scale": None}, "tooltip": _TELL_PUBLISHED},
        },
    ]


def by_sparsity(looks: Looks) -> Spec:
    """Return accuracy against sparsity: a line per method over a logarithmic axis of density, dense as a rule."""
    line = _method(looks, "color", "color") | _method(looks, "strokeDash", "dash")
    sparse = f"{_OURS} && datum.sparsity > 0"
    return {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "width": "container",
        "height": 330,
        "transform": _CUT,
        "encoding": {
            "x": {
                "field": "dodged",
                "type": "quantitative",
                "title": "sparsity, % (log scale of density)",
                "scale": {"type": "log", "reverse": True, "nice": False, "padding": 24},
                "axis": {"labelExpr": "format(100 * (1 - datum.value), '.4~f')", "grid": False, "labelOverlap": True},
            }
        },
        "layer": [
            {
                "transform": [{"filter": f"{_OURS} && datum.sparsity == 0"}],
                "mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5},
                "encoding": {"x": None, "y": _ACCURACY, **_method(looks, "color", "color"), "tooltip": _TELL},
            },
            {
                "transform": [{"filter": sparse}],
                "mark": {"type": "line", "opacity": 0.55, "strokeWidth": 1.5},
                "encoding": {"y": _ACCURACY, **line, "detail": [{"field": "mark"}, {"field": "hardware"}]},
            },
            *_marks(looks, sparse),
        ],
    }


def by_cost(looks: Looks, field: str, title: str, front: bool, legend: Any = None, **size: Any) -> Spec:
    """Return accuracy against a cost on a logarithmic axis, with the Pareto front as a stepped line if asked.

    Args:
        looks: As `harness.board.page.looks.give` returns them.
        field: The cost's name in the data.
        title: Its name on the axis.
        front: Whether to mark the points that have ``front``: no other is both cheaper and more accurate.
        legend: Vega-Lite's legend; None where the page has its own.
        size: ``width`` and ``height`` instead of the page's.
    """
    ordered = {"field": field, "type": "quantitative", "sort": "ascending"}
    marked: list[Spec] = [
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 5, "opacity": 0.22, "color": "#888"},
            "encoding": {"y": _ACCURACY, "order": ordered},
        },
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "point", "size": 260, "strokeWidth": 1.4, "opacity": 0.9, "color": "#888"},
            "encoding": {"y": _ACCURACY},
        },
    ]
    return {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "width": "container",
        "height": 330,
        **size,
        "transform": [{"filter": f"isValid(datum.{field})"}, *_CUT],
        "encoding": {
            "x": {
                "field": field,
                "type": "quantitative",
                "title": title,
                "scale": {"type": "log", "nice": False, "padding": 30},
                "axis": {"format": ".3~g", "tickCount": 6, "labelOverlap": True, "labelFlush": True, "grid": False},
            }
        },
        "layer": [*(marked if front else []), *_marks(looks, _OURS, legend), *(_names(field) if front else [])],
    }


def _names(cost: str) -> list[Spec]:
    """Name the points of the front from its cheap end on, in turn below to the right and above to the left.

    Nothing lies above a front; the first and the last name, at the borders of the plot, lean into it.
    """
    turn: list[Spec] = [
        {"filter": "datum.front"},
        {"window": [{"op": "row_number", "as": "turn"}], "sort": [{"field": cost, "order": "ascending"}]},
        {"joinaggregate": [{"op": "count", "as": "last"}]},
        {"calculate": "datum.turn == datum.last ? 1 : datum.turn == 1 ? 2 : datum.turn % 2", "as": "side"},
    ]
    places: list[Spec] = [
        {"align": "left", "baseline": "top", "dx": 7, "dy": 5},
        {"align": "right", "baseline": "bottom", "dx": -7, "dy": -4},
        {"align": "left", "baseline": "bottom", "dx": -8, "dy": -11},
    ]
    halo: Spec = {"stroke": GROUND, "strokeWidth": 3, "strokeJoin": "round", "opacity": 0.85}
    return [
        {
            "transform": [*turn, {"filter": f"datum.side == {side}"}],
            "mark": {"type": "text", "fontSize": 10, **place, **look},
            "encoding": {"y": _ACCURACY, "text": {"field": "label"}},
        }
        for side, place in enumerate(places)
        for look in (halo, {})
    ]


def over_training(field: str, title: str, form: str) -> Spec:
    """Return one quantity of a chosen row's runs over training, a line per seed."""
    return {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "width": "container",
        "height": 220,
        "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "training step", "axis": {"format": "~s"}},
            "y": {
                "field": field,
                "type": "quantitative",
                "title": title,
                "axis": {"format": form},
                "scale": {"zero": False},
            },
            "color": {"field": "color", "type": "nominal", "scale": None},
            "strokeDash": {
                "field": "seed",
                "type": "nominal",
                "legend": {"title": "seed", "orient": "bottom", "symbolType": "stroke", "encode": _STROKES},
            },
            "tooltip": _tooltip(("seed", "seed", None), ("step", "step", ",d"), (field, title, form)),
        },
    }


def exploration(looks: Looks) -> Spec:
    """Return the exploration rate of each method, a point per sparsity."""
    return {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "width": "container",
        "height": 275,
        "transform": [{"filter": f"{_OURS} && isValid(datum.explored)"}],
        "encoding": {
            "y": {"field": "method", "type": "nominal", "title": None, "sort": list(looks), "axis": {"grid": True}},
            "x": {
                "field": "explored",
                "type": "quantitative",
                "title": "weights active at some time, % of all maskable",
                "scale": {"domain": [0, 100]},
            },
        },
        "layer": [
            {
                "mark": {"type": "point", "filled": True, "size": 70, "strokeWidth": 1.6, "opacity": 1},
                "encoding": {
                    **_symbol(looks),
                    "tooltip": _tooltip(
                        ("method", "method", None), ("level", "sparsity", None), ("explored", "explored, %", ".1f")
                    ),
                },
            },
            {
                "mark": {"type": "text", "dy": -9, "fontSize": 9},
                "encoding": {"text": {"field": "percent"}},
            },
        ],
    }


def page_specs(looks: Looks) -> dict[str, Spec]:
    """Return every plot of the page by the name of its place there."""
    return {
        "by-sparsity": by_sparsity(looks),
        "by-flops": by_cost(looks, "flops", "training FLOPs, × the dense run (log scale)", front=True),
        "by-seconds": by_cost(looks, "seconds", "wall-clock seconds on this hardware (log scale)", front=False),
        "run-accuracy": over_training("acc", "validation accuracy, %", ".1f"),
        "run-density": over_training("density", "density, %", ".3~g"),
        "exploration": exploration(looks),
    }


def static(title: str, subtitle: list[str], looks: Looks, points: Sequence[dict[str, Any]]) -> str:
    """Draw accuracy against training FLOPs as an SVG, for places that run no script.

    Args:
        title: The table's title.
        subtitle: What the picture shows, line by line.
        looks: As `harness.board.page.looks.give` returns them, for the methods in the points.
        points: The data, as the page has them.
    """
    import vl_convert

    legend = {"orient": "right", "symbolSize": 75}
    spec = by_cost(
        looks, "flops", "training FLOPs, × the dense run (log scale)", front=True, legend=legend, width=620, height=380
    )
    spec["data"] = {"values": list(points)}
    spec["title"] = {"text": title, "subtitle": subtitle, "anchor": "start"}
    spec["background"] = "white"
    spec["config"] = {"text": {"color": "#222"}}
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))
