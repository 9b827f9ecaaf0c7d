"""What the board says in words of its tests: of equals, of dense, of the front; with the inputs it once got wrong."""

import csv
import io
import random

import pytest
from boards import of, only_table
from records import make

from harness.board import csv_text, findings, levels, markdown, pareto, results_table, wording
from harness.board.page import data as page_data
from harness.board.spending import planned


def runs(method, sparsity, accuracies):
    return [make(method, sparsity, seed, accuracy=value, runner="docker") for seed, value in enumerate(accuracies)]


def answer(records, at=0.9):
    table = only_table(records)
    level = next(level for level in table.levels if level.sparsity == at)
    return dict(findings.answer(table, level))


CHEAPEST = "Cheapest shown within 0.5 points of each"


def test_a_cheap_row_is_not_recommended_because_nothing_was_shown_of_it():
    """F7: "cheapest of these" took a row 1.8 points below the best, for it was not shown to differ."""
    best, noisy = runs("gmp", 0.9, (0.85, 0.856, 0.847)), runs("static", 0.9, (0.82, 0.85, 0.83))
    assert answer([*best, *noisy])[CHEAPEST] == "none: 3 seeds do not show that of any"


def test_a_cheap_row_that_is_shown_to_be_as_good_is_recommended():
    best, cheap = runs("gmp", 0.9, (0.8510, 0.8525, 0.8492)), runs("static", 0.9, (0.8506, 0.8520, 0.8489))
    worse = runs("set", 0.9, (0.80, 0.802, 0.801))
    table = only_table([*best, *cheap, *worse])
    ratio = {row.method: row.mean("cost", "train_flops_ratio") for row in table.rows}
    assert ratio["static"] < ratio["gmp"]
    assert answer([*best, *cheap, *worse])[CHEAPEST].startswith("static: ")


def test_of_equal_costs_the_better_mean_is_the_cheapest():
    best, other = runs("set", 0.9, (0.8510, 0.8525, 0.8492)), runs("static", 0.9, (0.8506, 0.8520, 0.8489))
    rows = {row.method: row for row in only_table([*best, *other]).rows}
    assert wording.times(rows["set"]) == wording.times(rows["static"])
    assert answer([*best, *other])[CHEAPEST].startswith("set: ")


def test_the_difference_to_dense_holds_whichever_row_leads():
    """F8: the best of eleven equal rows was compared with dense as if it had been named beforehand."""
    covered, bias = 0, 0.0
    for number in range(200):
        draw = random.Random(number)
        rows = [[draw.gauss(0.9, 0.003) for _ in range(3)] for _ in range(12)]
        names = ["dense", "static", "set", "set_itop", "rigl", "rigl_itop", "gmp", "gmp_uniform", "granet", "granet_s0"]
        records = [
            record | {"metrics": {"test_accuracy": value}}
            for name, row in zip(names, rows, strict=False)
            for record, value in zip(TEMPLATES[name], row, strict=True)
        ]
        table = only_table(records)
        level = next(level for level in table.levels if level.sparsity == 0.9)
        low, high = (float(part.replace("−", "-")) for part in _interval(table, level))
        covered += low <= 0 <= high
        bias += findings.picked_on_other_seeds(level, levels.reference(table))
    assert covered / 200 >= 0.95
    assert abs(bias / 200) < 0.0006  # the mean of the leader itself is 0.003 too high


TEMPLATES = {
    name: runs(name, 0.0 if name == "dense" else 0.9, (0.9, 0.9, 0.9))
    for name in ("dense", "static", "set", "set_itop", "rigl", "rigl_itop", "gmp", "gmp_uniform", "granet", "granet_s0")
}


def _interval(table, level):
    words = findings.against(level, levels.reference(table))
    return words.partition(" points")[0].split(" to ")


def test_dense_is_compared_only_if_it_lacks_nothing():
    """F8: it was the best row of dense of any runner and device."""
    best = [*runs("gmp", 0.9, (0.85, 0.851, 0.8495)), *runs("set", 0.9, (0.84, 0.842, 0.8405))]
    local = [make("dense", 0.0, seed, accuracy=0.99) for seed in range(3)]
    assert "Against dense" not in answer([*best, *local])
    assert "Against dense" not in answer([*best, *runs("dense", 0.0, (0.9, 0.9))])
    assert "Against dense" in answer([*best, *runs("dense", 0.0, (0.9, 0.901, 0.9))])


def test_the_leader_is_not_bold_for_its_noise_alone_and_no_rank_contradicts_bold():
    """F9: noise made rows bold while steadier and better ones were not, and bold stood beside "(#7=)"."""
    rows = only_table(
        [
            *runs("gmp", 0.9, (0.90, 0.9005, 0.9011)),
            *runs("set", 0.9, (0.88, 0.8804, 0.8811)),
            *runs("rigl", 0.9, (0.80, 0.95, 0.85)),
        ]
    ).rows
    bold = {row.method: wording.ranked_score(row).startswith("**") for row in rows}
    assert bold == {row.method: row.place.first == 1 for row in rows}
    assert (bold["gmp"], bold["set"]) == (True, False)
    assert str(next(row for row in rows if row.method == "rigl").place) == "[1, 3]"  # what three such seeds leave


