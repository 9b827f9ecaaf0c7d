"""What is shown of the committed records: the figures of the docs, and what failing or adding rows does."""

import copy
import os
import random
import shlex
import subprocess
from functools import partial
from itertools import combinations

import pytest
from boards import of
from site_pages import blocks
from test_results import NAMES, committed

from harness.board import breakdown, findings, levels, standing, wording
from harness.board.pairs import compare
from harness.board.resolution import seeds_for, smallest_difference
from harness.board.statistics import difference
from harness.cli.main import parse as parse_command
from harness.places import ROOT, TREE
from harness.plan import grid
from harness.records import cell_name, record_name, whole_budget
from harness.records.store import parse

pytestmark = pytest.mark.skipif(not NAMES, reason="no git checkout with committed records")

_EXAMPLE = 1e-4  # of the 10,000 test images


@pytest.fixture(scope="module")
def records():
    return [parse(committed(f"results/records/{name}")) for name in NAMES]


@pytest.fixture(scope="module")
def every(records):
    return of(records).tables


@pytest.fixture(scope="module")
def tables(every):
    """Those of a CPU, made in containers; of CIFAR-10 there is one epoch alone."""
    return [table for table in every if table.device == "cpu" and table.dataset != "cifar10"]


@pytest.fixture(scope="module")
def one_epoch(every):
    (table,) = [table for table in every if table.device == "cpu" and table.dataset == "cifar10"]
    return table


@pytest.fixture(scope="module")
def audited(records):
    """The two tables of the convolutional network as they were audited: of results version 1."""
    return of([each for each in records if each["model"] == "convnet" and each["code"]["results"] == "1"]).tables


@pytest.fixture(scope="module")
def on_gpu(every):
    """The local tables of the GPU, by network."""
    return {table.model: table for table in every if table.device == "cuda"}


def level(table, sparsity):
    return next(level for level in table.levels if level.sparsity == sparsity)


def ranks(level):
    return {row.method: (row.place.first, row.place.last) for row in level.ranked}


def test_the_ranks_are_those_of_the_audit(audited):
    """Computed by other code, from the same records, before this one was written."""
    assert ranks(level(audited[0], 0.95)) == {
        "gmp": (1, 6),
        "lr_rewind": (1, 7),
        "granet_s0": (1, 9),
        "granet": (1, 11),
        "set_itop": (2, 11),
        "rigl_itop": (1, 11),
        "set": (1, 11),
        "rigl": (3, 11),
        "static": (3, 11),
        "lth_rewind": (4, 11),
        "gmp_uniform": (4, 11),
    }
    usual = dict.fromkeys(ranks(level(audited[0], 0.95)), (1, 11))
    assert ranks(level(audited[0], 0.9)) == usual | {"gmp": (1, 10), "lth_rewind": (2, 11)}
    assert ranks(level(audited[0], 0.98)) == usual
    assert [ranks(each) for each in audited[1].levels] == [{"lr_rewind": (1, 1), "lth_rewind": (2, 2)}] * 3


def test_the_resolutions_are_those_of_the_audit(audited):
    expected = {0.9: (1.28, 19, 9), 0.95: (1.57, 28, 12), 0.98: (6.95, 152, 59)}
    for sparsity, (points, *seeds) in expected.items():
        family = level(audited[0], sparsity).family
        assert 100 * smallest_difference(family) == pytest.approx(points, abs=0.011)
        assert [seeds_for(family, target) for target in (0.003, 0.005)] == seeds
    rewinding = [100 * smallest_difference(each.family) for each in audited[1].levels]
    assert rewinding == pytest.approx([0.18, 0.37, 0.15], abs=0.005)


def test_every_committed_row_is_ranked(tables, on_gpu):
    said = {model: findings.unranked(table) for model, table in on_gpu.items()}
    unfinished = "snfs, static, srigl, small_dense, snip: of the seeds 0 to 2, 2 is not done"
    assert said == {
        "resnet20": "",
        "vit_tiny": f"Not ranked: {unfinished}.",
        "gpt_tiny": "Not ranked: str: reaches 0 %.",
    }
    assert all(table.local for table in on_gpu.values())
    assert not any(table.local for table in tables)
    mlp, signals = "Not ranked: str: reaches 90.28 %.", "Not ranked: sr_ste: reaches 48.99 %; str: reaches 89.47 %."
    vit, text = "Not ranked: sr_ste: reaches 49.22 %; str: reaches 90.4 %.", "Not ranked: str: reaches 90.71 %."
    others = [vit, "Not ranked: str: reaches 91.67 %.", signals, text]
    assert [findings.unranked(table) for table in tables] == ["", "", mlp, *others]


