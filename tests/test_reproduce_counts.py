"""What counts in a paper's table: seeds that were lost, single seeds, intervals that tell nothing, refused records."""

import json

import pytest
from scipy import stats
from test_reproduce import RAN, STD, line, paper, ran

from harness import reproduce
from harness.audit import submission
from harness.cli.main import parse
from harness.reproduce import checked, sheets, verdicts
from harness.reproduce.paper import Published


@pytest.mark.parametrize(
    ("published", "std"),
    [
        (Published(98.0, 0.3, "std", 5), 0.3),
        (Published(98.0, 0.3, "standard error", 4), 0.6),
        (Published(98.0, stats.t.ppf(0.975, 8) * 0.1, "half a 95 % interval", 9), 0.3),
    ],
)
def test_one_seed_is_judged_by_the_prediction_interval_of_the_published_runs(published, std):
    n = published.n
    assert verdicts.joint(published, [97.0]) == pytest.approx(stats.t.ppf(0.975, n - 1) * std * (1 + 1 / n) ** 0.5)


def test_one_seed_has_no_interval_from_a_spread_of_unknown_runs():
    assert verdicts.joint(Published(98.0, 0.05, "standard error"), [98.0]) is None
    assert verdicts.joint(Published(98.0, 0.05, "std"), [98.0]) is None


@pytest.mark.parametrize(
    ("of", "ours", "word"),
    [
        # the prediction interval is 0.30 to each side, and two tolerances are 0.5
        (line(98.0, 0.25, **STD), 98.29, verdicts.REPRODUCED),
        (line(98.0, 0.25, **STD), 98.31, verdicts.MISSED),
        (line(94.132, 0.3, spread=4.258, kind="std", n=5), 95.27, verdicts.UNDECIDED),
        (line(94.132, 0.3, spread=4.258, kind="std", n=5), 94.2, verdicts.REPRODUCED),
        (line(94.132, 0.3, spread=4.258, kind="std", n=5), 80.0, verdicts.MISSED),
    ],
)
def test_one_seed_says_no_more_than_the_published_spread_lets_it(of, ours, word):
    found = verdicts.of_line(of, {0: ours})
    assert found.word == word
    if word == verdicts.UNDECIDED:
        assert (
            found.why
            == "the joint interval, ± 12.95 from the published spread for one seed of ours, is too wide to tell"
        )


def test_seeds_far_apart_are_not_reproduced_by_a_mean_inside_the_tolerance():
    found = verdicts.of_line(line(90.0, 0.3, **STD), {0: 80.1, 1: 99.9})
    assert (found.word, found.basis) == (verdicts.UNDECIDED, "tolerance")
    assert found.why == "the interval of our mean, ± 125.79 from 2 seeds, is too wide to tell"


def test_a_wide_published_spread_is_what_the_tolerance_stands_in_for():
    found = verdicts.of_line(line(73.05, 2.0, spread=1.48, kind="std", n=2), {0: 72.0, 1: 72.4, 2: 72.8})
    assert (found.word, found.basis) == (verdicts.REPRODUCED, "tolerance")
    assert found.half_width > 2 * 2.0


def test_a_lost_seed_counts_against_its_row_and_its_orderings(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN | {("set", 0.9): [0.95, "diverged", "invalid"], ("static", 0.9): [0.9, 0.901, "out_of_memory"]})
    found = reproduce.of("mine", [], records)
    said = [(row.verdict.word, row.verdict.why) for row in found.rows[:4]]
    assert said[0] == ("undecided", "lost: seed 1 diverged, seed 2 invalid")
    assert said[1][0] == "not reproduced"
    assert said[1][1].endswith("; lost: 1 out of memory")
    assert said[3] == ("undecided", "lost: set 0.9 seed 1 diverged, set 0.9 seed 2 invalid")
    ordering = found.orderings[0][1]
    assert ordering.word == verdicts.NOT_SHOWN
    assert ordering.why.endswith("lost: set 0.9 seed 1 diverged, set 0.9 seed 2 invalid, static 0.9 1 out of memory")
    assert found.count("reproduced") == 0
    one = reproduce.of("mine", ["seed=0", "method=set", "sparsity=0.9"], records)
    assert [row.verdict.word for row in one.rows] == ["reproduced"]


