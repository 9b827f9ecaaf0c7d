"""The plots, as Vega-Lite specifications.

A specification carries no data: the page, and `harness.board.page.picture` for README, fill in the source it names.
"""

from typing import Any

from harness.board.page.looks import Looks
from harness.board.page.marks import (
    CUT,
    OURS,
    OUTSIDE,
    PARAMS,
    SCORE,
    TELL,
    VALIDATION,
    Spec,
    channel,
    results,
    symbol,
    tooltip,
)

FLOPS_TITLE = "training FLOPs, × the dense run (log scale)"

_BASE = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"name": "points"},
    "width": "container",
}
_HEIGHT = 330

# Lines without a colour scale get legend symbols without a colour.
_STROKES = {"symbols": {"update": {"stroke": {"value": "#888"}, "strokeWidth": {"value": 2}, "size": {"value": 400}}}}


def page_specs(looks: Looks) -> dict[str, Spec]:
    """Return every plot of the page by the name of its place there."""
    return {
        "by-sparsity": by_sparsity(looks),
        "by-flops": by_cost(looks, "flops", FLOPS_TITLE, front=True),
        "by-seconds": by_cost(looks, "seconds", "wall-clock seconds on this hardware (log scale)", front=False),
        "measured-speed": measured_speed(looks),
        "run-score": over_training("acc", VALIDATION, ".5~g"),
        "run-density": over_training("density", "density, %", ".3~g"),
        "exploration": exploration(),
    }


def by_sparsity(looks: Looks) -> Spec:
    """Return results against sparsity: a line per method over a logarithmic axis of density, dense as a rule."""
    line = channel(looks, "color", "color") | channel(looks, "strokeDash", "dash")
    sparse = f"{OURS} && datum.sparsity > 0"
    return {
        **_BASE,
        "height": _HEIGHT,
        "params": PARAMS,
        "transform": CUT,
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
                "transform": [{"filter": f"{OURS} && datum.sparsity == 0"}],
                "mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5},
                "encoding": {"x": None, "y": SCORE, **channel(looks, "color", "color"), "tooltip": TELL},
            },
            {
                "transform": [{"filter": sparse}],
                "mark": {"type": "line", "opacity": 0.55, "strokeWidth": 1.5},
                "encoding": {"y": SCORE, **line, "detail": [{"field": "mark"}, {"field": "hardware"}]},
            },
            *results(looks, sparse),
            OUTSIDE,
        ],
    }


def by_cost(looks: Looks, field: str, title: str, front: bool, legend: Any = None, **size: Any) -> Spec:
    """Return results against a cost on a logarithmic axis, with the Pareto front as a stepped line if requested.

    Args:
        looks: As `harness.board.page.looks.give` returns them.
        field: The cost's name in the data.
        title: Its name on the axis.
        front: Whether to mark the points that have ``front``: no other is both cheaper and better.
        legend: Vega-Lite's legend; None where the page has its own.
        size: ``width`` and ``height`` instead of the page's.
    """
    ordered = {"field": field, "type": "quantitative", "sort": "ascending"}
    marked: list[Spec] = [
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 5, "opacity": 0.22, "color": "#888"},
            "encoding": {"y": SCORE, "order": ordered},
        },
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "point", "size": 260, "strokeWidth": 1.4, "opacity": 0.9, "color": "#888"},
            "encoding": {"y": SCORE},
        },
    ]
    return {
        **_BASE,
        "height": _HEIGHT,
        **size,
        "params": PARAMS,
        "transform": [{"filter": f"isValid(datum.{field})"}, *CUT],
        "encoding": {
            "x": {
                "field": field,
                "type": "quantitative",
                "title": title,
                "scale": {"type": "log", "nice": False, "padding": 30},
                "axis": {"format": ".3~g", "tickCount": 6, "labelOverlap": True, "labelFlush": True, "grid": False},
            }
        },
        "layer": [*(marked if front else []), *results(looks, OURS, legend), OUTSIDE],
    }


def measured_speed(looks: Looks) -> Spec:
    """Return measured speed-up against the FLOPs of a sample, both as multiples of dense.

    The dashed line is what the FLOPs would promise; the dotted one is as fast as dense.
    """
    ratio = {"type": "quantitative", "scale": {"type": "log", "nice": False, "padding": 24}}
    told = tooltip(
        ("method", "method", None),
        ("level", "sparsity", None),
        ("share", "inference FLOPs, × dense", ".3~f"),
        ("speedup", "measured speed-up", ".3~f"),
        ("latency", "latency", None),
        ("seeds", "networks measured", "d"),
    )
    promised = [
        {"aggregate": [{"op": "min", "field": "share", "as": "least"}, {"op": "max", "field": "share", "as": "most"}]},
        {"calculate": "[datum.least, datum.most]", "as": "share"},
        {"flatten": ["share"]},
        {"calculate": "1 / datum.share", "as": "speedup"},
    ]
    return {
        **_BASE,
        "height": _HEIGHT,
        "encoding": {
            "x": {
                "field": "share",
                **ratio,
                "title": "inference FLOPs, × the same network dense (log scale)",
                "axis": {"format": ".3~g", "tickCount": 6, "labelOverlap": True, "grid": False},
            },
            "y": {
                "field": "speedup",
                **ratio,
                "title": "measured speed, × dense (log scale)",
                "axis": {"format": ".3~g", "tickCount": 6},
            },
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5, "color": "#888"},
                "encoding": {"x": None, "y": {"datum": 1}},
            },
            {
                "transform": promised,
                "mark": {"type": "line", "strokeDash": [6, 4], "strokeWidth": 1.5, "color": "#888"},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 75, "strokeWidth": 1.6, "opacity": 0.95},
                "encoding": {**symbol(looks), "tooltip": told},
            },
        ],
    }


def over_training(field: str, title: str, form: str) -> Spec:
    """Return one quantity of a chosen row's runs over training, a line per seed."""
    return {
        **_BASE,
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
            "tooltip": tooltip(("seed", "seed", None), ("step", "step", ",d"), (field, title, form)),
        },
    }


def exploration() -> Spec:
    """Return the exploration rate of each method at each sparsity: a grid of numbers, darker where more is tried."""
    levels = {
        "title": "sparsity, %",
        "axis": {"labelExpr": "format(100 * datum.value, '.4~f')", "labelAngle": 0, "labelOverlap": True},
    }
    shade = {"domain": [0, 100], "range": [0.05, 0.5]}  # the numbers stay readable on it, in light and in dark
    told = tooltip(("method", "method", None), ("level", "sparsity", None), ("explored", "explored, %", ".1f"))
    return {
        **_BASE,
        "height": 275,
        "encoding": {
            "y": {"field": "line", "type": "nominal", "title": None, "axis": {"labelLimit": 110}},
            "x": {"field": "sparsity", "type": "ordinal", **levels},
        },
        "layer": [
            {
                "mark": {"type": "rect", "fill": "#0b62c4"},
                "encoding": {
                    "fillOpacity": {"field": "explored", "type": "quantitative", "scale": shade, "legend": None},
                    "tooltip": told,
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {"text": {"field": "explored", "type": "quantitative", "format": ".3~g"}},
            },
        ],
    }