def test_failing_never_pays_for_any_row(audited):
    """F2: with seed 0 diverged, granet_s0 and static went from place 7 to place 1 at 98 %."""
    for table in audited[:2]:
        for each in table.levels:
            here = [record for row in each.ranked for record in row.runs.values()]
            for row in each.ranked:
                for lost in (seeds for size in (1, 2, 3) for seeds in combinations(row.runs, size)):
                    failed = [_diverged(run) if run in _seeds(row, lost) else run for run in here]
                    (now,) = (one for one in of(failed).tables[0].rows if one.method == row.method)
                    assert now.place is None, (row.method, lost)
                    assert "**" not in wording.ranked_score(now)


def _seeds(row, seeds):
    return [row.runs[seed] for seed in seeds]


def _diverged(record):
    failed = copy.copy(record) | {"status": "diverged", "reason": "the loss became NaN"}
    return failed | {"metrics": dict.fromkeys(record["metrics"]), "cost": record["cost"]}


@pytest.mark.parametrize("spread", [0.001, 0.003, 0.1])
def test_adding_rows_far_below_un_separates_no_more_than_holm_leaves(audited, spread):
    """F6: three noisy bad rows made all methods tie at 95 and 98 %."""
    draw = random.Random(3)
    bad = [[0.4 + draw.gauss(0, spread) for _ in range(3)] for _ in range(3)]
    for each in audited[0].levels:
        values = [list(row.scores.values()) for row in each.ranked]
        before, after = compare(values, _EXAMPLE), compare([*values, *bad], _EXAMPLE)
        for pair, p in before.p.items():
            assert p <= after.p[pair]
            kept = after.p[pair] <= 0.05
            # Each of the pairs that are new may come before this one in Holm's order, or wait behind it.
            assert kept or p * len(after.gaps) / (len(before.gaps) - _shown(before)) > 0.05
        if spread < 0.01:  # one that is as steady as the others is shown to be worse first, and costs nothing
            assert _shown(compare([*values, bad[0]], _EXAMPLE), len(values)) == _shown(before)


def _shown(family, rows=None):
    return sum(p <= 0.05 for pair, p in family.p.items() if rows is None or max(pair) < rows)


def test_the_commands_of_the_page_make_the_runs_of_the_tables(records):
    (block,) = [each for each in blocks((ROOT / "docs" / "results.md").read_text()) if each.language == "sh"]
    # Not as a make within the make that may run these tests, whose settings it would take.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))}
    found = set()
    for command in block.commands:
        words = [*shlex.split(command), "-n"]
        printed = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
        (called,) = [line for line in printed.splitlines() if line.startswith(".venv/bin/sparsebench suite ")]
        given = parse_command(shlex.split(called)[1:])
        for run in grid.runs(given.suite, given.overrides, lambda _: None):
            cell = cell_name(run.dataset.name, run.model.name, run.method.name, run.sparsity, run.seed)
            found.add((cell, run.budget.kind, run.budget.amount, run.budget.rounds))
    for record in records:
        budget = whole_budget(record["budget"])
        cell = record_name(record).rpartition("-")[0]
        assert (cell, budget["kind"], budget["amount"], budget["rounds"]) in found


