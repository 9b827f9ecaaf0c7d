"""Tasks with another metric than accuracy: their records, and that boards and reports read them the right way round."""

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
import vl_convert
from boards import of, only_table
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from records import make, resealed, scored
from rich.console import Console
from standings import declare

from harness.board import (
    aggregate,
    apart,
    baselines,
    breakdown,
    controls,
    csv_text,
    findings,
    markdown,
    notes,
    pareto,
    published,
    results_table,
    sequential,
    spending,
    standing,
    wording,
)
from harness.board import reliability as board_reliability
from harness.board.page import data as page_data
from harness.board.page import html, looks, marks, picture, plots
from harness.board.scale import Scale, scale_of
from harness.board.standing import words
from harness.cli import layout
from harness.cli.display import Display
from harness.errors import UsageError
from harness.events import read as read_event
from harness.exporters.callback import point, results
from harness.records import metrics, record_name, reliability, write
from harness.records.frames import load
from harness.records.metrics import ACCURACY, BITS_PER_BYTE, Metric
from harness.records.validate import validate
from harness.reports import comparison, run, sides, terminal
from harness.tuning.result import Trial, Tuning, read
from harness.tuning.space import draw, from_plain
from harness.vocabulary import CORRUPTIONS

ERROR = Metric("error", "mean squared error", higher=False, lowest=0.0)
RISK = Metric("risk", "share wrong", higher=False, lowest=0.0, highest=1.0)
OVERLAP = Metric("overlap", "overlap", higher=True, lowest=0.0, highest=1.0)
REWARD = Metric("reward", "reward", higher=True)


def runs(method, values, sparsity=0.9, metric=BITS_PER_BYTE, **kind):
    kind = {"runner": "docker"} | kind
    return [scored(make(method, sparsity, seed, **kind), value, metric) for seed, value in enumerate(values)]


def named(name, records, **config):
    """The same records as those of another method."""
    for record in records:
        record["method"] = name
        record["config"] |= config | {"method": {"name": name, "distribution": "erk", **config["method"]}}
        resealed(record)
    return records


BEST = runs("gmp", (2.01, 2.012, 2.008))
WORSE = runs("static", (2.41, 2.412, 2.407))
DENSE = runs("dense", (1.99, 1.993, 1.988), 0.0)


# Records


def test_a_record_of_another_task_is_one(tmp_path):
    (record,) = runs("rigl", (2.0,))
    record["metrics"]["test_more"] = {"perplexity": 4.0}
    assert validate(record) == []
    write(record, tmp_path / record_name(record))
    frame = load(tmp_path)
    assert frame[["metric", "higher", "score", "val_score", "test_more.perplexity"]].values.tolist() == [
        ["bits_per_byte", False, 2.0, 2.0, 4.0]
    ]
    assert load(tmp_path, "curves")["val_score"].iloc[-1] == 2.0
    assert load(tmp_path, "curves")["val_accuracy"].isna().all()


def test_frames_have_the_score_of_a_classification_too(tmp_path):
    record = make()
    write(record, tmp_path / record_name(record))
    (row,) = load(tmp_path).to_dict("records")
    assert (row["metric"], row["score"], row["val_score"]) == (
        "accuracy",
        record["metrics"]["test_accuracy"],
        record["metrics"]["val_accuracy"],
    )
    assert load(tmp_path, "curves")["val_score"].tolist() == load(tmp_path, "curves")["val_accuracy"].tolist()


LANGUAGE = {"task": "language", "metric": BITS_PER_BYTE.described()}


