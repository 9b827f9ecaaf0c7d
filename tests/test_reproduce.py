"""Tables of papers: their files, the records that stand for their rows, and the verdicts."""

import csv
import math

import pytest
from records import make, resealed
from scipy import stats

from harness import config, reproduce
from harness.cli.main import parse
from harness.errors import UsageError
from harness.places import PROJECT, ROOT
from harness.plan import grid
from harness.plan.sources import of_run
from harness.records import identity, record_name, write
from harness.reproduce import checked, sheets, verdicts
from harness.reproduce.ours import Records, cells, fill, matching
from harness.reproduce.paper import Line, Published, read, words
from harness.tasks import data
from methods import methods

PAPERS = grid.papers()

# Verdicts


@pytest.mark.parametrize(("spread", "n"), [(0.3, 5), (0.05, 20), (1.2, 2)])
def test_the_joint_interval_is_where_welchs_test_has_five_per_cent(spread, n):
    ours = [98.1, 98.4, 97.9]
    half = verdicts.joint(Published(98.0, spread, "std", n), ours)
    mean, std = sum(ours) / 3, stats.tstd(ours)
    found = stats.ttest_ind_from_stats(mean, std, 3, mean + half, spread, n, equal_var=False)
    assert found.pvalue == pytest.approx(0.05)


def test_a_standard_error_of_unknown_runs_counts_as_exact():
    published = Published(98.0, 0.05, "standard error")
    assert verdicts.joint(published, [98.1, 98.1, 98.1]) == pytest.approx(stats.norm.ppf(0.975) * 0.05)
    ours = [98.0, 98.2, 98.4]
    mine = stats.tstd(ours) ** 2 / 3
    freedom = (mine + 0.05**2) ** 2 / (mine**2 / 2)
    expected = stats.t.ppf(0.975, freedom) * math.sqrt(mine + 0.05**2)
    assert verdicts.joint(published, ours) == pytest.approx(expected)
    half = Published(98.0, 1.959964 * 0.05, "half a 95 % interval")
    assert verdicts.joint(half, ours) == pytest.approx(expected)


@pytest.mark.parametrize(
    "published",
    [
        *(Published(98.0), Published(98.0, 0.1, "range", 3), Published(98.0, 0.1, "std")),
        *(Published(98.0, 0.1, kind, 1) for kind in ("std", "standard error", "half a 95 % interval")),
    ],
)
def test_what_says_nothing_of_the_mean_gives_no_interval(published):
    assert verdicts.joint(published, [98.0, 98.1]) is None


def line(value, tolerance=0.2, **published):
    return Line({"method": "set"}, Published(value, **published), tolerance=tolerance, why="a reason")


STD = {"spread": 0.1, "kind": "std", "n": 5}


@pytest.mark.parametrize(
    ("of", "ours", "word", "basis"),
    [
        (line(98.0), [98.2], verdicts.REPRODUCED, "tolerance"),
        (line(98.0), [98.21], verdicts.MISSED, "tolerance"),
        (line(98.0, **STD), [98.35, 98.2, 98.3], verdicts.MISSED, "interval"),
        (line(98.0, **STD), [98.1, 98.4, 98.25], verdicts.REPRODUCED, "interval"),
        (line(98.0, **STD), [70.0, 99.0], verdicts.UNDECIDED, "interval"),
        (line(98.0, **STD), [97.0], verdicts.MISSED, "interval"),
    ],
)
def test_a_row_is_judged_by_its_tolerance_and_its_joint_interval(of, ours, word, basis):
    found = verdicts.of_line(of, dict(enumerate(ours)))
    assert (found.word, found.basis) == (word, basis)
    assert found.difference == pytest.approx(sum(ours) / len(ours) - 98.0)
    assert found.why if word != verdicts.REPRODUCED else not found.why


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ({0: 3.0, 1: 3.1, 2: 3.2}, {0: 2.0, 1: 2.1, 2: 2.3}, verdicts.REPRODUCED),
        ({0: 3.0, 1: 3.1, 2: 2.0}, {0: 2.0, 1: 2.9, 2: 2.1}, verdicts.NOT_SHOWN),
        ({0: 2.0, 1: 2.1}, {0: 3.0, 1: 3.1}, verdicts.MISSED),
        ({0: 2.0, 1: 2.9, 2: 2.1}, {0: 3.0, 1: 3.1, 2: 2.0}, verdicts.UNDECIDED),
        ({0: 3.0}, {1: 2.0}, verdicts.NOT_SHOWN),
        ({0: 2.0}, {0: 3.0}, verdicts.UNDECIDED),
    ],
)
def test_an_ordering_is_judged_pair_by_pair_on_common_seeds(first, second, word):
    assert verdicts.of_ordering(["a", "b"], [first, second], higher=True).word == word
    lower = [{seed: -value for seed, value in values.items()} for values in (first, second)]
    assert verdicts.of_ordering(["a", "b"], lower, higher=False).word == word
    below = {0: 1.0, 1: 1.05, 2: 1.1}
    assert verdicts.of_ordering(["a", "b", "c"], [first, second, below], higher=True).word in (word, verdicts.NOT_SHOWN)