def test_what_results_say_of_three_epochs_and_three_seeds(tables):
    """The paragraph of docs/results.md; a changed record must change it."""
    first, second, *_ = tables
    dense = levels.reference(first)
    assert sum(len(each.worse(row)) for each in first.levels for row in each.ranked) == 12
    # "gmp is shown to be better than five methods at 95 %, and than lth_rewind at 90 %; at 98 % nothing is shown"
    better = {row.method for row in level(first, 0.95).worse(level(first, 0.95).ranked[0])}
    assert better == {"set_itop", "rigl", "static", "lth_rewind", "gmp_uniform"}
    # "four of the five that prune from dense or nearly so, by global magnitude, have the best means at 95 %"
    assert [row.method for row in level(first, 0.95).ranked[:4]] == ["gmp", "lr_rewind", "granet_s0", "granet"]
    # "RigL is not shown to differ from SET or static masks at any sparsity"
    for each in first.levels:
        number = {row.method: each.number(row) for row in each.ranked}
        for other in ("set", "static"):
            assert each.family.adjusted_p(number["rigl"], number[other]) > 0.05
            raw = difference(_row(each, "rigl").scores, _row(each, other).scores)
            assert raw.n == 3
    # "GraNet's mean lies between RigL's and GMP's at every sparsity; neither side is shown"
    for each in first.levels:
        means = {row.method: row.score.mean for row in each.ranked}
        assert means["rigl"] < means["granet"] < means["gmp"]
        number = {row.method: each.number(row) for row in each.ranked}
        assert each.family.adjusted_p(number["rigl"], number["granet"]) > 0.05
        assert each.family.adjusted_p(number["granet"], number["gmp"]) > 0.05
        assert 0.7 < _times(each, "granet") / _times(each, "gmp") < 0.84
    # "LR rewinding is shown to be better than weight rewinding where each round has the whole budget"
    assert all(each.better(_row(each, "lth_rewind")) for each in second.levels)
    # "where they share one budget, at 95 %"
    shown = [each.sparsity for each in first.levels if _row(each, "lr_rewind") in each.better(_row(each, "lth_rewind"))]
    assert shown == [0.95]
    # "its mean is above dense's in each, by an interval that leaves zero out"
    for each in second.levels:
        gap = difference(_row(each, "lr_rewind").scores, levels.reference(second).scores, statements=2)
        assert gap.mean - gap.half_width > 0
    # "dense is 89.9"
    assert dense.score.mean == pytest.approx(0.899, abs=0.0005)


def test_what_results_say_of_dense_and_of_wins(tables):
    first, second, *_ = tables
    shown = {each.method: (each.holds, each.breaks) for each in breakdown.of_table(first)}
    # "no method is shown to be within 1 point of dense"
    assert {holds for holds, _ in shown.values()} == {None}
    assert {name for name, (_, breaks) in shown.items() if breaks == 0.9} == {"static", "gmp_uniform", "lth_rewind"}
    later = {"gmp", "granet", "lr_rewind", "rigl", "set", "set_itop"}
    assert {name for name, (_, breaks) in shown.items() if breaks == 0.95} == later
    # "with a budget for each round both are within it at all three sparsities"
    held = {each.method: each.holds for each in breakdown.of_table(second)}
    assert held == dict.fromkeys(("lr_rewind", "lth_rewind"), second.sparsities[-1])


def test_what_readme_says_over_six_tasks(every, tables):
    made = standing.make(every, standing.read(TREE / "standing.yaml"))
    assert (made.declared.tasks, made.found, len(made.placed), made.local) == (6, 26, 11, set())
    ranked = {line.method: (line.figures.interval.first, line.figures.interval.last) for line in made.placed}
    at_90 = [each for table in tables for each in table.levels if each.sparsity == 0.9]
    *shown_at_90, text = [smallest_difference(each.family) for each in at_90]
    assert [round(100 * each, 1) for each in shown_at_90] == [1.3, 0.8, 5.3, 0.3, 16.1]
    assert text == pytest.approx(0.16, abs=0.005)
    assert (ranked["granet"], ranked["gmp"]) == ((1, 6), (1, 7))
    assert (ranked["rigl"], ranked["static"], ranked["lth_rewind"]) == ((4, 10), (3, 11), (6, 11))
    others = set(ranked) - {"granet", "gmp", "rigl", "static", "lth_rewind", "rigl_itop"}
    assert (ranked["rigl_itop"], {ranked[name] for name in others}) == ((3, 10), {(1, 10)})
    shown = made.shown
    never = [name for name in ranked if not any(shown[other, name] for other in ranked if other != name)]
    assert sorted(never) == ["granet", "granet_s0"]
    vit = next(table for table in tables if table.model == "vit_tiny")
    for name, at in (("gmp", 0.9), ("lr_rewind", 0.95)):
        beaten = {other for other in ranked if other != name and shown[other, name]}
        assert {"set", "set_itop", "static"} <= beaten
        assert all(shown[other, name] == 1 and _better_at(vit, other, name) == [at] for other in beaten)
        assert shown[name, "static"] == 10
    assert (shown["gmp", "rigl"], shown["granet", "rigl"]) == (8, 7)
    assert [_better_at(table, name, "rigl") for table in (vit, tables[-1]) for name in ("gmp", "granet")] == [[]] * 4
    assert (shown["lth_rewind", "static"], shown["static", "lth_rewind"]) == (8, 8)
    assert (shown["gmp", "gmp_uniform"], shown["rigl", "set"], shown["set", "rigl"]) == (3, 1, 2)
    assert shown["gmp", "granet"] == shown["granet", "gmp"] == 0
    assert shown["granet_s0", "granet"] == shown["granet", "granet_s0"] == 0
    # "none of the other placed methods is shown to differ from another" on the language model
    language = tables[-1]
    others = [name for name in ranked if name != "lth_rewind"]
    assert {(one, two) for one in others for two in others if one != two and _better_at(language, one, two)} == set()
    assert [len(_better_at(table, "static", "lth_rewind")) for table in (language, vit)] == [5, 2]


