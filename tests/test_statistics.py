"""Intervals, the test of all pairs, rank intervals and resolution, against SciPy and against their definitions."""

import math
import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats
from simulation import simulate
from statsmodels.stats.multitest import multipletests

from harness.board.pairs import compare, holm
from harness.board.ranks import Place, places
from harness.board.resolution import seeds_for, smallest_difference
from harness.board.statistics import difference, estimate

ACCURACIES = st.lists(st.integers(0, 1000).map(lambda n: n / 1000), min_size=2, max_size=8)


@given(ACCURACIES)
def test_the_interval_is_scipys_t_interval(values):
    assume(len(set(values)) > 1)
    made = estimate(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert made.mean == pytest.approx((low + high) / 2, abs=1e-12)
    assert made.half_width == pytest.approx((high - low) / 2, rel=1e-9)
    assert made.n == len(values)
    wide = stats.t.interval(1 - 0.05 / 11, len(values) - 1, scale=stats.sem(values))
    assert estimate(values, statements=11).half_width == pytest.approx(wide[1], rel=1e-9)


def test_one_seed_has_no_interval():
    assert estimate([0.9]) == (0.9, None, 1)


def test_a_difference_is_paired():
    first, second = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.1}, {0: 0.8, 1: 0.7, 2: 0.6, 4: 0.9}
    gap = difference(first, second)
    assert (gap.mean, gap.n) == (pytest.approx(0.1), 3)
    assert gap.half_width == pytest.approx(0, abs=1e-9)
    assert difference({0: 0.5}, {1: 0.5}) is None


@settings(max_examples=20)  # statsmodels takes 10 ms a call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=66))
def test_holms_p_values_are_those_of_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-9)
    assert adjusted(p_values) == pytest.approx(holm(p_values), rel=1e-9)


def adjusted(p_values):
    """The textbook's Holm-adjusted p-values: the largest of the (m - j) p_(j) so far, at most 1."""
    ordered = np.sort(p_values)
    steps = np.minimum(1, np.arange(len(ordered), 0, -1) * ordered)
    return np.maximum.accumulate(steps)[np.argsort(np.argsort(p_values, kind="stable"), kind="stable")]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_adjusts_as_its_definition_does(p_values):
    assert holm(p_values) == pytest.approx(adjusted(p_values))


def drawn(rows, seeds, seed, spread=0.003, gap=0.002):
    draw = random.Random(seed)
    return [[0.9 - gap * row + draw.gauss(0, spread) for _ in range(seeds)] for row in range(rows)]


@given(st.integers(2, 7), st.integers(3, 8), st.integers(0, 10**6))
def test_with_few_rows_each_pair_has_scipys_paired_t_test(rows, seeds, seed):
    values = drawn(rows, seeds, seed)
    family = compare(values)
    raw = [stats.ttest_rel(values[i], values[j]).pvalue for i, j in combinations(range(rows), 2)]
    assert list(family.p.values()) == pytest.approx(list(adjusted(raw)), rel=1e-6)
    assert set(family.degrees.values()) == {seeds - 1}


def smyth(values):
    """Smyth (2004), sections 4 and 6.2, over all pairs at once: adjusted p, prior degrees of freedom and variance."""
    values = np.array(values)
    rows, seeds = values.shape
    first, second = np.triu_indices(rows, 1)
    differences = values[first] - values[second]
    d, s2 = seeds - 1, differences.var(axis=1, ddof=1)
    e = np.log(s2) - special.digamma(d / 2) + np.log(d / 2)
    target = e.var(ddof=1) - special.polygamma(1, d / 2)
    if target <= 0:
        d0, s02 = np.inf, np.exp(e.mean())
    else:
        d0 = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - target, 1e-6, 1e8, xtol=1e-12, rtol=1e-12)
        s02 = np.exp(e.mean() + special.digamma(d0 / 2) - np.log(d0 / 2))
    lent = min(d0, 2 * d)  # ours: no more than twice what a pair has itself
    moderated = (lent * s02 + d * s2) / (lent + d)
    t = differences.mean(axis=1) / np.sqrt(moderated / seeds)
    return adjusted(2 * stats.t.sf(abs(t), lent + d)), d0, s02


@settings(deadline=None)
@given(st.integers(8, 13), st.integers(3, 8), st.integers(0, 10**6), st.booleans())
def test_with_many_rows_the_variance_is_moderated_as_smyth_has_it(rows, seeds, seed, noisy):
    values = drawn(rows, seeds, seed)
    if noisy:
        values[:2] = drawn(2, seeds, seed + 1, spread=0.03)
    family = compare(values)
    p, degrees, variance = smyth(values)
    assert list(family.p.values()) == pytest.approx(list(p), rel=1e-6)
    assert family.prior.degrees == pytest.approx(degrees, rel=1e-5)
    assert family.prior.variance == pytest.approx(variance, rel=1e-5)
    assert max(family.degrees.values()) <= 3 * (seeds - 1)


def test_the_same_difference_on_every_seed_proves_no_more_than_the_test_set_can_show():
    first, second = [0.91, 0.92, 0.93], [0.90, 0.91, 0.92]
    assert compare([first, second]).p[0, 1] < 1e-6
    assert compare([first, second], resolution=0.01).p[0, 1] == pytest.approx(2 * stats.t.sf(math.sqrt(3), 2))
    assert compare([first, first]).p[0, 1] == 1