def test_an_ordering_says_differences_as_they_are():
    better, worse = {0: 1.0, 1: 1.1}, {0: 2.0, 1: 2.1}
    assert verdicts.of_ordering(["a", "b"], [better, worse], higher=False).why == "a - b = -1.00 (± 0.00, 2 seeds)"
    assert verdicts.of_ordering(["a", "b"], [{0: 2.0}, {0: 1.0}], higher=True).why == "a - b = +1.00 (one seed)"
    assert verdicts.of_ordering(["a", "b"], [{0: 2.0}, {1: 1.0}], higher=True).why == "a - b = +1.00 (no common seed)"


@pytest.mark.parametrize(("spread", "n", "word"), [(0.1, 4, verdicts.UNDECIDED), (0.5, 25, verdicts.REPRODUCED)])
def test_an_interval_says_nothing_beyond_three_standard_errors(spread, n, word):
    of = line(98.0, tolerance=0.1, spread=spread, kind="std", n=n)
    assert verdicts.of_line(of, {0: 98.2, 1: 98.45, 2: 98.2}).word == word


# Files


TEXT = """
base: {dataset: digits, budget: "epochs:10"}
grid: {method: [dense, set, static, nothing_yet], sparsity: [0.9, 0.95], seed: [0, 1, 2]}
paper:
  title: A paper
  source: its table
  table: Table 1
  guessed: [The learning rate.]
  tolerance: 0.5
  tolerance_why: Half a point.
  spread_is: std
  n: 5
  rows:
    - {method: set, sparsity: 0.9, published: 95.0, spread: 0.2, key: snfs-curve/set/0.9}
    - {method: static, sparsity: 0.9, published: 94.0}
    - {method: dense, published: 97.0}
    - {method: set, sparsity: [0.9, 0.95], published: 94.0}
    - {method: nothing_yet, sparsity: 0.9, published: 99.0}
  orderings:
    - {at: {sparsity: 0.9}, order: [set, static]}
    - {said: "static last", at: {sparsity: 0.9}, order: [{method: dense, sparsity: 0}, static]}
    - {at: {sparsity: 0.9}, order: [nothing_yet, set]}
"""