def test_what_results_say_of_the_whole_field(tables):
    table = tables[2]
    by_sparsity = {each.sparsity: each for each in table.levels}
    resolved = {each.sparsity: _shows(each) for each in table.levels}
    assert resolved == {0.5: 0.5, 0.8: 0.6, 0.9: 0.8, 0.95: 0.9, 0.98: 1.0}

    shown = partial(_better_at, table)

    def mean(method, sparsity):
        return 100 * _row(by_sparsity[sparsity], method).score.mean

    def leads(sparsity):
        return [row.method for row in by_sparsity[sparsity].ranked if row.place.may_lead]

    # "At 50 % static masks are not shown to be worse than any method: 22 of 28 rows may lead"
    assert (len(leads(0.5)), len(by_sparsity[0.5].ranked)) == (22, 28)
    assert "static" in leads(0.5)
    # "GMP and GraNet are shown to be better than RigL from 80 % on"
    assert shown("gmp", "rigl") == shown("granet", "rigl") == [0.8, 0.9, 0.95, 0.98]
    assert [round(mean("gmp", at) - mean("rigl", at), 1) for at in (0.9, 0.98)] == [1.2, 3.1]
    # "GraNet is nowhere shown to differ from GMP, at 89 % of its training FLOPs at 50 % and 61 % at 98 %"
    assert shown("gmp", "granet") == shown("granet", "gmp") == []
    shares = [_times(by_sparsity[at], "granet") / _times(by_sparsity[at], "gmp") for at in (0.5, 0.98)]
    assert [round(share, 2) for share in shares] == [0.89, 0.61]
    # "Top-KAST is the cheapest that may lead at 90 and 95 %"
    for sparsity, times in ((0.9, 0.13), (0.95, 0.083)):
        cost, cheapest = min((_times(by_sparsity[sparsity], name), name) for name in leads(sparsity))
        assert (cheapest, float(f"{cost:.2g}")) == ("top_kast", times)
    # RigL, SET and static masks
    assert shown("rigl", "static") == []
    assert shown("set", "rigl") == [0.95, 0.98]
    assert shown("set", "static") == [0.98]
    # pruning before training
    assert shown("snip", "static") == shown("static", "snip") == []
    assert shown("synflow", "static") == [0.95, 0.98]
    assert shown("static", "grasp") == [0.98]
    assert {run["metrics"]["test_accuracy"] for run in _row(by_sparsity[0.98], "magnitude_init").runs.values()} == {0.1}
    # dense networks that cost as little
    assert shown("static", "short_dense") == [0.5, 0.8, 0.9, 0.95, 0.98]
    assert shown("static", "small_dense") == shown("small_dense", "static") == []
    better = {at: {row.method for row in each.better(_row(each, "small_dense"))} for at, each in by_sparsity.items()}
    assert {at: len(names) for at, names in better.items()} == {0.5: 1, 0.8: 7, 0.9: 7, 0.95: 11, 0.98: 0}
    assert better[0.9] == {"gmp", "gmp_uniform", "lr_rewind", "top_kast", "granet", "granet_s0", "one_shot"}
    seeds = [100 * one for one in _row(by_sparsity[0.98], "small_dense").scores.values()]
    assert (round(min(seeds)), round(max(seeds))) == (10, 71)
    # controls
    assert shown("gmp", "random_pruning") == [0.8, 0.9, 0.95]
    gaps = [round(mean("gmp", at) - mean("random_pruning", at), 2) for at in (0.8, 0.9, 0.95)]
    assert gaps == [0.75, 1.67, 3.12]
    assert shown("cyclic", "static") == shown("static", "cyclic") == []
    # "Shown to be within 1 point of dense up to 90 %"
    held = {each.method: each.holds for each in breakdown.of_table(table)}
    within = {"gmp", "gmp_uniform", "lr_rewind", "top_kast"}
    assert {name for name, holds in held.items() if holds and holds >= 0.9} == within
    assert max(holds for holds in held.values() if holds) == 0.9
    # "AC/DC at 98 % ends at 10 % for one seed and between 63 and 84 % for four"
    lowest, *others = sorted(100 * one for one in _row(by_sparsity[0.98], "acdc").scores.values())
    assert (round(lowest), round(min(others)), round(max(others))) == (10, 63, 84)