@given(st.integers(2, 12), st.integers(0, 10**6), st.lists(st.sampled_from((0.001, 0.05, 0.3)), min_size=1, max_size=3))
def test_a_row_far_below_changes_nothing_but_the_size_of_the_family(rows, seed, spreads):
    """F6: three noisy bad rows made everybody tie. What Holm leaves: a share of the level for each pair there is."""
    values, draw = drawn(rows, 3, seed, gap=0.004), random.Random(seed)
    bad = [[0.4 + draw.gauss(0, spread) for _ in range(3)] for spread in spreads]
    assume(all(sum(row) / 3 < 0.7 for row in bad))
    before, after = compare(values), compare([*values, *bad])
    assert {pair: after.errors[pair] for pair in before.errors} == before.errors
    assert {pair: after.degrees[pair] for pair in before.degrees} == before.degrees
    for pair in before.gaps:
        raw = 2 * stats.t.sf(abs(before.gaps[pair]) / before.errors[pair], before.degrees[pair])
        assert after.p[pair] <= len(after.gaps) * raw * (1 + 1e-9)
        assert after.p[pair] >= before.p[pair] * (1 - 1e-9)


def around(mean, *wiggles):
    return [mean + wiggle for wiggle in wiggles]


def test_clear_gaps_leave_one_rank_each():
    steady = (0.001, 0.0, -0.001)
    rows = [around(mean, *steady) for mean in (0.95, 0.90, 0.80)]
    assert [str(place) for place in places(compare(rows, 0.0001))] == ["1", "2", "3"]


def test_ranks_need_not_be_transitive():
    """A is better than C, and B, between them, is told apart from neither: places could not say that."""
    rows = [around(0.95, 0.0, 0.001, 0.0), around(0.94, 0.03, -0.02, -0.01), around(0.93, 0.001, 0.0, 0.001)]
    assert places(compare(rows)) == [Place(1, 2), Place(1, 3), Place(2, 3)]
    assert [str(place) for place in places(compare(rows))] == ["[1, 2]", "[1, 3]", "[2, 3]"]


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=8))
def test_rank_intervals_agree_with_the_order_of_the_means_and_count_the_family(rows):
    family = compare(rows, 0.001)
    made = places(family)
    for number, place in enumerate(made):
        above = sum(family.gap(other, number) > 0 for other in range(len(rows)) if other != number)
        below = sum(family.gap(number, other) > 0 for other in range(len(rows)) if other != number)
        assert 1 <= place.first <= 1 + above
        assert len(rows) - below <= place.last <= len(rows)
    assert any(place.may_lead for place in made)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(3, 12), st.integers(0, 10**6))
def test_the_resolution_is_where_the_first_step_of_holm_has_eighty_percent_power(rows, seeds, seed):
    """STATISTICS' integral: a normal difference over a chi-squared variance, against the t of the smallest level."""
    family = compare(drawn(rows, seeds, seed))
    degrees, spread = family.degrees[0, 1], math.sqrt(family.prior.variance)
    threshold = stats.t.isf(0.05 / (2 * len(family.gaps)), degrees)

    def power(gap):
        def found(x):
            return stats.norm.cdf(
                gap * math.sqrt(seeds) / spread - threshold * math.sqrt(x / degrees)
            ) * stats.chi2.pdf(x, degrees)

        return integrate.quad(found, 0, stats.chi2.isf(1e-12, degrees), limit=200)[0]

    assert power(smallest_difference(family)) == pytest.approx(0.8, abs=1e-4)


def test_the_seeds_for_a_difference_are_the_fewest():
    for seed in range(5):
        family = compare(drawn(11, 3, seed))
        for target in (0.002, 0.003, 0.005, 0.5):
            needed = seeds_for(family, target)
            assert smallest_difference(family, needed) <= target
            assert needed == 3 or smallest_difference(family, needed - 1) > target
    assert seeds_for(family, 1e-9) is None


def test_a_row_within_a_margin_of_all_others_is_shown_as_that():
    steady = [around(mean, 0.0002, 0.0, -0.0001 * (row + 1)) for row, mean in enumerate((0.9, 0.8999, 0.88))]
    family = compare(steady)
    assert [family.not_worse(row, 0.005) for row in range(3)] == [True, True, False]
    noisy = compare([around(0.9, 0.01, 0, -0.01), around(0.9, -0.01, 0, 0.01)])
    assert not any(noisy.not_worse(row, 0.005) for row in range(2))  # not shown to differ is not shown to be equal


# Each figure: the share of 600 boards; the bounds leave its own sampling error (three standard errors, 0.027).
@pytest.mark.parametrize("pattern", ["equal", "two at ten times", "random"])
@pytest.mark.parametrize(("rows", "seeds"), [(12, 3), (12, 5), (12, 10), (6, 3), (6, 5), (6, 10), (2, 3)])
def test_boards_of_equal_methods_rarely_show_a_difference(pattern, rows, seeds):
    """F1: the leader's family parted some of twelve equal methods in 9.5 to 14.1 % of boards."""
    assert simulate.false_separations(rows, seeds, pattern, boards=600) <= 0.06 + 0.027


def test_pairs_of_equal_methods_far_from_each_other_are_rarely_told_apart():
    """F1: each further place spent another 5 %, so of six such pairs some was parted in a quarter of boards."""
    board, wrong = simulate.board, 0
    for number in range(400):
        means = [10.0 * (row // 2) for row in range(12)]
        family = compare(board(random.Random(number), [1.0] * 12, 5, means))
        wrong += any(family.p[row, row + 1] <= 0.05 for row in range(0, 12, 2))
    assert wrong / 400 <= 0.06 + 3 * math.sqrt(0.06 * 0.94 / 400)


def test_a_large_difference_is_found():
    power = simulate.power
    assert power(12, 5, 3.0, boards=200) > 0.55
    assert power(12, 10, 2.0, boards=200) > 0.68
    assert power(12, 10, 3.0, boards=100) > 0.97