def paper(tmp_path, monkeypatch, text=TEXT, *, check=False):
    """Write a paper's file; ``check`` is whether records have to pass the checker, as those of `ran` do not."""
    if not check:
        monkeypatch.setattr(checked, "refusals", lambda folder: {})
    folder = tmp_path / "benchmarks" / "suite" / "papers"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "papers" / "records"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tolerance: 0.5", "tolerance: some", "tolerance 'some' is not a number of 0 or more"),
        ("tolerance: 0.5", "", "paper mine: tolerance is missing: write a number of 0 or more"),
        ("tolerance_why: Half a point.", "", "paper mine: tolerance_why is missing"),
        ("title: A paper", "title: {a: 1}", "paper mine: title .* is not a text"),
        ("title: A paper", "", "paper mine: title is missing"),
        ("spread_is: std", "spread_is: sem", r"unknown spread_is of paper mine: rows\[0\] 'sem': allowed are"),
        ("spread_is: std", "", r"rows\[0\]: spread needs spread_is, one of std"),
        ("n: 5", "n: 0", r"rows\[0\]: n '0' is not a whole number of 1 or more"),
        ("n: 5", "n: 2.5", r"rows\[0\]: n '2\.5' is not a whole number of 1 or more"),
        ("n: 5", "claim: 1", r"rows\[0\]: claim '1' is not true or false"),
        ("published: 97.0", "publised: 97.0", r"unknown field of paper mine: rows\[2\] 'publised': .*mean 'published'"),
        ("published: 97.0", "", r"rows\[2\]: published is missing"),
        (
            "published: 97.0",
            "published: 97.0, recipe.lrr: 1",
            r"setting of paper mine: rows\[2\] 'recipe.lrr'.*'recipe.lr'",
        ),
        ("published: 97.0", "published: 97.0, key: snfs-curve/dens", r"rows\[2\]: key .*'snfs-curve/dense'"),
        (
            "{method: dense, published: 97.0}",
            "{method: [dense], published: 9}",
            r"rows\[2\]: method .* is not one name",
        ),
        ("published: 97.0", "published: 97.0, seed: 0", r"unknown field of paper mine: rows\[2\] 'seed'"),
        ("{method: dense, published: 97.0}", "{method: dnse, published: 9}", r"method of paper mine: rows\[2\] 'dnse'"),
        ("{method: dense, published: 97.0}", "{method: rigl, published: 9}", r"method of paper mine: rows\[2\] 'rigl'"),
        ("sparsity: [0.9, 0.95], published", "sparsity: [], published", r"rows\[3\]: sparsity '\[\]' is neither"),
        (
            "sparsity: [0.9, 0.95], published",
            "sparsity: [[0.9]], published",
            r"rows\[3\]: sparsity .*allowed are 0.9, 0.95",
        ),
        ("sparsity: [0.9, 0.95], published", "sparsity: null, published", r"rows\[3\]: sparsity 'None': allowed are"),
        ("sparsity: [0.9, 0.95], published", "sparsity: 0.9x, published", r"rows\[3\]: sparsity '0.9x': allowed are"),
        ("sparsity: [0.9, 0.95], published", "sparsity: 0.8, published", r"rows\[3\]: sparsity '0.8': allowed are"),
        (
            "method: static, sparsity: 0.9, pub",
            "method: set, sparsity: 0.90, key: snfs-curve/set/0.9, pub",
            "0.9 is rows.0. again",
        ),
        ("at: {sparsity: 0.9}, order: [set", "at: [x], order: [set", r"orderings\[0\]: at .* is not settings"),
        ("order: [set, static]", "order: [5, 6]", r"orderings\[0\]: order\[0\] '5' is neither a method nor settings"),
        ("order: [set, static]", "order: [set, set]", r"order\[1\]: set 0.9 is in this order twice"),
        ("published: 95.0", "published: best", r"rows\[0\]: published 'best' is not a number"),
        ("guessed: [The learning rate.]", "guess: 1", "unknown field of paper mine 'guess': allowed are"),
        ("guessed: [The learning rate.]", "guessed: [A: b]", "guessed is not a list of sentences"),
        ("{method: dense, published: 97.0}", "{published: 97.0}", r"rows\[2\]: names no method"),
        ("{method: dense, published: 97.0}", "97", r"rows\[2\]: '97' is not names with values"),
        ("order: [set, static]", "order: [set]", r"orderings\[0\]: order: needs two rows or more"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, monkeypatch, old, new, said):
    paper(tmp_path, monkeypatch, TEXT.replace(old, new))
    with pytest.raises(UsageError, match=said):
        read("mine")