@pytest.mark.parametrize(
    ("dataset", "change", "said"),
    [
        ({}, lambda made: made["metrics"].pop("test_accuracy"), "metrics.test_accuracy: missing; a record of the task"),
        ({}, lambda made: made["metrics"].update(test_score=2.0), "metrics.test_score: a record of the task 'class"),
        ({}, lambda made: made["curve"][3].update(val_score=2.0), "curve.3.val_score: a record of the task 'class"),
        ({}, lambda made: made["config"]["dataset"].update(LANGUAGE | {"task": "classification"}), "names no metric"),
        (LANGUAGE, lambda made: None, "metrics.test_score: missing; a record of the task 'language' has it"),
        (LANGUAGE | {"metric": {}}, lambda made: None, "config.dataset.metric: missing; only the task classification"),
        (LANGUAGE | {"metric": {"name": "x"}}, lambda made: None, "config.dataset.metric: lacks label, higher"),
        (LANGUAGE | {"metric": {"more": 1}}, lambda made: None, "config.dataset.metric: Additional properties"),
    ],
)
def test_a_record_has_the_names_of_its_task_alone(dataset, change, said):
    record = make()
    record["config"]["dataset"] |= dataset
    change(record)
    assert any(said in line for line in validate(record))


@pytest.mark.parametrize(
    ("field", "value"),
    [("higher", 1), ("scale", 0), ("digits", 99), ("digits", 1.5), ("label", ""), ("lowest", 5.0), ("name", None)],
)
def test_a_metric_that_is_none_is_refused(field, value):
    (record,) = runs("rigl", (2.0,), metric=replace(BITS_PER_BYTE, highest=4.0))
    record["config"]["dataset"]["metric"][field] = value
    assert any("config.dataset.metric" in line for line in validate(record))


def test_a_task_of_ones_own_may_be_compared_by_accuracy_and_measure_more():
    record = make()
    record["config"]["dataset"] |= {"task": "speech", "metric": ACCURACY.described()}
    record["metrics"]["test_more"] = {"words": 0.5}
    assert validate(record) == []
    record["metrics"]["test_score"] = 0.9
    assert validate(record) == ["metrics.test_score: a record of the task 'speech' has no such value"]


def test_a_finished_record_of_another_task_has_a_score_and_no_reliability():
    (record,) = runs("rigl", (2.0,))
    record["metrics"]["test_score"] = None
    assert validate(record) == ["metrics.test_score: missing, but the run is done"]
    (record,) = runs("rigl", (2.0,))
    record["reliability"] = {"bins": 15, "ece": 0.1, "brier": 0.1}
    assert validate(record) == ["reliability: a record of the task 'language' has no such group"]


# The board


def test_the_least_is_the_best():
    table = only_table([*WORSE, *BEST, *DENSE])
    (level,) = (each for each in table.levels if each.sparsity == 0.9)
    assert [row.method for row in level.ranked] == ["gmp", "static"]
    assert [str(row.place) for row in level.ranked] == ["1", "2"]
    assert [row.method for row in level.better(level.ranked[1])] == ["gmp"]
    assert wording.estimated(level.ranked[0]) == "2.0100 ± 0.0050 (3 seeds)"
    assert table.rows[0].method == "dense"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(300, 900), min_size=3, max_size=3), min_size=2, max_size=9))
def test_a_metric_and_its_mirror_image_give_the_same_board(values):
    assume(len(set(map(sum, values))) == len(values))  # rounding decides between equal means
    methods = ("static", "set", "rigl", "gmp", "granet", "set_itop", "rigl_itop", "gmp_uniform", "granet_s0")
    made = []
    for metric in (OVERLAP, RISK):
        records = [
            record
            for method, row in zip(("dense", *methods), values, strict=False)
            for record in runs(
                method,
                [value / 1000 if metric.higher else 1 - value / 1000 for value in row],
                0.0 if method == "dense" else 0.9,
                metric,
            )
        ]
        table = only_table(records)
        told = {row.method: (str(row.place), row.unranked) for row in table.rows}
        gaps = sorted(
            (round(gap.below, 9), round(gap.half_width, 9)) for gap in breakdown.against_dense(table).values()
        )
        fronts = pareto.of_table(table)
        made.append((told, gaps, breakdown.of_table(table), {row.method for row in table.rows if id(row) in fronts}))
    assert made[0] == made[1]