def test_what_results_say_of_mnist(tables):
    table = next(table for table in tables if table.task["dataset"]["name"] == "mnist")
    by_sparsity = {each.sparsity: each for each in table.levels}
    assert {at: _shows(each) for at, each in by_sparsity.items()} == {0.9: 0.3, 0.95: 0.6, 0.98: 1.0}
    assert [len(_row(by_sparsity[at], "rigl").runs) for at in (0.9, 0.95, 0.98)] == [8, 5, 5]

    shown = partial(_better_at, table)
    # "At 90 % seven of 28 rows may lead"
    leading = {at: {row.method: row for row in each.ranked if row.place.may_lead} for at, each in by_sparsity.items()}
    best = {"one_shot", "lr_rewind", "gmp", "granet_s0", "gmp_uniform", "acdc", "granet"}
    assert (set(leading[0.9]), len(by_sparsity[0.9].ranked)) == (best, 28)
    for at, cheapest, cost in ((0.9, "granet", 0.16), (0.95, "top_kast", 0.083)):
        times, name = min((_times(by_sparsity[at], name), name) for name in leading[at])
        assert (name, float(f"{times:.2g}")) == (cheapest, cost)
    everywhere = [0.9, 0.95, 0.98]
    for name in ("rigl", "set", "snip", "synflow", "grasp", "lth"):
        assert shown(name, "static") == everywhere
    assert shown("rigl", "set") == shown("set", "rigl") == []
    assert shown("rigl_itop", "rigl") == [0.95]
    assert shown("gmp", "rigl") == shown("granet", "rigl") == everywhere
    assert shown("gmp", "granet") == shown("granet", "gmp") == []
    assert (shown("gmp", "one_shot"), shown("one_shot", "gmp")) == ([0.98], [])
    assert (shown("lth_rewind", "lth"), shown("lr_rewind", "lth_rewind")) == ([0.9, 0.95], [0.9])
    # "Against a narrower dense network"
    better = {at: {row.method for row in each.better(_row(each, "small_dense"))} for at, each in by_sparsity.items()}
    assert {at: (len(names), "static" in names) for at, names in better.items()} == {
        0.9: (21, False),
        0.95: (23, True),
        0.98: (0, False),
    }
    # controls
    assert shown("gmp", "random_pruning") == [0.9, 0.95]
    means = [{row.method: 100 * row.score.mean for row in by_sparsity[at].ranked} for at in (0.9, 0.95)]
    assert [round(each["gmp"] - each["random_pruning"], 1) for each in means] == [1.3, 3.5]
    # "Shown to be within 1 point of dense up to 95 %"
    held = {each.method: each.holds for each in breakdown.of_table(table)}
    within = {"gmp", "gmp_uniform", "granet", "granet_s0", "lr_rewind", "lth_rewind", "one_shot", "acdc", "top_kast"}
    assert {name for name, holds in held.items() if holds and holds >= 0.95} == within
    assert max(holds for holds in held.values() if holds) == 0.95


