"""How far methods hold against dense, and from where on they do not."""

import csv
import io
import random
from itertools import pairwise

import numpy as np
import pytest
from boards import of, only_table
from hypothesis import given, settings
from hypothesis import strategies as st
from records import make
from scipy import stats

from harness.board import breakdown, csv_text, findings, markdown
from harness.board.tables import Row

LEVELS = (0.8, 0.9, 0.95)
STEADY = (0.001, 0.0, -0.0012)
TEMPLATES = {}


def run(method, sparsity, seed, accuracy, **kind):
    key = (method, sparsity, seed, *kind.values())
    if key not in TEMPLATES:
        TEMPLATES[key] = make(method, sparsity, seed, accuracy=0.5, **({"runner": "docker"} | kind))
    made = TEMPLATES[key]
    return made if kind.get("status") else made | {"metrics": made["metrics"] | {"test_accuracy": accuracy}}


def runs(method, sparsity, accuracies, **kind):
    return [run(method, sparsity, seed, value, **kind) for seed, value in enumerate(accuracies)]


def around(mean, wiggles=STEADY):
    return [mean + wiggle for wiggle in wiggles]


DENSE = runs("dense", 0.0, around(0.95, (0.0008, 0.0003, -0.001)))


def against(*means, method="gmp", levels=LEVELS):
    return [each for level, mean in zip(levels, means, strict=False) for each in runs(method, level, around(mean))]


def only(records, method="gmp"):
    return next(each for each in breakdown.of_table(only_table(records)) if each.method == method)


def test_a_method_holds_up_to_and_breaks_from_a_sparsity():
    records = [*DENSE, *against(0.949, 0.946, 0.90)]
    found = only(records)
    assert (found.holds, found.breaks) == (0.9, 0.95)
    rows = {row.sparsity: row for row in only_table(records).rows if row.name == "gmp"}
    costs = [rows[level].mean("cost", "train_flops_ratio") for level in (0.8, 0.9)]
    assert found.train_flops_ratio == min(costs)


def test_between_the_two_nothing_is_shown():
    unclear = runs("gmp", 0.9, (0.93, 0.95, 0.945))
    found = only([*DENSE, *runs("gmp", 0.8, around(0.949)), *unclear, *runs("gmp", 0.95, around(0.90))])
    assert (found.holds, found.breaks) == (0.8, 0.95)


def test_noise_neither_holds_nor_breaks():
    """A sparsity up to which nothing is shown would favour the noisiest method."""
    found = only([*DENSE, *(each for level in LEVELS for each in runs("gmp", level, (0.85, 0.95, 0.99)))])
    assert (found.holds, found.breaks, found.train_flops_ratio) == (None, None, None)


def test_a_gap_in_the_sequence_ends_it():
    """Within 1 point at 95 % says nothing if at 90 % it is not shown."""
    found = only([*DENSE, *runs("gmp", 0.9, (0.90, 0.95, 0.99)), *runs("gmp", 0.95, around(0.949))])
    assert found.holds is None
    lacking = [*DENSE, *runs("gmp", 0.8, around(0.949)), *runs("gmp", 0.9, around(0.949)[:2])]
    others = [each for level in (0.8, 0.9) for name in ("set", "rigl") for each in runs(name, level, around(0.9))]
    assert only([*lacking, *others]).holds == 0.8


def test_a_seed_that_diverged_breaks_its_sparsity():
    broken = [*runs("gmp", 0.95, around(0.949)[:2]), run("gmp", 0.95, 2, None, status="diverged")]
    found = only([*DENSE, *against(0.949, 0.949), *broken])
    assert (found.holds, found.breaks) == (0.9, 0.95)