def test_a_row_that_the_suite_does_not_train_is_refused(tmp_path, monkeypatch):
    text = TEXT.replace("{method: dense, published: 97.0}", "{method: dense, recipe.lr: 7, published: 97.0}")
    paper(tmp_path, monkeypatch, text)
    with pytest.raises(UsageError, match=r"paper mine: rows\[2\]: the row dense recipe.lr=7 stands for no row"):
        reproduce.require("mine")


def test_what_a_row_does_not_state_is_that_of_the_paper(tmp_path, monkeypatch):
    paper(tmp_path, monkeypatch)
    first, second, *_ = read("mine").lines
    assert (first.published, first.tolerance, first.key) == (Published(95.0, 0.2, "std", 5), 0.5, "snfs-curve/set/0.9")
    assert second.published == Published(94.0, None, "", 5)
    dense, static = read("mine").orderings[1].order
    assert (dense, static) == ({"method": "dense", "sparsity": 0}, {"method": "static", "sparsity": 0.9})


def test_a_row_that_stands_for_several_is_refused(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch, TEXT.replace("sparsity: 0.9, published: 94.0", "published: 94.0"))
    with pytest.raises(UsageError, match="row static stands for 2 rows of the suite, which differ in sparsity"):
        reproduce.of("mine", [], records)


def test_a_paper_that_does_not_exist_is_refused_with_those_that_do():
    for name in ("", "snfs"):
        with pytest.raises(UsageError, match="snfs_mnist"):
            read(name)


@pytest.mark.parametrize("name", PAPERS)
def test_every_row_of_a_paper_has_its_run_and_the_numbers_that_are_quoted(name):
    with open(PROJECT / "benchmarks" / "published" / "small.csv", encoding="utf-8", newline="") as file:
        quoted = {row["key"]: row for row in csv.DictReader(file)}
    found = reproduce.of(name, [], PROJECT / "no records")  # refuses rows that stand for several
    planned = cells(grid.runs(name, [], lambda told: None))
    assert found.paper.guessed
    assert found.count() + found.claims[1] >= 1
    for row in found.paper.lines:
        if row.where["method"] in methods():
            assert matching(row.where, planned), words(row.where)
        if row.key:
            number = quoted[row.key]
            assert row.published.value == float(number["top1"])
            assert row.published.spread == (float(number["top1_std"]) if number["top1_std"] else None)
    for ordering in found.paper.orderings:
        for where in ordering.order:
            assert where["method"] not in methods() or matching(where, planned), words(where)


# Records


def ran(folder, accuracies, *overrides, runner="local", **changed):
    """Write records of the suite ``mine``: accuracies, or statuses, by method and sparsity, of its seeds in turn."""
    for run in grid.runs("mine", list(overrides), lambda told: None):
        given = accuracies.get((run.method.name, run.sparsity), [])
        if run.seed < len(given):
            ended = {"status" if isinstance(given[run.seed], str) else "accuracy": given[run.seed]}
            record = make(run.method.name, run.sparsity, run.seed, runner=runner, **ended)
            kept = {name: record["config"][name] for name in ("layers", "fixed_flops")}
            record["config"] = {**config.to_dict(run), **kept, "device": "cpu"}
            record["budget"] = {"kind": "epochs", "amount": 10, "stretch": 1, "rounds": None}
            record["provenance"]["data_sha256"] = data.fingerprint(record["config"]["dataset"])
            code = of_run(run).code(run, identity.results_version(identity.settings(record["config"])))
            record["code"] = code | changed
            write(resealed(record), folder / record_name(record))


RAN = {
    ("set", 0.9): [0.951, 0.949, 0.95],
    ("set", 0.95): [0.93, 0.931, 0.929],
    ("static", 0.9): [0.92, 0.921, 0.922],
    ("static", 0.95): [0.9],
    ("dense", 0.0): [],
}


