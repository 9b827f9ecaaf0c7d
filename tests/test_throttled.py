"""Time that is not a run's own, for it shared the machine or its GPU was slowed down: told, and never averaged in."""

import copy
import csv
import io

import pytest
from records import GPU, make, resealed

from harness.audit.submission import check
from harness.board import Board, aggregate, csv_text, markdown, results_table, wording
from harness.board.page import data as page_data
from harness.board.page import plots
from harness.records import record_name, write
from harness.records.validate import validate

NAME = GPU["name"]


def of(records):
    files = {record_name(each): each for each in records}
    return Board(files, aggregate.tables(files), [], [])


def only_table(records):
    (table,) = of(records).tables
    return table


def throttled(share, seed=0, *, packed=1, method="set", **more):
    made = make(method, 0.9, seed, gpu=GPU, **more)
    made["cost"] |= {"throttled": share, "power_capped": None}
    made["config"]["packed"] = packed
    return made


@pytest.mark.parametrize(
    ("share", "packed", "words"),
    [
        (None, 1, ""),
        (0.0, 1, ""),
        (0.01, 1, ""),
        (0.011, 1, " (throttled)"),
        (1.0, 1, " (throttled)"),
        (0.0, 2, " (shared by 2 runs)"),
        (0.5, 4, " (shared by 4 runs, throttled)"),
    ],
)
def test_a_run_throttled_for_over_a_hundredth_of_its_time_is_other_hardware(share, packed, words):
    ((name, usage),) = only_table([throttled(share, packed=packed)]).rows[0].usage.items()
    assert name == NAME + words
    assert usage.undisturbed is (words == "")


def test_a_record_that_does_not_know_is_valid_and_counts_as_undisturbed():
    old = make("set", 0.9, 0, gpu=GPU)
    assert "throttled" not in old["cost"]
    assert validate(old) == []
    assert list(only_table([old]).rows[0].usage) == [NAME]
    for share, problems in ((None, 0), (0.25, 0), (1.5, 1), ("often", 1)):
        assert len(validate(throttled(share))) == problems


def test_at_the_power_limit_a_gpu_is_not_throttled():
    capped = throttled(0.0)
    capped["cost"]["power_capped"] = 1.0
    assert validate(capped) == []
    assert list(only_table([capped]).rows[0].usage) == [NAME]


def test_throttled_seconds_are_in_no_mean_with_others_and_marked_in_every_view():
    fine, hot = throttled(0.0, 0), throttled(0.3, 1)
    fine["cost"]["seconds"]["total"], hot["cost"]["seconds"]["total"] = 10.0, 90.0
    fine["cost"]["energy_joules"], hot["cost"]["energy_joules"] = 2000.0, 8000.0
    row = only_table([fine, hot]).rows[0]
    assert {name: usage.seconds for name, usage in row.usage.items()} == {NAME: 10.0, f"{NAME} (throttled)": 90.0}
    assert wording.cells(row)["wall-clock"] == "10.0 s; 90.0 s †"
    assert wording.cells(row)["energy"] == "2 kJ; 8 kJ †"
    assert row.score.n == 2  # what a run learnt does not depend on its clocks
    board = of([fine, hot])
    (line,) = csv.DictReader(io.StringIO(csv_text(board)))
    assert line["wall_clock_seconds"] == ""
    for text in (line["hardware"], markdown(board), results_table([fine, hot])):
        assert f"{NAME} (throttled)" in text


def test_the_page_offers_undisturbed_hardware_first_and_names_the_other():
    made = [throttled(0.5, 0), throttled(0.0, 1, packed=2), throttled(0.0, 2), make("set", 0.9, 3)]
    (table,) = page_data.data(of(made), "records")["tables"]
    disturbed = [f"{NAME} (shared by 2 runs)", f"{NAME} (throttled)"]
    assert table["hardware"] == ["AMD EPYC 9B45, 2 cores", NAME, *disturbed]
    assert table["disturbed"] == disturbed


def test_no_time_is_ranked_or_on_a_front():
    slow, quick = throttled(0.9, method="rigl", accuracy=0.9), throttled(0.0, method="set", accuracy=0.9)
    quick["cost"]["seconds"]["total"], slow["cost"]["seconds"]["total"] = 1.0, 100.0
    turned = copy.deepcopy([slow, quick])
    for each, other in zip(turned, (quick, slow), strict=True):
        each["cost"]["seconds"] = other["cost"]["seconds"]
    fronts, ranks = [], []
    for records in ([slow, quick], turned):
        rows = only_table(records).rows
        ranks.append([(row.method, wording.rank(row)) for row in rows])
        fronts.append([(point["method"], point["front"]) for point in page_data.points(only_table(records))])
    assert ranks[0] == ranks[1]
    assert fronts[0] == fronts[1]
    assert "front" not in str(plots.page_specs({})["by-seconds"])
    assert "front" in str(plots.page_specs({})["by-flops"])


def test_the_checker_takes_a_throttled_run(tmp_path):
    made = [throttled(0.2, seed) for seed in range(3)]
    for each in made:
        each["config"]["device"] = "cuda"
        resealed(each)
        write(each, tmp_path / record_name(each))
    assert list(check(sorted(tmp_path.iterdir())).values()) == [[], [], []]


@pytest.mark.parametrize(("packed", "words"), [(1, "shared with other work"), (2, "shared by 2 runs")])
def test_a_run_that_had_a_quarter_of_a_core_shared_the_machine(packed, words):
    made = make("set", 0.9, 0)
    assert list(only_table([made]).rows[0].usage) == ["AMD EPYC 9B45, 2 cores"]
    made["cost"]["core"] = 0.25
    made["config"]["packed"] = packed
    assert validate(made) == []
    ((name, usage),) = only_table([made]).rows[0].usage.items()
    assert (name, usage.undisturbed) == (f"AMD EPYC 9B45, 2 cores ({words})", False)