def test_an_ordering_of_shown_differences_is_not_shown_with_a_lost_seed(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    ran(records, {("set", 0.9): [0.0] * 3 + ["diverged"]}, "seed=3")
    found = reproduce.of("mine", [], records)
    assert next(verdict.word for _, verdict in found.orderings) == verdicts.NOT_SHOWN
    assert [row.verdict.word for row in found.rows[:2]] == ["undecided", "not reproduced"]


def test_a_seed_that_diverged_is_lost_wherever_it_was_repeated(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, {("set", 0.9): [0.95, 0.95, 0.95]}, runner="docker")
    assert reproduce.of("mine", [], records).rows[0].verdict.word == "reproduced"
    ran(records, {("set", 0.9): ["diverged"]})
    row = reproduce.of("mine", [], records).rows[0]
    assert (row.verdict.word, row.verdict.why) == ("undecided", "lost: seed 0 diverged")


def test_a_row_whose_seeds_all_diverged_is_undecided_and_in_the_files(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, {("set", 0.9): ["diverged"] * 3, ("static", 0.9): ["interrupted"]})
    found = reproduce.of("mine", [], records)
    assert [(row.verdict.word, row.verdict.why) for row in found.rows[:2]] == [
        ("undecided", "lost: seed 0 diverged, seed 1 diverged, seed 2 diverged"),
        ("not run yet", "lost: 1 interrupted"),
    ]
    assert found.run
    assert "seed 2 diverged" in sheets.csv_text([found])
    assert "seed 2 diverged" in sheets.markdown([found])


def test_what_only_a_submission_needs_is_no_reason_against_a_record(tmp_path, monkeypatch):
    said = [["seeds: only 0; a submission has at least 3", "git_dirty: the source was changed"], ["git_commit: None"]]
    said += [["seeds: only 0; a submission has at least 3", "steps: 3 where the budget is 4", "samples: none"], []]
    paths = [tmp_path / f"{number}.json" for number in range(4)]
    for path in paths:
        path.write_text("{}")
    monkeypatch.setattr(submission, "check", lambda given: dict(zip(given, said, strict=True)))
    assert checked.refusals(tmp_path) == {"2.json": "steps: 3 where the budget is 4"}
    said[3] = ["test_accuracy: 2"]
    assert set(checked.refusals(tmp_path)) == {"2.json"}  # no file has changed
    paths[3].write_text("{ }")
    assert set(checked.refusals(tmp_path)) == {"2.json", "3.json"}


def test_a_record_that_check_refuses_does_not_count_and_a_single_seed_does(tmp_path, monkeypatch, capsys):
    text = """
base: {dataset: digits, budget: "steps:1"}
grid: {method: [magnitude_init], sparsity: [0.9], seed: [0]}
paper:
  title: A paper
  tolerance: 100
  tolerance_why: Any number will do.
  rows: [{method: magnitude_init, sparsity: 0.9, published: 10}]
"""
    records = paper(tmp_path, monkeypatch, text, check=True)
    given = parse(["reproduce", "mine", "runner=local", "device=cpu"])
    assert given.call(given) == 0
    assert "1 of 1 published rows reproduced." in capsys.readouterr().out
    (path,) = records.glob("*.json")
    record = json.loads(path.read_text())
    record["cost"]["train_flops"] += 1
    path.write_text(json.dumps(record))
    found = reproduce.of("mine", [], records)
    assert found.rows[0].verdict.word == "not run yet"
    assert found.left_out.startswith(f"1 record refused by check: {path.name}: train_flops")
    given = parse(["reproduce", "mine", "--no-train"])
    assert given.call(given) == 0
    assert "1 record refused by check" in capsys.readouterr().out