def test_rows_are_judged_by_the_records_of_their_runs(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    found = reproduce.of("mine", [], records)
    said = [(words(row.line.where), row.verdict.word, row.ours and round(row.ours.mean, 3)) for row in found.rows]
    assert said == [
        ("set 0.9", "reproduced", 95.0),
        ("static 0.9", "ordering reproduced", 92.1),
        ("dense", "not run yet", None),
        ("set [0.9, 0.95]", "reproduced", 94.0),
        ("nothing_yet 0.9", "no such method here", None),
        ("static 0.95", "no published number", 90.0),
    ]
    assert [verdict.word for _, verdict in found.orderings] == ["reproduced", "not run yet", "no such method here"]
    assert (found.count(), found.count("reproduced")) == (5, 2)
    assert found.rows[1].verdict.why.startswith("set 0.9 > static 0.9; its number is not: not explained; what may")


def test_a_number_that_is_far_off_is_not_reproduced_by_an_ordering(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN | {("static", 0.9): [0.91, 0.911, 0.912]})
    found = reproduce.of("mine", [], records)
    assert found.orderings[0][1].word == "reproduced"
    assert found.rows[1].verdict.word == "not reproduced"
    (tmp_path / "benchmarks/suite/papers/mine.yaml").write_text(TEXT.replace("[The learning rate.]", "[]"))
    assert reproduce.of("mine", [], records).rows[1].verdict.why == "not explained"


def test_a_seed_that_is_chosen_is_the_only_one(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    ran(records, {("set", 0.9): [0.0] * 7 + [0.9]}, "seed=7")
    one = reproduce.of("mine", ["seed=0", "method=set", "sparsity=0.9"], records)
    assert [row.values for row in one.rows] == [{0: pytest.approx(95.1)}]
    every = reproduce.of("mine", ["method=set", "sparsity=0.9"], records)
    assert set(every.rows[0].values) == {0, 1, 2, 7}


def test_records_of_other_code_or_data_do_not_count(tmp_path, monkeypatch, capsys):
    records = paper(tmp_path, monkeypatch)
    ran(records, {("static", 0.9): [0.9, 0.9, 0.9], ("set", 0.9): [0.8, 0.8]}, method="0" * 64)
    run = next(grid.runs("mine", ["method=set"], lambda told: None))
    ran(records, {("set", 0.9): [0.95]}, model=of_run(run).model)  # the same code, before it was in the lock
    found = reproduce.of("mine", [], records)
    assert found.rows[0].values == {0: pytest.approx(95.0)}
    assert found.rows[1].verdict.word == "not run yet"
    assert found.left_out == "5 records of other code"
    monkeypatch.setattr(data, "fingerprint", lambda config: "0" * 64)
    found = reproduce.of("mine", [], records)
    assert (found.run, found.left_out) == (False, "5 records of other code, 1 record of other data")
    assert "Left out: 5 records of other code, 1 record of other data." in sheets.told(found)
    given = parse(["reproduce", "--no-train"])
    assert given.call(given) == 0
    assert "mine: 5 records of other code, 1 record of other data" in capsys.readouterr().err


def test_what_is_not_the_papers_protocol_has_no_published_number(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    ran(records, RAN, "recipe.lr=7")
    found = reproduce.of("mine", ["method=[set,static]", "sparsity=0.9", "recipe.lr=7"], records)
    assert [(row.verdict.word, row.line.note, row.line.published) for row in found.rows] == [
        ("no published number", "not the paper's protocol: recipe.lr=7", None)
    ] * 2
    assert not found.orderings
    assert "No published row is among these." in sheets.told(found)
    same = reproduce.of("mine", ["method=set", "sparsity=0.9", "budget=epochs:10", "device=cpu"], records)
    assert [row.verdict.word for row in same.rows] == ["reproduced"]
    outside = reproduce.of("mine", ["method=set", "sparsity=0.5"], records)
    assert [(row.verdict.word, row.line.note) for row in outside.rows] == [
        ("not run yet", "no row of the paper has it")
    ]


def test_claims_are_counted_apart(tmp_path, monkeypatch):
    text = TEXT.replace(
        "published: 94.0}\n    - {method: dense, published: 97.0",
        "published: 94.0}\n    - {method: dense, claim: true, published: 97.0",
    )
    records = paper(tmp_path, monkeypatch, text)
    ran(records, RAN | {("dense", 0.0): [0.97]})
    found = reproduce.of("mine", [], records)
    assert (found.rows[2].verdict.word, found.count(), found.claims) == ("claim kept", 4, (1, 1))
    assert sheets.told(found)[-1] == "2 of 4 published rows reproduced, 1 of 3 orderings, 1 of 1 claims kept."
    assert "1 of 1" in sheets.summary([found])
    ran(records, {("dense", 0.0): [0.0, 0.9]})
    assert reproduce.of("mine", [], records).rows[2].verdict.word == "claim not kept"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    paper(tmp_path, monkeypatch)
    (tmp_path / "file").write_text("")
    (tmp_path / "results" / "reproductions.md").mkdir(parents=True)
    for output, said in (("file", "cannot write the reproductions to file"), ("results", "is a folder")):
        given = parse(["reproduce", "mine", f"output={output}"])
        with pytest.raises(UsageError, match=said):
            given.call(given)


def test_overrides_choose_rows_and_may_ask_for_others(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    found = reproduce.of("mine", ["method=[set,static]", "sparsity=[0.9,0.8]", "output=results"], records)
    assert [(words(row.line.where), row.verdict.word) for row in found.rows] == [
        ("set 0.9", "reproduced"),
        ("static 0.9", "ordering reproduced"),
        ("set 0.8", "not run yet"),
        ("static 0.8", "not run yet"),
    ]
    assert len(found.orderings) == 1


def test_an_override_of_an_axis_keeps_each_grid_to_its_own_settings(tmp_path, monkeypatch):
    grids = """grid:
  - {method: [set, static], sparsity: [0.9, 0.95], seed: [0, 1]}
  - {method: rigl, method.distribution: uniform, sparsity: 0.9, seed: [0, 1]}
  - {method: dense, seed: [0, 1]}
"""
    before, _, after = TEXT.partition("grid:")
    paper(tmp_path, monkeypatch, before + grids + after.partition("\n")[2])

    def chosen(*overrides):
        found = grid.runs("mine", list(overrides), lambda told: None)
        return [(run.method.name, run.method.distribution, run.sparsity, run.seed) for run in found]

    assert chosen("method=[set,rigl]", "sparsity=0.90", "seed=1") == [
        ("set", "erk", 0.9, 1),
        ("rigl", "uniform", 0.9, 1),
    ]
    assert chosen("sparsity=0.95", "seed=0") == [
        ("set", "erk", 0.95, 0),
        ("static", "erk", 0.95, 0),
        ("dense", "erk", 0, 0),
    ]
    assert chosen("method.distribution=uniform", "seed=0") == [("rigl", "uniform", 0.9, 0)]
    assert {seed for *_, seed in chosen("seed=7", "method=static")} == {7}


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch, capsys):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    given = parse(["reproduce", "mine", "--no-train"])
    assert given.call(given) == 0
    printed = capsys.readouterr().out
    assert "2 of 5 published rows reproduced, 1 of 3 orderings." in printed
    assert "95.00 ± 0.20 (std, n 5)  95.00 ± 0.10  3" in printed
    written = {path.suffix: path.read_text() for path in (tmp_path / "results").glob("reproductions.*")}
    assert sorted(written) == [".csv", ".html", ".md"]
    rows = list(csv.DictReader(written[".csv"].splitlines()))
    assert (rows[0]["key"], rows[0]["verdict"], rows[0]["decided_by"]) == (
        "snfs-curve/set/0.9",
        "reproduced",
        "tolerance",
    )
    assert float(rows[0]["ours_std"]) == pytest.approx(0.1)
    assert rows[-1]["key"] == "order: nothing_yet 0.9 > set 0.9"
    assert written[".md"].count("| ordering reproduced") == 1
    assert "<script" not in written[".html"]
    assert "<a " not in written[".html"]
    (tmp_path / "results" / "leaderboard.html").write_text("")
    assert given.call(given) == 0
    assert '<a href="leaderboard.html">' in (tmp_path / "results" / "reproductions.html").read_text()


def test_a_whole_table_is_judged_once_and_a_part_of_it_beside_the_whole(tmp_path, monkeypatch, capsys):
    records = paper(tmp_path, monkeypatch)
    ran(records, RAN)
    judged = []
    of = reproduce.of
    monkeypatch.setattr(reproduce, "of", lambda name, *rest: judged.append((name, rest[0])) or of(name, *rest))
    written = []
    for arguments, expected in (([], [[]]), (["seed=0"], [["seed=0"], []])):
        judged.clear()
        given = parse(["reproduce", "mine", "--no-train", *arguments])
        assert given.call(given) == 0
        assert [overrides for name, overrides in judged if name == "mine"] == expected
        written.append((tmp_path / "results" / "reproductions.csv").read_text())
    assert written[0] == written[1]
    assert "2 of 5 published rows reproduced" in capsys.readouterr().out


def test_the_readme_has_a_line_for_each_paper_that_was_run(tmp_path, monkeypatch):
    records = paper(tmp_path, monkeypatch)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- reproductions:start -->old<!-- reproductions:end -->\nbottom\n")
    reproduce.write([reproduce.of("mine", [], records)], tmp_path, readme)
    assert "No paper has been run yet" in readme.read_text()
    ran(records, RAN)
    assert set(reproduce.recorded(records)) == {"mine", "layer_collapse"}
    reproduce.write([reproduce.of("mine", [], records)], tmp_path, readme)
    (row,) = [line for line in readme.read_text().splitlines() if line.startswith("| mine")]
    assert [cell.strip() for cell in row.strip("|").split("|")][2:] == [
        "5",
        "2",
        "1",
        "0",
        "0",
        "1",
        "1",
        "1 of 3",
        "–",
    ]
    assert "old" not in readme.read_text()


def test_a_paper_is_named_before_the_overrides():
    given = parse(["reproduce", "sparsity=0.9"])
    with pytest.raises(UsageError, match=r"write sparsebench reproduce PAPER sparsity=0\.9"):
        given.call(given)


def test_what_is_missing_is_trained_and_judged(tmp_path, monkeypatch, capsys):
    text = TEXT.replace("[dense, set, static, nothing_yet]", "[magnitude_init]").partition("  rows:")[0]
    text = text.replace("epochs:10", "steps:1").replace("[0.9, 0.95]", "[0.9]").replace("[0, 1, 2]", "0")
    text += "  measure: collapsed\n  rows: [{method: magnitude_init, sparsity: 0.9, published: 0}]\n"
    paper(tmp_path, monkeypatch, text)
    given = parse(["reproduce", "mine", "runner=local", "device=cpu"])
    assert given.call(given) == 0
    assert "1 of 1 published rows reproduced." in capsys.readouterr().out


def test_the_committed_tables_follow_from_the_committed_records():
    folder = ROOT / "results" / "papers" / "records"
    results = [reproduce.of(name, [], folder) for name in reproduce.recorded(folder)]
    run = [result for result in results if result.run]
    assert run
    assert (ROOT / "results" / "reproductions.csv").read_text(encoding="utf-8") == sheets.csv_text(run)
    assert (ROOT / "results" / "reproductions.md").read_text(encoding="utf-8") == sheets.markdown(run)
    assert sheets.summary(run) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_records_from_before_and_after_a_source_was_locked_are_one_row():
    dense, *_ = cells(grid.runs("mnist1d_lottery", ["method=dense"]))
    fill([dense], Records(ROOT / "results" / "papers" / "records"))
    assert sorted(dense.row.runs) == list(range(10))