def _shows(level):
    return round(100 * smallest_difference(level.family), 1)


def _better_at(table, better, worse):
    """Return the sparsities at which one method is shown to be better than another."""
    found = [(each, {row.method: row for row in each.ranked}) for each in table.levels]
    return [
        each.sparsity
        for each, rows in found
        if {better, worse} <= set(rows) and rows[better] in each.better(rows[worse])
    ]


def test_what_results_say_of_signals(tables):
    table = next(table for table in tables if table.task["dataset"]["name"] == "mnist1d")
    by_sparsity = {each.sparsity: each for each in table.levels}
    resolved = {each.sparsity: round(100 * smallest_difference(each.family)) for each in table.levels}
    assert [resolved[at] for at in (0.3, 0.5, 0.8, 0.9)] == [8, 8, 8, 16]
    assert resolved[0.95] > 100
    assert "At 0.95 (3 seeds, 351 pairs): more than 100.00 points" in findings.resolution(table)
    # "26 of 28 rows may lead at 30 % and 25 at 50 %"
    leading = {at: [row for row in each.ranked if row.place.may_lead] for at, each in by_sparsity.items()}
    assert [(len(leading[at]), len(by_sparsity[at].ranked)) for at in (0.3, 0.5)] == [(26, 28), (25, 28)]
    # "At 90 % nine rows are each shown to be better than the same thirteen"
    level = by_sparsity[0.9]
    worse = {row.method: {one.method for one in level.ranked if row in level.better(one)} for row in level.ranked}
    best = ["gmp", "gmp_uniform", "granet", "granet_s0", "lr_rewind", "acdc", "one_shot", "snfs", "small_dense"]
    assert {name for name, names in worse.items() if len(names) == 13} == set(best)
    assert all(worse[name] == worse["gmp"] for name in best)
    assert {"set", "set_itop", "mest", "srigl", "static", "snip", "grasp", "lth"} <= worse["gmp"]
    # RigL, and pruning before training
    assert (_better_at(table, "rigl", "set"), _better_at(table, "rigl", "static")) == ([0.9], [0.9, 0.95])
    assert (_better_at(table, "synflow", "static"), _better_at(table, "snip", "static")) == ([0.8, 0.9, 0.95], [0.95])
    assert _better_at(table, "synflow", "snip") == [0.9]
    # "No method is shown to be better than a narrower dense network up to 90 %, at 95 % AC/DC and GMP"
    better = {at: {row.method for row in each.better(_row(each, "small_dense"))} for at, each in by_sparsity.items()}
    assert better == {0.3: set(), 0.5: set(), 0.8: set(), 0.9: set(), 0.95: {"acdc", "gmp"}}
    assert {each.holds for each in breakdown.of_table(table)} == {None}


def test_what_results_say_of_cifar(on_gpu, one_epoch):
    table = on_gpu["resnet20"]
    (only,) = table.levels
    worse = {row.method: {one.method for one in only.worse(row)} for row in only.ranked}
    assert _shows(only) == 7.4
    assert {name: names for name, names in worse.items() if names} == {
        "gmp": {"rigl", "static", "small_dense"},
        "granet": {"static", "small_dense"},
        "set": {"small_dense"},
    }
    assert len(only.ranked) == 7
    assert {each.breaks for each in breakdown.of_table(table)} == {0.9}
    assert levels.reference(table).score.mean == pytest.approx(0.864, abs=5e-4)
    # "In containers two cores trained one epoch"
    (first,) = one_epoch.levels
    assert (_shows(first), len(first.ranked), one_epoch.local) == (40.1, 7, False)
    assert not any(first.worse(row) for row in first.ranked)
    assert {round(100 * row.score.mean) for row in first.ranked} == {45, 48, 49, 50, 51}
    assert round(100 * levels.reference(one_epoch).score.mean, 1) == 54.6


