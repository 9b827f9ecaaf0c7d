"""Verdicts: whether a published number, or a published ordering, is reproduced.

A row is reproduced if the difference of the means lies inside the joint 95 % interval or inside the tolerance that the
paper's file states. The interval is Welch's, from the published spread and number of runs and from our seeds; of one
seed, which has no spread of its own, it is the 95 % prediction interval for one more of the published runs. An interval
that is too wide to mean anything reproduces nothing: the row is undecided. Inside the tolerance only the interval of
our own mean counts, as of two seeds far apart: a published spread, however wide, is what the tolerance stands in for.
What a paper claims without a number is kept or not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.board.statistics import LEVEL, difference, estimate, t_quantile
from harness.reproduce.paper import Line, Published

REPRODUCED = "reproduced"
ORDERED = "ordering reproduced"
UNDECIDED = "undecided"
MISSED = "not reproduced"
KEPT = "claim kept"
BROKEN = "claim not kept"
NOT_RUN = "not run yet"
NO_NUMBER = "no published number"
ABSENT = "no such method here"
NOT_SHOWN = "in this order, not shown"
"""Of an ordering: all means lie in it, and some interval holds 0. Where a mean does not, it is `UNDECIDED`."""

_NORMAL = 1.959964
_TOLERANCES, _ERRORS = 2, 3
"""A joint interval says something up to so many tolerances, or published standard errors, to each side."""
_FAR = 5
"""A number that is more tolerances off is no part of an ordering that is reproduced."""

Values = Mapping[int, float]
"""Ours by seed."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a row or an ordering.

    Attributes:
        word: One of the words of this module.
        why: A sentence; empty for what is reproduced by its number.
        difference: Ours less theirs, in the unit of the number; None where either is missing.
        half_width: Half of the joint 95 % interval; None where a spread is missing.
        basis: What decided: ``interval`` or ``tolerance``; empty where nothing did, or lost seeds.
    """

    word: str
    why: str = ""
    difference: float | None = None
    half_width: float | None = None
    basis: str = ""


def of_line(line: Line, values: Values) -> Verdict:
    """Judge a row that has been run.

    Args:
        line: The row, with a published number.
        values: Ours; at least one.
    """
    assert line.published is not None
    ours = list(values.values())
    mean = estimate(ours)
    apart = mean.mean - line.published.value
    half = joint(line.published, ours)
    if abs(apart) <= line.tolerance + 1e-9:
        # seeds far apart may have a mean inside it by chance; a wide published spread is what the tolerance is for
        if mean.half_width is not None and mean.half_width > _widest(line) + 1e-9:
            why = f"the interval of our mean, ± {mean.half_width:.2f} from {mean.n} seeds, is too wide to tell"
            return Verdict(UNDECIDED, why, apart, half, "tolerance")
        return Verdict(REPRODUCED, "", apart, half, "tolerance")
    if half is None or abs(apart) > half:
        return Verdict(MISSED, line.why, apart, half, "tolerance" if half is None else "interval")
    if half > _widest(line) + 1e-9:
        made = f"{mean.n} of our seeds" if mean.n > 1 else "the published spread for one seed of ours"
        why = f"the joint interval, ± {half:.2f} from {made}, is too wide to tell"
        return Verdict(UNDECIDED, why, apart, half, "interval")
    return Verdict(REPRODUCED, "", apart, half, "interval")


def _widest(line: Line) -> float:
    assert line.published is not None
    error, _ = _error(line.published) or (0.0, None)
    return max(_TOLERANCES * line.tolerance, _ERRORS * error)


def with_lost(verdict: Verdict, lost: str, otherwise: str) -> Verdict:
    """Return a verdict of runs some of whose seeds were lost: they are named, and reproduce nothing.

    A lost seed counts against its row (RULES.md, rule 5), so that what is not reproduced without it stays so.

    Args:
        verdict: By the seeds that have a result.
        lost: Those that have none, in words; may be empty.
        otherwise: The word in place of `REPRODUCED`.
    """
    if not lost:
        return verdict
    why = "; ".join(filter(None, (verdict.why, f"lost: {lost}")))
    if verdict.word != REPRODUCED:
        return replace(verdict, why=why)
    return replace(verdict, word=otherwise, why=why, basis="")


def far(line: Line, verdict: Verdict) -> bool:
    """Tell whether a row's number is too far off for an ordering to stand for it."""
    return verdict.difference is None or abs(verdict.difference) > _FAR * line.tolerance + 1e-9


def joint(published: Published, ours: Sequence[float]) -> float | None:
    """Return half of the 95 % interval of the difference of two means; None where a spread is missing.

    A published standard error of an unknown number of runs counts as known exactly, as does half a 95 % interval. A
    range, or a standard deviation of an unknown number of runs, gives none, nor does anything published of a single
    run. Of one seed of ours the published spread stands for ours as well: it is half of the prediction interval for one
    more of ``n`` runs, t(n - 1) · s · sqrt(1 + 1 / n), and None where the number of published runs is unknown.
    """
    theirs = _error(published)
    if theirs is None:
        return None
    error, degrees = theirs
    if len(ours) == 1:  # s is error · sqrt(n), and n is degrees + 1
        return t_quantile(degrees, LEVEL / 2) * error * math.sqrt(degrees + 2) if degrees else None
    n, mean = len(ours), estimate(ours).mean
    mine = math.fsum((value - mean) ** 2 for value in ours) / (n - 1) / n
    whole = mine + error**2
    if whole == 0:
        return 0.0
    freedom = whole**2 / (mine**2 / (n - 1) + (error**4 / degrees if degrees else 0.0)) if mine or degrees else math.inf
    quantile = t_quantile(freedom, LEVEL / 2) if math.isfinite(freedom) else _NORMAL
    return quantile * math.sqrt(whole)


def _error(published: Published) -> tuple[float, int | None] | None:
    """Return a published standard error and its degrees of freedom, None for one that counts as known."""
    spread, n = published.spread, published.n
    if spread is None or published.kind == "range" or n == 1:
        return None
    degrees = n - 1 if n else None
    if published.kind == "std":
        return None if degrees is None or n is None else (spread / math.sqrt(n), degrees)
    if published.kind == "standard error":
        return spread, degrees
    return spread / (t_quantile(degrees, LEVEL / 2) if degrees else _NORMAL), degrees


def of_ordering(names: Sequence[str], values: Sequence[Values], *, higher: bool) -> Verdict:
    """Judge an ordering, pair by pair, on the seeds that both of a pair have.

    Args:
        names: Of its rows, the best first.
        values: Ours of each row; all have some.
        higher: Whether more is better.
    """
    said, words = [], []
    for (better, one), (worse, other) in zip(
        zip(names, values, strict=True), zip(names[1:], values[1:], strict=True), strict=False
    ):
        common = difference(one, other)
        paired = common or estimate([estimate([*one.values()]).mean - estimate([*other.values()]).mean])
        gain = paired.mean if higher else -paired.mean
        if paired.half_width is not None and abs(gain) > paired.half_width:
            words.append(REPRODUCED if gain > 0 else MISSED)
        else:
            words.append(NOT_SHOWN if gain > 0 else UNDECIDED)
        interval = "one seed" if paired.half_width is None else f"± {paired.half_width:.2f}, {paired.n} seeds"
        said.append(f"{better} - {worse} = {paired.mean:+.2f} ({interval if common else 'no common seed'})")
    word = next(each for each in (MISSED, UNDECIDED, NOT_SHOWN, REPRODUCED) if each in words)
    return Verdict(word, "; ".join(said))