def of_unit(unit):
    """What is shown of the same errors in another unit."""
    rows = {"dense": (1.0, 1.01, 0.99), "gmp": (1.002, 1.012, 0.992), "static": (1.3, 1.31, 1.29), "set": (1.6, 1.5, 2)}
    records = [
        record
        for method, values in rows.items()
        for record in runs(method, [unit * value for value in values], 0.0 if method == "dense" else 0.9, ERROR)
    ]
    table = only_table(records)
    (level,) = (each for each in table.levels if each.sparsity == 0.9)
    assert scale_of(table) == Scale(0.0, pytest.approx(unit))
    return {
        "ranks": {row.method: str(row.place) for row in table.rows},
        "p": [round(p, 6) for p in level.family.p.values()],
        "breakdown": breakdown.of_table(table),
        "cheapest": findings.cheapest(level).split(":")[0],
    }


def test_what_is_shown_does_not_depend_on_the_unit():
    told = of_unit(1.0)
    assert of_unit(1e-4) == told
    assert of_unit(1e3) == told
    assert {each.method: (each.holds, each.breaks) for each in told["breakdown"]} == {
        "gmp": (0.9, None),
        "static": (None, 0.9),
        "set": (None, None),
    }


def test_a_point_is_one_percent_of_dense_or_of_the_best():
    assert scale_of(only_table([*BEST, *WORSE, *DENSE])).whole == pytest.approx(1.9903, abs=1e-4)
    assert scale_of(only_table([*BEST, *WORSE])).whole == pytest.approx(2.01)
    assert scale_of(only_table(runs("set", (0.2, 0.3, 0.4), metric=RISK))) == Scale()
    assert scale_of(only_table([make("set", 0.9, 0)])) == Scale(0.001, 1.0)


def test_the_margin_of_a_plan_is_in_points_of_the_metric():
    rows = [[-100.0, -100.2, -100.1], [-100.1, -100.1, -100.15]]
    plan = spending.planned(0.02)
    assert sequential.follow(rows, plan).ended == ""
    assert sequential.follow(rows, plan, whole=100.0).ended.startswith("it can resolve ")


def test_findings_are_in_the_unit_of_the_metric():
    table = only_table([*BEST, *WORSE, *DENSE])
    (level,) = (each for each in table.levels if each.sparsity == 0.9)
    told = dict(findings.answer(table, level))
    assert told["Best mean"] == "gmp: 2.0100 ± 0.0050 (3 seeds)"
    assert told["Cheapest shown within 0.0100 bits per byte of each"].startswith("gmp: ")
    assert told["Against dense"].startswith("+0.0")
    assert "bits per byte (95 %, whichever of the 2 leads); +0.0197 if picked" in told["Against dense"]
    assert "points" not in findings.resolution(table)
    assert "bits per byte; 0.0060 bits per byte take" in findings.resolution(table)


def test_the_front_and_the_first_of_no_ranks_are_the_least():
    table = only_table([*BEST, *WORSE, *DENSE])
    fronts = pareto.of_table(table)
    assert {row.method for row in table.rows if id(row) in fronts} == {"dense", "gmp", "static"}
    assert set(pareto.often(table).values()) == {1.0}  # static is the cheapest
    one = only_table([*runs("gmp", (2.0,)), *runs("static", (1.5,))])
    assert dict(findings.answer(one, one.levels[0]))["Best mean of those"].startswith("static: 1.5000")


def test_a_local_row_and_a_control_are_told_the_right_way_round():
    local = runs("set", (2.9, 2.901, 2.899), runner="local")
    table = only_table([*BEST, *WORSE, *local])
    assert apart.told(table) == ["local at 0.9: set 2.9000, shown to be worse than gmp"]
    own, shuffled = (
        named("snip", runs("static", values), method={"shuffle": shuffle, "reinit": False})
        for values, shuffle in (((2.0, 2.001, 1.999), "none"), ((2.2, 2.201, 2.199), "layerwise"))
    )
    assert "within layers is shown to raise bits per byte (+0.2000 bits per byte, +0." in controls.told(
        only_table([*own, *shuffled])
    )