def test_what_results_say_of_the_vision_transformer(every, tables):
    table = next(table for table in tables if table.model == "vit_tiny")
    by_sparsity = {each.sparsity: each for each in table.levels}
    assert [_shows(each) for each in table.levels] == [3.9, 4.2, 7.9, 5.3, 9.1]
    assert round(100 * levels.reference(table).score.mean, 1) == 81.0
    leading = {at: {row.method for row in each.ranked if row.place.may_lead} for at, each in by_sparsity.items()}
    always = {"static", "set", "set_itop", "mest", "rigl", "snip", "small_dense"}
    assert all(always <= names for names in leading.values())

    shown = partial(_better_at, table)
    for name in ("static", "set", "set_itop", "mest"):
        assert shown(name, "gmp") == [0.9]
        assert not any(_better_at(other, name, "gmp") for other in every if other is not table)
    for other in ("set", "static"):
        assert shown("rigl", other) == shown(other, "rigl") == []
    thresholds = _row(by_sparsity[0.9], "str")
    assert {round(run["metrics"]["sparsity"], 2) for run in thresholds.runs.values()} == {0.9, 0.91}
    assert (round(100 * thresholds.score.mean, 1), "str" in leading[0.9], shown("str", "gmp")) == (79.0, True, [0.9])

    def in_classifier(method, *at):
        return _in_classifier(method, *(by_sparsity[one] for one in at))

    def ends(method, *at):
        found = [100 * one for each in at for one in _row(by_sparsity[each], method).scores.values()]
        return round(min(found)), round(max(found))

    sparser = (0.5, 0.8, 0.9, 0.95)
    assert (in_classifier("magnitude_init", 0.3)[-1], in_classifier("magnitude_init", *sparser)[-1]) == (11, 0)
    assert ends("magnitude_init", *sparser) == (10, 10)
    assert (in_classifier("one_shot", 0.8)[::2], in_classifier("one_shot", 0.9, 0.95)[-1]) == ([3, 6], 1)
    assert ends("one_shot", 0.9, 0.95) == (10, 19)
    assert [in_classifier("gmp", at)[::2] for at in (0.9, 0.95)] == [[41, 48], [31, 34]]
    assert (in_classifier("lr_rewind", 0.95), ends("lr_rewind", 0.95)) == ([3, 3, 4], (34, 40))
    assert (shown("static", "lth"), shown("static", "lth_rewind")) == ([0.3, 0.5, 0.8, 0.9], [0.3, 0.8])
    assert shown("static", "snip") == shown("snip", "static") == []
    assert shown("static", "synflow") == shown("static", "srigl") == [0.9]
    assert not any(each.better(_row(each, "small_dense")) for each in table.levels)
    assert shown("static", "short_dense") == [0.5, 0.8, 0.95]
    assert {each.holds for each in breakdown.of_table(table)} == {None}
    assert shown("gmp", "random_pruning") == shown("random_pruning", "gmp") == []


def test_what_results_say_of_the_vision_transformer_on_a_gpu(on_gpu):
    (only,) = on_gpu["vit_tiny"].levels
    assert _shows(only) == 3.2
    leading = {row.method for row in only.ranked if row.place.may_lead}
    assert (len(leading), len(only.ranked)) == (14, 20)
    assert {"granet_s0", "gmp", "granet", "set", "mest", "rigl"} <= leading

    assert (_in_classifier("magnitude_init", only), _in_classifier("one_shot", only)) == ([0, 0, 0], [0, 0, 1])
    assert (_in_classifier("lr_rewind", only), _in_classifier("gmp", only)) == ([11, 14, 19], [64, 66, 66])
    lost = [100 * one for name in ("magnitude_init", "one_shot") for one in _row(only, name).scores.values()]
    assert (min(lost), round(max(lost))) == (10, 15)
    assert sorted(round(100 * one) for one in _row(only, "lr_rewind").scores.values()) == [68, 74, 76]
    two = {row.method: round(100 * row.score.mean, 1) for row in on_gpu["vit_tiny"].rows if len(row.runs) == 2}
    assert (two["static"], two["small_dense"]) == (84.6, 84.4)
    assert (len(only.better(_row(only, "lth"))), len(only.better(_row(only, "short_dense")))) == (9, 10)


