"""Levels that are tested at the looks of a plan: the procedure against an oracle, and how the board reads records."""

import math
import random
from itertools import combinations

import numpy as np
import pytest
from boards import only_table
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make
from scipy import stats
from simulation import simulate

from harness.board import spending, wording
from harness.board.pairs import holm
from harness.board.resolution import seeds_for, smallest_difference
from harness.board.sequential import follow

PLAN = spending.planned(0.005)


def test_the_plan_spends_five_percent_and_most_of_it_late():
    assert PLAN.looks == (3, 5, 8, 12, 20)
    assert PLAN.spending == pytest.approx((0.0029, 0.0033, 0.0064, 0.0106, 0.0268), abs=5e-5)
    assert math.fsum(PLAN.spending) == pytest.approx(0.05)
    assert spending.carried({"provenance": {"looks": PLAN.as_record()}}) == PLAN


@pytest.mark.parametrize(
    "change",
    [
        {"spending": [0.02] * 5},
        {"spending": [0.05]},
        {"spending": [0.0, 0.01, 0.01, 0.01, 0.01]},
        {"looks": [2, 5, 8, 12, 20]},
        {"looks": [3, 5, 5, 12, 20]},
        {"looks": [], "spending": []},
        {"spending": [None, 0.01, 0.01, 0.01, 0.01]},
        {"spending": "in thirds"},
        {"spending": None},
        {"looks": [5], "spending": [0.05]},
        {"spending": [0.04, 0.004, 0.003, 0.002, 0.001]},
    ],
)
def test_a_plan_that_is_not_the_projects_is_none(change):
    assert spending.carried({"provenance": {"looks": PLAN.as_record() | change}}) is None


def drawn(seed, rows, gap):
    draw = random.Random(seed)
    return [[0.9 - gap * row + draw.gauss(0, 0.003) for _ in range(20)] for row in range(rows)]


def oracle(rows):
    """The procedure for few rows, whose pairs have SciPy's paired t-test: decided pairs with their winner and look."""
    undecided, decided = set(combinations(range(len(rows)), 2)), {}
    for seeds, level in zip(PLAN.looks, PLAN.spending, strict=True):
        pairs = sorted(undecided)
        p = [stats.ttest_rel(rows[i][:seeds], rows[j][:seeds]).pvalue for i, j in pairs]
        for pair, adjusted in zip(pairs, holm(p), strict=True):
            if adjusted <= level:
                ahead = np.mean(rows[pair[0]][:seeds]) > np.mean(rows[pair[1]][:seeds])
                decided[pair] = (pair[0] if ahead else pair[1], seeds)
                undecided.discard(pair)
    return decided


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 7), st.sampled_from((0.0, 0.001, 0.003, 0.01)))
def test_the_looks_decide_what_the_definition_decides(seed, rows, gap):
    values = drawn(seed, rows, gap)
    expected = oracle(values)
    found = follow(values, PLAN)
    family = found.family()
    assert found.undecided == set(combinations(range(rows), 2)) - expected.keys()
    for (i, j), (winner, _) in expected.items():
        assert family.better(i, j) == (winner == i)
        assert family.better(j, i) == (winner == j)
    for row in range(rows):
        last = max((20 if pair not in expected else expected[pair][1]) for pair in family.p if row in pair)
        assert found.seeds[row] == last
    assert all((p <= 0.05) == (pair in expected) for pair, p in family.p.items())


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_a_row_that_is_decided_needs_no_further_seeds(seed, rows):
    values = drawn(seed, rows, 0.004)
    found = follow(values, PLAN)
    short = [row[:seeds] for row, seeds in zip(values, found.seeds, strict=True)]
    again = follow(short, PLAN)
    assert (again.seeds, again.undecided, again.lacking) == (found.seeds, found.undecided, set())
    assert again.family() == found.family()


def test_what_was_shown_stands_whatever_later_seeds_say():
    above, below = [0.95, 0.9501, 0.9502, *[0.1] * 17], [0.90, 0.9001, 0.9002, *[0.9] * 17]
    third = [0.91, 0.89, 0.90, *([0.92, 0.88] * 9)][:20]
    family = follow([above, below, third], PLAN).family()
    assert family.better(0, 1)
    assert not family.better(1, 0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 5), st.sampled_from((0.001, 0.05)), st.integers(1, 2))
def test_rows_far_below_undo_nothing_but_what_their_share_of_the_level_takes(seed, rows, spread, more):
    """F6 under a plan: what was shown with room for the new pairs in Holm's family stays shown."""
    values, draw = drawn(seed, rows, 0.003), random.Random(seed)
    bad = [[0.4 + draw.gauss(0, spread) for _ in range(20)] for _ in range(more)]
    after = follow([*values, *bad], PLAN)
    pairs = (rows + more) * (rows + more - 1) // 2
    for i, j in oracle(values):
        for seeds, level in zip(PLAN.looks, PLAN.spending, strict=True):
            test = stats.ttest_rel(values[i][:seeds], values[j][:seeds])
            if test.pvalue <= level / pairs * (1 - 1e-9):
                assert (i, j) not in after.undecided
                break
        if (i, j) not in after.undecided:
            assert after.family().p[i, j] <= 0.05