def test_the_front_says_how_often_a_point_is_on_it():
    """F11: a front of means says nothing of its uncertainty."""
    sure = runs("static", 0.98, (0.80, 0.802, 0.801))
    first, second = runs("set", 0.9, (0.850, 0.856, 0.853)), runs("set_itop", 0.9, (0.853, 0.851, 0.854))
    table = only_table([*sure, *first, *second])
    often = {row.method: pareto.often(table)[id(row)] for row in table.rows}
    assert often["static"] == 1
    assert 0.2 < often["set"] < 0.8
    assert often["set"] + often["set_itop"] == pytest.approx(1, abs=0.15)  # of equal cost: one of the two, or both
    points = page_data.points(table)
    assert {point["method"]: point["often"] for point in points}["static"] == 1


def test_rows_that_are_not_ranked_have_no_share_of_the_front():
    table = only_table([*runs("set", 0.9, (0.8, 0.81, 0.82)), make("static", 0.9, 0, accuracy=0.9)])
    assert len(pareto.often(table)) == 1
    assert pareto.often(only_table([make("static", 0.9, 0)])) == {}


def test_the_resolution_is_said_for_each_level_that_tests_something():
    two = [*runs("set", 0.9, (0.850, 0.856, 0.853)), *runs("set_itop", 0.9, (0.853, 0.851, 0.854))]
    text = findings.resolution(only_table([*two, *runs("static", 0.98, (0.80, 0.802, 0.801))]))
    assert text.startswith("What this can show, with 80 % power. At 0.9 (3 seeds, 1 pair): ")
    assert "At 0.98" not in text
    assert findings.resolution(only_table([make("set", 0.9, 0)])) == ""


def test_where_no_row_is_ranked_the_answer_says_why():
    lines = answer([make("set", 0.9, seed) for seed in range(2)])
    assert lines["No method is ranked"] == "of the seeds 0 to 2, 2 is not done"
    assert "nothing is tested" in lines["Best mean of those"]
    assert of([make("set", 0.9, 0, status="failed")]).tables[0].rows[0].place is None


def looked(seeds, gap):
    """Two methods whose records carry a plan of looks."""
    draw = random.Random(5)
    records = []
    for method, mean in (("set", 0.90), ("rigl", 0.90 - gap)):
        records += runs(method, 0.9, [mean + draw.gauss(0, 0.004) for _ in range(seeds)])
    for record in records:
        record["provenance"]["looks"] = planned(0.005).as_record()
    return records


def test_a_level_under_a_plan_says_after_which_look_and_with_what_seeds():
    records = [*looked(5, 0.0), *runs("dense", 0.0, (0.91, 0.911, 0.912, 0.910, 0.909))]
    told = findings.resolution(only_table(records))
    assert "At 0.9 (5 seeds, 1 pair, after look 2 of 5): " in told
    lines = answer(records)
    assert lines["Its rank"].endswith("with 95 % confidence, after look 2 of 5")
    (row, *_) = (row for row in csv.DictReader(io.StringIO(csv_text(of(records)))) if row["method"] == "set")
    assert row["look"] == "2 of 5"


def test_what_the_last_look_may_spend_widens_the_interval_to_dense():
    """Five percent at each look would be more than five percent."""
    dense = runs("dense", 0.0, (0.91, 0.911, 0.912))
    once = [record | {"provenance": record["provenance"] | {"looks": None}} for record in looked(3, 0.0)]
    widths = []
    for records in (once, looked(3, 0.0)):
        table = only_table([*records, *dense])
        low, high = (float(part.replace("−", "-")) for part in _interval(table, table.levels[0]))
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_more_seeds_than_the_last_look_has_are_not_promised():
    records = looked(3, 0.0)
    for seed, record in enumerate(records[:3]):  # so noisy that no look can show it
        record["metrics"]["test_accuracy"] = (0.5, 0.9, 0.7)[seed]
    assert "0.5 points take more than 20 seeds" in findings.resolution(only_table(records))


def test_local_rows_are_told_apart_from_the_ranked():
    ranked = [*runs("set", 0.9, (0.850, 0.851, 0.853)), *runs("rigl", 0.9, (0.80, 0.801, 0.803))]
    local = [make("gmp", 0.9, seed, accuracy=value) for seed, value in enumerate((0.70, 0.702, 0.701))]
    told = findings.local(only_table([*ranked, *local]))
    assert told.startswith("Made outside of a container, and tested apart: local at 0.9: gmp 70.10, shown to be worse")
    assert findings.local(only_table(ranked)) == ""
    for text in (markdown(of([*ranked, *local])), results_table([*ranked, *local])):
        assert told in text