def test_what_results_say_of_the_language_model(on_gpu):
    table = on_gpu["gpt_tiny"]
    (only,) = table.levels
    means = {row.method: row.score.mean for row in only.ranked}
    gradual = ["gmp_uniform", "gmp", "lr_rewind", "granet_s0"]
    assert list(means)[:4] == gradual
    others = set(means) - set(gradual)
    assert len(others) == 21
    assert all({one.method for one in only.worse(_row(only, name))} == others for name in gradual)
    assert [round(means[name], 2) for name in (*gradual[::3], "granet")] == [2.18, 2.24, 2.31]
    assert levels.reference(table).score.mean == pytest.approx(2.05, abs=0.005)
    for other in ("set", "static", "rigl_itop"):
        assert _better_at(table, "rigl", other) == _better_at(table, other, "rigl") == []
    for name in ("snip", "synflow", "magnitude_init"):
        assert means[name] - means["static"] > 0.6
        assert _better_at(table, "static", name) == _better_at(table, "short_dense", name) == [0.9]
    assert _better_at(table, "static", "random_init") == _better_at(table, "random_init", "static") == []
    assert _better_at(table, "static", "small_dense") == [0.9]
    assert _better_at(table, "gmp", "random_pruning") == [0.9]
    assert round(means["random_pruning"] - means["gmp"], 2) == 0.15


def test_what_results_say_of_the_small_language_model(tables):
    table = tables[-1]
    by_sparsity = {each.sparsity: each for each in table.levels}
    resolved = [round(smallest_difference(each.family), 2) for each in table.levels]
    assert (min(resolved), max(resolved)) == (0.16, 0.25)
    assert round(levels.reference(table).score.mean, 2) == 2.43
    leading = {at: [row.method for row in each.ranked if row.place.may_lead] for at, each in by_sparsity.items()}
    assert {at: (len(names), len(by_sparsity[at].ranked)) for at, names in leading.items()} == {
        0.3: (20, 27),
        0.5: (21, 28),
        0.8: (21, 27),
        0.9: (17, 27),
        0.95: (14, 26),
    }
    assert all("static" in names for names in leading.values())

    def mean(method, at):
        return round(_row(by_sparsity[at], method).score.mean, 2)

    shown = partial(_better_at, table)
    assert [mean(name, at) for name in ("gmp", "static") for at in (0.9, 0.95)] == [2.6, 2.64, 2.61, 2.72]
    reached = {round(run["metrics"]["sparsity"], 2) for run in _row(by_sparsity[0.9], "str").runs.values()}
    assert (reached, mean("str", 0.9), round(_times(by_sparsity[0.9], "str"), 2)) == ({0.91}, 2.6, 0.5)
    assert [at for at, names in leading.items() if "str" in names] == [0.8, 0.9]
    for other in ("set", "static", "rigl_itop"):
        assert shown("rigl", other) == shown(other, "rigl") == []
    ends = {at: (each.ranked[0].method, each.ranked[-1].method) for at, each in by_sparsity.items()}
    assert (ends[0.95][0], mean("top_kast", 0.95), shown("top_kast", "rigl")) == ("top_kast", 2.63, [0.95])
    everywhere = [0.3, 0.5, 0.8, 0.9, 0.95]
    for name in ("snip", "synflow"):
        assert shown("static", name) == everywhere[1:]
    assert {ends[0.3][0], ends[0.5][0], ends[0.9][1], ends[0.95][1]} == {"magnitude_init"}
    assert shown("static", "magnitude_init") == [0.9, 0.95]
    assert shown("static", "lth") == shown("static", "lth_rewind") == everywhere
    assert shown("static", "lr_rewind") == []
    assert shown("static", "small_dense") == shown("static", "short_dense") == everywhere[1:]
    against_dense = {each.method: (each.holds, each.breaks) for each in breakdown.of_table(table)}
    assert {holds for holds, _ in against_dense.values()} == {None}
    assert against_dense["static"] == (None, 0.9)
    assert shown("gmp", "random_pruning") == [0.95]


def _row(level, method):
    return next(row for row in level.ranked if row.method == method)


def _in_classifier(method, *levels):
    """Return how many weights of the classifier, the last layer, each run of a method ends with."""
    runs = [run for each in levels for run in _row(each, method).runs.values()]
    return sorted(run["topology"][-1]["active"][-1] for run in runs)


def _times(level, method):
    return _row(level, method).mean("cost", "train_flops_ratio")