def test_the_order_of_rows_changes_nothing():
    values = drawn(5, 6, 0.003)
    found = follow(values, PLAN)
    order = [3, 1, 5, 0, 4, 2]
    family, other = found.family(), found.family(order)
    for i, j in combinations(range(6), 2):
        assert other.gap(i, j) == family.gap(order[i], order[j])
        assert other.adjusted_p(i, j) == family.adjusted_p(order[i], order[j])


def test_a_look_waits_for_most_rows_and_names_those_that_are_behind():
    values = drawn(1, 4, 0.0)
    at = [[row[:n] for row, n in zip(values, seeds, strict=True)] for seeds in ((5, 5, 3, 3), (5, 5, 5, 3))]
    waiting, behind = follow(at[0], PLAN), follow(at[1], PLAN)
    assert (waiting.look.number, waiting.lacking, waiting.next_seeds) == (1, set(), 5)
    assert (behind.look.number, behind.lacking, behind.next_seeds) == (1, {3}, 5)
    assert str(waiting.look) == "after look 1 of 5"


def test_the_resolution_is_that_of_the_last_look():
    values = drawn(2, 4, 0.0)
    found = follow([row[:5] for row in values], PLAN)
    family = found.family()
    threshold = stats.t.isf(PLAN.spending[1] / (2 * 6), 4)
    nc = smallest_difference(family) / math.sqrt(family.prior.variance / 5)
    assert stats.nct.sf(threshold, 4, nc) == pytest.approx(0.8, abs=1e-4)
    assert seeds_for(family, 1.0) == 3
    assert seeds_for(family, 1e-6) is None
    assert smallest_difference(family, 20) < smallest_difference(family, 8) < smallest_difference(family)


def test_a_level_ends_when_decided_when_it_can_show_the_margin_or_at_the_last_look():
    apart = [[0.9, 0.9001, 0.9002], [0.8, 0.8002, 0.8001]]
    assert follow(apart, PLAN, 1e-4).ended == "every pair is decided"
    noisy = drawn(3, 3, 0.0)
    assert follow([row[:3] for row in noisy], PLAN).ended == ""
    assert "points" in follow([row[:3] for row in noisy], spending.planned(0.5)).ended
    assert follow(noisy, spending.planned(1e-5)).ended == "the last look is taken"


def test_a_level_that_is_nearly_decided_promises_more_for_each_run():
    near, far = drawn(4, 3, 0.004), drawn(4, 3, 0.0)
    gains = [follow([row[:3] for row in rows], PLAN).gain() for rows in (near, far)]
    assert gains[0] > gains[1] > 0


# The share of boards that show some difference that is not there, with three standard errors of 300 boards.
@pytest.mark.parametrize("pattern", ["equal", "two at ten times", "random"])
@pytest.mark.parametrize("rows", [6, 12])
def test_equal_methods_are_rarely_told_apart_by_the_last_look(rows, pattern):
    assert simulate.false_separations_until(rows, pattern, boards=150) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_a_difference_is_found_with_fewer_seeds_where_it_is_large():
    found, seeds = simulate.power_until(12, 3.0, boards=40)
    assert found > 0.98
    assert seeds < 10


# What the board makes of records


def runs(method, accuracies, plan=PLAN, planned_from=3, **kind):
    made = []
    for seed, accuracy in enumerate(accuracies):
        record = make(method, 0.9, seed, accuracy=accuracy, **({"runner": "docker"} | kind))
        if plan and seed >= planned_from:
            record["provenance"]["looks"] = plan.as_record()
        made.append(record)
    return made


def level(records):
    (found,) = only_table(records).levels
    return found


A = (0.900, 0.906, 0.903, 0.902, 0.905)
B = (0.899, 0.902, 0.9035, 0.899, 0.9)
BAD = (0.700, 0.701, 0.702)


def test_a_level_whose_records_carry_a_plan_is_tested_at_its_looks():
    found = level([*runs("rigl", A), *runs("static", B), *runs("set", BAD)])
    assert str(found.look) == "after look 2 of 5"
    assert found.look.undecided == 1
    assert {row.method: len(row.scores) for row in found.ranked} == {"rigl": 5, "static": 5, "set": 3}
    assert [wording.rank(row) for row in found.ranked] == ["[1, 2]", "[1, 2]", "3"]
    assert found.seeds == 3
    assert found.error == PLAN.spending[1]


def test_without_a_plan_seeds_beyond_the_fixed_test_are_kept_and_not_counted():
    found = level([*runs("rigl", A, None), *runs("static", B, None), *runs("set", BAD), *runs("gmp", BAD)])
    assert found.look is None
    assert {len(row.scores) for row in found.ranked} == {3}