def test_a_dense_net_of_as_many_weights_is_compared_the_right_way_round():
    small = runs("static", (2.2, 2.201, 2.199))
    small = named(
        "small_dense",
        small,
        reference={"maskable": 6032, "forward_flops": 10**6, "training_flops": 3 * 10**6},
        method={"equal": "flops"},
    )
    ((name, said),) = baselines.of_level(table := only_table([*BEST, *WORSE, *small]), table.levels[0])
    assert name == "small_dense"
    assert said.startswith("gmp is shown to be better than small_dense")
    assert said.endswith("with as many FLOPs a sample), and static is worse")


def test_a_stranger_who_turns_a_metric_round_has_a_table_of_his_own():
    turned = runs("set", (9.0, 9.1, 9.2), metric=replace(BITS_PER_BYTE, higher=True))
    tables = of([*BEST, *WORSE, *turned]).tables
    assert len(tables) == 2
    assert {row.method for row in tables[0].rows} != {row.method for row in tables[1].rows}
    (own,) = (table for table in tables if any(row.method == "gmp" for row in table.rows))
    assert [row.method for row in own.rows] == ["gmp", "static"]
    assert all("dataset.metric.higher=" in table.recipe for table in tables)
    assert len(of([*BEST, make("set", 0.9, 0, runner="docker")]).tables) == 2  # a classification of the same name


def test_numbers_of_another_metric_never_stand_beside():
    number = published.Published(
        *("paper", "digits", "convnet", "their own", "gmp", "gmp"), 1.0, "erk", 0.9, 88.0, None, None, None, ""
    )
    bits = replace(number, metric="bits_per_byte", top1=2.1)
    language, pictures = only_table(BEST), only_table([make("gmp", 0.9, 0)])
    assert published.beside([number, bits], language) == [bits]
    assert published.beside([number, bits], pictures) == [number]


def test_the_csv_has_accuracy_for_classifications_alone_and_the_score_of_all():
    board = of([*BEST, *WORSE, make("set", 0.9, 0, accuracy=0.9)])
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_text(board)))}
    assert list(rows["gmp"])[-5:] == ["metric", "unit", "better", "score", "score_half_width"]
    told = [rows["gmp"][name] for name in ("metric", "unit", "better", "score", "top1_mean", "rank_first")]
    assert told == ["bits_per_byte", "bits per byte", "lower", "2.01", "", "1"]
    assert float(rows["static"]["below_best"]) == pytest.approx(0.3996667)
    told = [rows["set"][name] for name in ("metric", "unit", "better", "score", "top1_mean", "score_half_width")]
    assert told == ["accuracy", "share", "higher", "0.9", "0.9", ""]


def test_markdown_and_readme_name_the_metric_and_its_direction():
    board = of([*BEST, *WORSE, *DENSE, *runs("dense", (1.99, 1.993, 1.988), 0.0)])
    text = markdown(board)
    assert "| bits per byte ± 95 % interval (lower is better)" in text
    assert "with a margin of 1 % of its bits per byte" in text
    assert notes.OTHERS in text
    assert "top-1" not in text.split("## Standing")[0].split("## digits")[1]
    readme = results_table([*BEST, *WORSE])
    assert "bits per byte on the test set (lower is better), last epoch, 3 seeds" in readme
    assert readme.index("| gmp") < readme.index("| static")
    assert notes.OTHERS not in markdown(of([make()]))


def test_a_hostile_label_is_shown_as_text():
    label = "<b>|bits|</b>"
    (record,) = runs("gmp", (2.0,), metric=replace(BITS_PER_BYTE, label=label))
    board = of([record])
    assert label not in markdown(board)
    assert "&lt;b&gt;" in markdown(board)
    assert "<b>|" not in html.html(board, "records").split('id="data"')[1].split("</script>")[0]


