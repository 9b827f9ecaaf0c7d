"""Levels of many rows under a plan of looks, whose variances inform each other, against an oracle; odd accuracies."""

import math
import random
from itertools import combinations

import numpy as np
import pytest
from boards import only_table
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make
from scipy import optimize, special, stats

from harness.board import spending
from harness.board.pairs import compare
from harness.board.ranks import places
from harness.board.resolution import seeds_for, smallest_difference
from harness.board.sequential import follow

PLAN = spending.planned(0.005)
FLOOR = 1e-4


def adjusted(p_values):
    """The textbook's Holm-adjusted p-values: the largest of the (m - j) p_(j) so far, at most 1."""
    ordered = np.sort(p_values)
    steps = np.minimum(1, np.arange(len(ordered), 0, -1) * ordered)
    return np.maximum.accumulate(steps)[np.argsort(np.argsort(p_values, kind="stable"), kind="stable")]


def prior(variances, own):
    """Smyth's (2004) moments: degrees of freedom and variance in common, the root by bisection."""
    logs = np.log(variances) - special.digamma(own / 2) + math.log(own / 2)
    excess = logs.var(ddof=1) - special.polygamma(1, own / 2)
    if excess <= 0:
        return math.inf, math.exp(logs.mean())
    half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-8, 1e8, xtol=1e-14, rtol=1e-14)
    return 2 * half, math.exp(logs.mean() + special.digamma(half) - math.log(half))


def decided(rows, undecided, level):
    """The pairs that one look decides, by docs/statistics.md: rows that take part, moderation, then Holm."""
    active = sorted({row for pair in undecided for row in pair})
    seeds = rows.shape[1]
    own = seeds - 1
    best = max(rows[row].mean() for row in active)
    near = {row for row in active if rows[row].mean() >= best - 0.1}
    pairs = list(combinations(active, 2))
    gaps = {(i, j): rows[i] - rows[j] for i, j in pairs}
    variances = {pair: max(gap.var(ddof=1), FLOOR**2) for pair, gap in gaps.items()}
    p = []
    for pair in (tested := sorted(undecided)):
        inside = near if near.issuperset(pair) else set(active)
        borrowed, common = 0.0, 1.0
        if len(inside) >= 8:
            borrowed, common = prior(np.array([variances[each] for each in pairs if inside.issuperset(each)]), own)
        borrowed = min(borrowed, 2 * own)
        variance = (borrowed * common + own * variances[pair]) / (borrowed + own)
        t = abs(gaps[pair].mean()) / math.sqrt(variance / seeds)
        p.append(2 * stats.t.sf(t, borrowed + own))
    rejected = adjusted(p) <= level
    return {pair: np.sign(gaps[pair].mean()) for pair, shown in zip(tested, rejected, strict=True) if shown}


def oracle(rows):
    shown, undecided = {}, set(combinations(range(len(rows)), 2))
    for seeds, level in zip(PLAN.looks, PLAN.spending, strict=True):
        if undecided:
            shown |= decided(rows[:, :seeds], undecided, level)
            undecided -= shown.keys()
    return shown


@settings(deadline=None, max_examples=12)
@given(
    st.integers(0, 10**6), st.integers(8, 13), st.sampled_from((0.0, 0.001, 0.004)), st.booleans(), st.integers(0, 2)
)
def test_the_looks_of_many_rows_decide_what_the_definition_decides(seed, rows, gap, noisy, far):
    draw = np.random.default_rng(seed)
    spread = np.where(np.arange(rows) < 2, 10 if noisy else 1, 1) * 0.002
    values = draw.normal(0.9 - gap * np.arange(rows)[:, None], spread[:, None], (rows, 20))
    values[rows - far :] -= 0.3
    expected = oracle(values)
    found = follow(values.tolist(), PLAN, FLOOR)
    family = found.family()
    assert found.undecided == set(combinations(range(rows), 2)) - expected.keys()
    for (i, j), sign in expected.items():
        assert family.better(i, j) == (sign > 0)
        assert family.better(j, i) == (sign < 0)


COARSE = st.lists(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)), min_size=20, max_size=20)


@settings(deadline=None, max_examples=60)
@given(st.lists(COARSE, min_size=1, max_size=9), st.sampled_from((0.0, 1 / 360, 1e-4)))
def test_ties_and_constant_accuracies_give_honest_numbers(rows, resolution):
    found = follow(rows, PLAN, resolution)
    family = found.family()
    assert (family is None) == (len(rows) == 1)
    assert found.ended
    if family is None:
        return
    for pair, p in family.p.items():
        assert 0 <= p <= 1
        assert math.isfinite(family.errors[pair])
        assert family.errors[pair] > 0
        if rows[pair[0]] == rows[pair[1]]:
            assert p == 1
            assert pair in found.undecided
    assert all(1 <= place.first <= place.last <= len(rows) for place in places(family))
    assert math.isfinite(smallest_difference(family))
    if found.undecided and found.look.number < 5:
        assert found.gain() >= 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_a_copy_of_a_row_takes_its_place_beside_it_and_parts_nobody(seed, rows):
    draw = random.Random(seed)
    values = [[0.9 - 0.003 * row + draw.gauss(0, 0.002) for _ in range(20)] for row in range(rows)]
    family = follow([*values, values[0]], PLAN, FLOOR).family()
    first, *_, copy = places(family)
    assert first == copy
    assert not family.better(0, rows)
    assert not family.better(rows, 0)


def test_thousands_of_seeds_are_an_ordinary_test():
    draw = np.random.default_rng(0)
    rows = draw.normal([[0.9], [0.9002], [0.9]], 0.004, (3, 20_000))
    family = compare(rows.tolist())
    expected = [stats.ttest_rel(rows[i], rows[j]).pvalue for i, j in family.p]
    assert list(family.p.values()) == pytest.approx(adjusted(expected), rel=1e-9)
    assert smallest_difference(family) == pytest.approx(
        math.sqrt(family.prior.variance / 20_000) * (stats.norm.isf(0.05 / 6) + stats.norm.ppf(0.8)), rel=1e-3
    )
    assert seeds_for(family, 1e-9) is None


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(("rigl", "static", "set", "gmp")), st.sets(st.integers(0, 9), min_size=1), min_size=1
    ),
    st.booleans(),
)
def test_rows_with_gaps_in_their_seeds_are_tested_on_common_seeds_or_not_at_all(seeds, plan):
    records = [
        make(method, 0.9, seed, accuracy=0.9 + 0.001 * ((seed * 7 + len(method)) % 5), runner="docker")
        for method, chosen in seeds.items()
        for seed in sorted(chosen)
    ]
    for record in records:
        record["provenance"]["looks"] = PLAN.as_record() if plan else None
    table = only_table(records)
    (level,) = table.levels
    for row in level.ranked:
        assert set(range(row.required)) == row.scores.keys()
        assert row.required >= 3
    for row in table.rows:
        assert bool(row.unranked) != (row.place is not None)
        assert row.unranked or set(range(3)) <= seeds[row.method]
    if len(level.ranked) > 1:
        assert level.family.rows == len(level.ranked)