def test_a_plan_that_one_row_carries_changes_nothing_for_the_others():
    others = [*runs("rigl", A[:3], None), *runs("static", B[:3], None), *runs("gmp", A[:3], None)]
    fixed, tried = level(others), level([*others, *runs("set", A, planned_from=0)])
    assert tried.look is None
    assert {row.method: len(row.scores) for row in tried.ranked} == dict.fromkeys(("rigl", "static", "gmp", "set"), 3)
    assert fixed.look is None


def test_seeds_that_were_trained_without_the_plan_do_not_count_under_it():
    """They may have been added because of what they showed."""
    found = level([*runs("rigl", A), *runs("static", B), *runs("set", A), *runs("gmp", B, None)])
    assert str(found.look) == "after look 2 of 5"
    assert "gmp" not in {row.method for row in found.ranked}
    (row,) = (
        row
        for row in only_table([*runs("rigl", A), *runs("static", B), *runs("set", A), *runs("gmp", B, None)]).rows
        if row.method == "gmp"
    )
    assert row.unranked == "seeds beyond the first look were trained without the level's plan"


FORGED = (
    None,
    {"margin": 0.5, "looks": [5], "spending": [0.05]},
    {"margin": 0.5, "looks": [3, 5], "spending": [1e-9, 0.049]},
    {"margin": 0.5, "looks": list(PLAN.looks), "spending": [1e-6, 0.0499, 1e-6, 1e-6, 1e-6]},
)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from(FORGED), st.sampled_from((0, 3)))
def test_a_row_that_edits_its_plan_is_shown_to_beat_nobody_that_it_did_not_beat(seed, rows, forged, since):
    names = ("rigl", "static", "set", "gmp")[:rows]
    values = drawn(seed, rows, 0.002)
    honest = {name: runs(name, row[:5]) for name, row in zip(names, values, strict=True)}
    edited = runs(names[0], values[0][:5])
    for record in edited[since:]:
        record["provenance"]["looks"] = forged

    def beaten(records):
        found = level(records)
        return {other.method for row in found.ranked if row.method == names[0] for other in found.worse(row)}

    others = [record for name in names[1:] for record in honest[name]]
    assert beaten([*edited, *others]) <= beaten([*honest[names[0]], *others])


def test_where_two_rows_disagree_on_the_plan_it_counts():
    """At 5 % the difference would be shown, and the plan needs but be deleted."""
    ahead, behind = (0.905, 0.906, 0.909, 0.907, 0.905), (0.904, 0.9032, 0.9055, 0.9042, 0.9028)
    assert stats.ttest_rel(ahead, behind).pvalue < 0.05
    for plan in (PLAN, None):
        found = level([*runs("rigl", ahead, plan), *runs("static", behind)])
        assert not [other for row in found.ranked for other in found.worse(row)]


def test_a_row_that_stops_while_undecided_has_no_rank():
    records = [*runs("rigl", A), *runs("static", B), *runs("set", A), *runs("gmp", B[:3])]
    (row,) = (row for row in only_table(records).rows if row.method == "gmp")
    assert row.unranked == "of the seeds 0 to 4, 3, 4 are not done"


def test_a_seed_that_diverges_under_a_plan_keeps_its_row_from_a_rank():
    lost = make("static", 0.9, 4, status="diverged", runner="docker")
    records = [*runs("rigl", A), *runs("static", B[:4]), lost, *runs("set", B)]
    assert {row.method for row in level(records).ranked} == {"rigl", "set"}


@given(st.sets(st.tuples(st.sampled_from(("rigl", "static", "set")), st.integers(0, 4)), min_size=1, max_size=6))
@settings(deadline=None, max_examples=30)
def test_failing_never_pays_under_a_plan(failing):
    """F2: whichever seeds are lost, their rows have no rank, and no other row is shown to be worse than they."""
    accuracies = {"rigl": A, "static": B, "set": A, "gmp": B, "granet": A}
    records = [record for method, row in accuracies.items() for record in runs(method, row)]
    lost = [
        record | {"status": "diverged", "metrics": dict.fromkeys(record["metrics"])}
        if (record["method"], record["seed"]) in failing
        else record
        for record in records
    ]
    table = only_table(lost)
    for row in table.rows:
        if row.method in {method for method, _ in failing}:
            assert row.place is None
            assert "diverged" in row.unranked
        else:
            assert row.place is not None
    assert table.levels[0].look.number == 2


def test_plans_of_two_margins_are_one_plan():
    strict = spending.planned(0.003)
    found = level([*runs("rigl", A), *runs("static", B, strict)])
    assert found.followed.plan == strict


def test_under_a_plan_nothing_is_recommended_at_more_than_its_level():
    """Looking often must not make "within 0.5 points" easier to show than the plan allows."""
    fixed = follow([[0.9, 0.9011, 0.9], [0.9, 0.9, 0.9011]], spending.Plan((3,), (0.05,), 0.005), 1e-4).family()
    early = follow([[0.9, 0.9011, 0.9], [0.9, 0.9, 0.9011]], PLAN, 1e-4).family()
    assert fixed.not_worse(0, 0.005)
    assert not early.not_worse(0, 0.005)