def test_an_interval_as_wide_as_the_metric_says_nothing():
    wide = [0.1, 0.9]
    assert "too far apart" in wording.estimated(only_table(runs("set", wide, metric=RISK)).rows[0])
    assert "too far apart" not in wording.estimated(only_table(runs("set", wide)).rows[0])  # bits have no end


# The page


def test_the_page_takes_values_axes_and_directions_from_the_metric():
    board = of([*BEST, *WORSE, make("set", 0.9, 0)])
    made = page_data.data(board, "records")
    language, pictures = sorted(made["tables"], key=lambda table: table["metric"]["better"])
    assert language["metric"] | {"point": None} == {
        "name": "bits per byte",
        "heading": "Bits per byte",
        "axis": "test bits per byte (lower is better)",
        "validation": "validation bits per byte (lower is better)",
        "told": "bits per byte",
        "better": -1,
        "point": None,
    }
    assert language["metric"]["point"] == pytest.approx(0.0201)
    assert (pictures["metric"]["axis"], pictures["metric"]["point"]) == (marks.AXIS, 1.0)
    (gmp,) = (row for row in made["rows"] if row["method"] == "gmp")
    assert (gmp["acc"], gmp["told"]) == (2.01, "2.0100 ± 0.0050 (3 seeds)")
    assert made["curves"][gmp["files"][0][1]][1][-1] == 2.01
    assert made["metrics"] == 2


def test_a_picture_of_another_metric_is_in_its_words():
    drawn = picture.pareto(of([*BEST, *WORSE, *DENSE]))
    assert "test bits per byte (lower is better)" in drawn
    assert "Mean test bits per byte" in drawn
    assert "accuracy" not in drawn


@pytest.mark.parametrize(("better", "collapsed", "arrow"), [(1, 10.0, "↓"), (-1, 170.0, "↑")])
def test_a_collapsed_row_does_not_stretch_the_axis_and_is_marked(better, collapsed, arrow):
    values = [90.0 + 0.1 * place for place in range(5)]
    points = [
        {"kind": "ours", "method": f"m{place}", "acc": value, "low": value - 1, "high": value + 1, "flops": 0.1 + place}
        for place, value in enumerate([*values, collapsed])
    ]
    spec = plots.by_cost(looks.give((point["method"], "set") for point in points), "flops", "FLOPs", front=False)
    spec["params"] = [{"name": "better", "value": better}, {"name": "point", "value": 1}]
    spec |= {"data": {"values": points}, "width": 400}
    drawn = vl_convert.vegalite_to_svg(json.dumps(spec))
    (low, high) = map(float, re.search(r"'test top-1[^>]* values from ([\d.]+) to ([\d.]+)", drawn).groups())
    assert drawn.count(arrow) == 1
    assert 89 <= low < 90
    assert 90.4 < high <= 91.5
    near = vl_convert.vegalite_to_svg(json.dumps(spec | {"data": {"values": points[:-1]}}))
    assert arrow not in near


# The standing


def stand(declared, *groups):
    return standing.make(aggregate.tables({record_name(each): each for group in groups for each in group}), declared)


def of_task(dataset, metric, values, **kind):
    return [
        record
        for method, seeds in values.items()
        for record in runs(method, seeds, metric=metric, dataset=dataset, recipe="drawn", **kind)
    ]


def test_a_task_of_which_less_is_better_enters_the_standing_the_right_way_round(tmp_path):
    declared = declare(tmp_path, "ab")
    pictures = [
        make(method, 0.9, seed, accuracy=value, dataset="a", recipe="drawn", runner="docker")
        for method, value in (("gmp", 0.9), ("static", 0.8))
        for seed in range(3)
    ]
    made = stand(declared, pictures, of_task("b", BITS_PER_BYTE, {"gmp": (2.0, 2.0, 2.0), "static": (2.5, 2.5, 2.5)}))
    assert made.wins["gmp", "static"] == 1
    assert [line.method for line in made.placed] == ["gmp", "static"]
    assert words.OTHERS in words.about(made)


