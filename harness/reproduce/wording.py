"""The cells of a paper's table, in words."""

import statistics
from collections.abc import Mapping

from harness.reports.page import UNKNOWN
from harness.reproduce.paper import Line, Published
from harness.reproduce.results import RowResult


def settings(line: Line) -> tuple[str, str, str]:
    """Return method, sparsity and the other settings of a row in words."""
    where = dict(line.where)
    method, sparsity = str(where.pop("method")), where.pop("sparsity", UNKNOWN)
    if isinstance(sparsity, list):
        sparsity = f"{min(sparsity):.3g} to {max(sparsity):.3g}, {len(sparsity)} levels"
    elif not isinstance(sparsity, str):
        sparsity = f"{sparsity:.6g}"
    return method, sparsity, ", ".join(f"{name}={value}" for name, value in where.items())


def digits(line: Line) -> int:
    """Return the digits that a row is shown with: those that were published, but two at least."""
    if line.published is None:
        return 2
    numbers = [line.published.value, line.published.spread or 0.0]
    return max(2, *(len(f"{number:.3f}".rstrip("0").partition(".")[2]) for number in numbers))


def published(line: Line) -> str:
    """Return the published number, or what is claimed."""
    if line.published is None:
        return UNKNOWN
    if line.measure == "collapsed":
        return ("claim: " if line.claim else "") + _collapsed(line.published.value)
    return ("claim: " if line.claim else "") + _number(line.published, digits(line))


def _number(given: Published, places: int) -> str:
    spread = "" if given.spread is None else f" ± {given.spread:.{places}f}"
    about = [given.kind] if given.kind else []
    about += [f"n {given.n}"] if given.n else []
    return f"{given.value:.{places}f}{spread}" + (f" ({', '.join(about)})" if about else "")


def ours(row: RowResult) -> str:
    """Return our mean and standard deviation."""
    if row.ours is None:
        return UNKNOWN
    if row.line.measure == "collapsed":
        return _collapsed(row.ours.mean)
    places, spread = digits(row.line), std(row.values)
    return f"{row.ours.mean:.{places}f}" + ("" if spread is None else f" ± {spread:.{places}f}")


def _collapsed(share: float) -> str:
    return {0.0: "no layer empty", 1.0: "a layer empty"}.get(share, f"a layer empty in {share:.0%} of runs")


def std(values: Mapping[int, float]) -> float | None:
    """Return a standard deviation over seeds; None from one."""
    return statistics.stdev(values.values()) if len(values) > 1 else None


def difference(row: RowResult) -> str:
    """Return ours less theirs with half of the joint interval."""
    verdict = row.verdict
    if verdict.difference is None or row.line.measure == "collapsed":
        return UNKNOWN
    places = digits(row.line)
    half = "" if verdict.half_width is None else f" ± {verdict.half_width:.{places}f}"
    return f"{verdict.difference:+.{places}f}{half}"