def test_the_interval_is_a_moderated_t_interval_for_all_methods_at_once():
    """Below eight rows nothing is moderated: a paired t interval, one-sided 5 % over twice the methods."""
    two = [*against(0.949), *against(0.93, method="set")]
    table = only_table([*DENSE, *two])
    gaps = breakdown.against_dense(table)
    dense = np.array([each["metrics"]["test_accuracy"] for each in DENSE])
    for row in table.rows[1:]:
        differences = dense - np.array(list(row.scores.values()))
        half = stats.t.isf(0.05 / 4, 2) * stats.sem(differences)
        assert gaps[id(row)].below == pytest.approx(differences.mean())
        # one image at least is the standard deviation of a difference
        floor = stats.t.isf(0.05 / 4, 2) * 1e-3 / np.sqrt(3)
        assert gaps[id(row)].half_width == pytest.approx(max(half, floor))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((0.0005, 0.005, 0.03)))
def test_what_holds_is_sparser_nowhere_than_what_breaks(seed, spread):
    draw = random.Random(seed)
    records = list(DENSE)
    for name in ("gmp", "set", "rigl"):
        for level in LEVELS:
            mean = draw.uniform(0.9, 0.96)
            records += runs(name, level, [mean + draw.gauss(0, spread) for _ in range(3)])
    table = only_table(records)
    gaps = breakdown.against_dense(table)
    for each in breakdown.of_table(table):
        rows: list[Row] = [row for row in table.rows if row.name == each.method]
        if each.holds is not None and each.breaks is not None:
            assert each.holds < each.breaks
        for row in rows:
            if each.holds is not None and row.sparsity <= each.holds:
                assert gaps[id(row)].within
            if each.breaks is not None and row.sparsity >= each.breaks:
                assert gaps[id(row)].beyond
    assert all(one.sparsity < other.sparsity for one, other in pairwise(table.levels))


def test_methods_exactly_at_the_margin_are_seldom_said_to_hold_or_to_break():
    """All that is said of one table holds together: of 300 boards with nothing to show, some statement on about 5 %."""
    wrong = 0
    for number in range(300):
        draw = random.Random(number)
        records = runs("dense", 0.0, [0.95 + draw.gauss(0, 0.003) for _ in range(3)])
        for name in ("gmp", "set", "rigl", "static", "granet"):
            for level in LEVELS:
                records += runs(name, level, [0.94 + draw.gauss(0, 0.003) for _ in range(3)])
        found = breakdown.of_table(only_table(records))
        wrong += any(each.holds is not None or each.breaks is not None for each in found)
    assert wrong / 300 <= 0.05 + 0.03


def test_without_a_complete_dense_reference_nothing_is_said():
    assert breakdown.of_table(only_table(against(0.949, 0.94))) == []
    assert breakdown.of_table(only_table([*DENSE[:2], *against(0.949, 0.94)])) == []
    assert "Against dense, less 1 point" not in markdown(of(against(0.949, 0.94)))


def test_local_rows_and_dense_itself_have_no_breakdown():
    local = runs("set", 0.8, around(0.949), runner="local")
    assert [each.method for each in breakdown.of_table(only_table([*DENSE, *against(0.949), *local]))] == ["gmp"]


def test_markdown_and_csv_carry_it():
    records = [*DENSE, *against(0.949, 0.946, 0.90), *runs("set", 0.8, around(0.99), runner="local")]
    text = markdown(of(records)).split("Against dense, less 1 point")[1]
    cheapest = findings.broken_down(only_table(records))[0][3]
    assert [cell.strip() for cell in text.split("| gmp")[1].splitlines()[0].split("|")[1:4]] == [
        "0.9",
        "0.95",
        cheapest,
    ]
    rows = list(csv.DictReader(io.StringIO(csv_text(of(records)))))
    ours = [row for row in rows if row["method"] == "gmp"]
    assert {(row["holds_to"], row["breaks_from"]) for row in ours} == {("0.9", "0.95")}
    assert [round(float(row["below_dense"]), 4) for row in ours] == [0.0011, 0.0041, 0.0501]
    assert all(float(row["below_dense_half_width"]) > 0 for row in ours)
    others = [row for row in rows if row["method"] != "gmp"]
    assert {row["below_dense"] + row["holds_to"] + row["breaks_from"] for row in others} == {""}