def test_a_run_that_failed_counts_as_a_uniform_guess_of_every_byte(tmp_path):
    records = of_task("a", BITS_PER_BYTE, {"gmp": (2.0, 2.1, 2.2), "static": (2.5, 2.5, 9.9)})
    for record in records:
        record["config"]["dataset"]["classes"] = 256
    (table,) = aggregate.tables({record_name(each): each for each in records})
    measured = standing.errors.measure(table)
    assert measured == (0.0, 8.0)
    assert [measured.error(value) for value in (-0.1, 2.0, 9.9)] == [0.1, 2.0, 8.0]
    worst = standing.errors.measure(only_table(of_task("a", ERROR, {"gmp": (0.2, 0.1, 0.3)})))
    assert worst == (0.0, 0.3)
    assert standing.errors.measure(only_table(of_task("a", OVERLAP, {"gmp": (0.2, 0.1, 0.3)}))) == (1.0, 1.0)


def test_a_metric_without_a_best_fills_no_cell_and_that_is_said(tmp_path):
    declared = declare(tmp_path, "ab")
    made = stand(
        declared, of_task("a", REWARD, {"gmp": (2.0, 2.0, 2.0)}), of_task("b", ERROR, {"gmp": (1.0, 1.0, 1.0)})
    )
    assert (made.found, made.lines[0].cells) == (1, 1)
    assert any(line.startswith("Tables of reward fill no cell") for line in words.about(made))


# Reports, commands and trackers


def test_of_two_rows_the_lower_is_better():
    first, second = (
        sides.Side(letter, "given", {record_name(r): r for r in rows})
        for letter, rows in zip("AB", (BEST, WORSE), strict=True)
    )
    said = terminal.show(comparison.page(first, second))
    assert "A − B: -0.3997 ± 0.0014 bits per byte on the test set (lower is better) (3 seeds" in said
    assert "A\nis shown to be better" in said
    assert "A\nis shown to be worse" in terminal.show(comparison.page(second, first))
    assert "accuracy" not in said


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (ERROR, "other metric (bits per byte against mean squared error)"),
        (replace(BITS_PER_BYTE, higher=True), "other metric (bits per byte, whose higher is false against true)"),
    ],
)
def test_rows_of_other_metrics_are_not_compared(metric, said):
    first, second = (
        sides.Side(letter, letter, {record_name(record): record for record in rows})
        for letter, rows in zip("AB", (BEST, runs("static", (1.0, 1.1, 1.2), metric=metric)), strict=True)
    )
    with pytest.raises(UsageError) as error:
        comparison.page(first, second)
    assert str(error.value) == f"A and B cannot be compared: {said}"
    images = [make("static", 0.9, seed, runner="docker") for seed in range(3)]
    with pytest.raises(UsageError, match=r"metric .bits per byte against top-1 %.; other data .task language and"):
        comparison.page(first, sides.Side("B", "B", {record_name(record): record for record in images}))


@pytest.mark.parametrize("mean", [[], [0.3]])
@pytest.mark.parametrize("corrupted", [{}, {name: [0.6, 0.4] for name in CORRUPTIONS}])
def test_the_table_of_reliability_has_no_columns_of_what_was_never_measured(mean, corrupted):
    records = [make("static", 0.9, seed, runner="docker") for seed in range(3)]
    for record in records:
        record["config"]["dataset"]["mean"] = mean
        resealed(record)["reliability"] = reliability.group(15, 0.05, 0.2, corrupted or None)
    table, keys = only_table(records), [{"key": record["key"]} for record in records]
    alone = board_reliability.shown(board_reliability.Measured(), table)
    (cells,) = alone.rows
    assert cells[:3] == ["static", "0.9", wording.score(table.rows[0])]
    assert len(cells) == len(alone.headers) == (13 if corrupted else 6)
    assert ("noise %" in alone.headers, "Corrupted" in alone.note) == (bool(corrupted), bool(corrupted))
    assert "–" not in cells
    assert "Seeds agree" not in alone.note
    together = {"runs": keys, "agreement": 0.9, "ensemble": {"accuracy": 0.95}}
    both = board_reliability.shown(board_reliability.Measured(rows={keys[0]["key"]: [together]}), table)
    assert set(both.headers) - set(alone.headers) == {"seeds agree %", "ensemble top-1 %"}
    assert f"agree on a test {'image' if mean else 'sample'} if" in both.note


def test_the_page_of_a_run_has_its_metric(tmp_path):
    (record,) = runs("rigl", (2.0,))
    record["metrics"]["test_more"] = {"perplexity": 4.0}
    record["rounds"] = [{"round": 0, "step": 10, "density": 0.1, "val_score": 2.1}]
    said = terminal.show(run.page(tmp_path / "x.json", record))
    for part in ("test bits per byte 2.0000 for", "test perplexity", "validation bits per byte, steps"):
        assert part in said
    assert "accuracy" not in said
    assert "images" not in said


def test_progress_and_rows_are_told_in_the_unit_of_the_metric(capsys):
    line = {"event": "progress", "evaluated": True, "val_score": 2.1} | dict.fromkeys(
        ("step", "progress", "epoch", "loss", "density", "samples", "seconds"), 0
    )
    event = read_event(json.dumps(line))
    assert event is not None
    with Display(Console(file=io.StringIO())) as display, display.run("a run", BITS_PER_BYTE, 10) as show:
        show(event)
    assert "loss 0.000  val 2.1000  density 0.00%" in capsys.readouterr().err
    assert read_event(json.dumps(line | {"val_score": math.inf})) is None
    assert (layout.heading(ACCURACY), layout.score(ACCURACY, 0.5)) == ("top-1", "50.00%")
    assert (layout.heading(BITS_PER_BYTE), layout.score(BITS_PER_BYTE, None)) == ("bits per byte", "-")


def test_trackers_get_the_score():
    (record,) = runs("rigl", (2.0,))
    assert point(record["curve"][-1])["values"]["val_score"] == 2.0
    assert results(record)["test_score"] == 2.0
    assert "val_score" not in results(record)  # the last point says it


def test_a_tuning_chooses_the_least_and_its_file_is_read_again(tmp_path):
    space = from_plain({"recipe.lr": {"choices": [0.1, 0.2, 0.3], "usual": 0.1}})
    task = {"dataset": {"name": "d", **LANGUAGE}, "model": {"name": "m"}, "recipe": {}, "budget": {}, "method": {}}
    drawn = draw(space, "d/m", 3)
    trials = tuple(
        Trial(each, "0" * 16, "done", score, 0.9, True, 1) for each, score in zip(drawn, (2.5, 2.1, 2.3), strict=True)
    )
    tuning = Tuning(task, 0.9, "own", space, trials)
    assert tuning.chosen == 1
    tuning.write(tmp_path / "trials_3.json")
    assert '"val_score": 2.1' in (tmp_path / "trials_3.json").read_text()
    assert read(tmp_path / "trials_3.json") == tuning


def test_names_in_records_follow_from_the_metric():
    assert [metrics.field(metric, "val") for metric in (ACCURACY, RISK)] == ["val_accuracy", "val_score"]
    assert (ACCURACY.told(0.8868), ACCURACY.signed(-0.001), ACCURACY.unit, ACCURACY.noun) == (
        *("88.68 %", "−0.10", "points"),
        "accuracy",
    )
    assert (BITS_PER_BYTE.told(2.1), BITS_PER_BYTE.unit, BITS_PER_BYTE.better) == (
        "2.1000 bits per byte",
        *("bits per byte", "lower"),
    )
