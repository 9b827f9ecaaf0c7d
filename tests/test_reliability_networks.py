"""Reliability from kept networks: the command, its files, and what the board shows of them."""

import copy
import json
import re
import shutil
import sys

import pytest
import torch
from records import make

import sparsebench as sb
from harness import board, plugins
from harness.audit import referee
from harness.audit.claims import claim_problems
from harness.board import reliability as shown
from harness.cli import main
from harness.errors import UsageError
from harness.executors.execute import execute
from harness.networks import keep
from harness.plan.planned import plan
from harness.records import RecordError, load, record_name, reliability, write
from harness.reliability.reload import Reloading
from harness.training import network
from harness.vocabulary import CORRUPTIONS

SHORT = ["dataset=digits", "method=static", "budget=steps:40", "device=cpu", "runner=local", "evaluations=1"]
PLUGIN = """
from torch import nn

def reliable_theirs(classes, shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 12), nn.ReLU(), nn.Linear(12, classes))
"""


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads and the algorithms as they were; the command settles the process as a run does."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


def trained(output, *overrides):
    ended = execute(plan([sb.resolve([*SHORT, f"output={output}", *overrides])])[0], lambda message: None)
    assert ended.status == "done", ended.record["reason"]
    return ended.path


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    output = tmp_path_factory.mktemp("two")
    trained(output, "seed=0")
    trained(output, "seed=1", "corruptions=true")
    return output


@pytest.fixture
def output(two_seeds, tmp_path):
    return shutil.copytree(two_seeds, tmp_path / "results")


def records(output):
    found = {load(path)["seed"]: path for path in (output / "records").glob("*.json")}
    return [found[seed] for seed in sorted(found)]


def call(*arguments):
    given = main.parse(["reliability", *map(str, arguments)])
    return given.call(given)


def test_the_command_measures_what_records_lack_and_the_seeds_together(output, capsys):
    one, other = map(load, records(output))
    assert call(f"output={output}") == 0
    printed = capsys.readouterr()
    assert "2 seeds agree on" in printed.out
    assert "wrote 2 files to" in printed.err
    assert len(reliability.paths(output)) == 2
    of_one = reliability.load(reliability.run_path(output, one["key"]))
    assert of_one["network"] == one["network"]["sha256"]
    assert of_one["accuracy"] == one["metrics"]["test_accuracy"]
    under = of_one["reliability"].pop("corruptions")
    assert of_one["reliability"] == one["reliability"]
    assert [*under] == [*CORRUPTIONS, "mean"]
    assert not reliability.run_path(output, other["key"]).exists()  # its record holds it all
    row = reliability.load(reliability.row_path(output, [other["key"], one["key"]]))
    assert [each["seed"] for each in row["runs"]] == [0, 1]
    assert 0 < row["agreement"] <= 1
    assert row["ensemble"].keys() == {"accuracy", "bins", "ece", "brier"}


def test_accuracy_under_corruptions_is_the_same_from_the_kept_network(output):
    path = records(output)[1]
    record = load(path)
    inside = record.pop("reliability")
    write(record, path)  # as a record of an older version
    assert call(path, f"output={output}") == 0
    assert reliability.load(reliability.run_path(output, record["key"]))["reliability"] == inside


def test_what_is_known_is_not_measured_under_corruptions_again(output, capsys):
    path = records(output)[0]
    assert call(path, "--no-corruptions", f"output={output}") == 0
    assert "wrote" not in capsys.readouterr().err  # the record has the calibration
    assert call(path, f"output={output}") == 0
    file = reliability.run_path(output, load(path)["key"])
    content = json.loads(file.read_text())
    told = content["reliability"]["corruptions"]
    told["mean"] += (told["noise"][1] - told["noise"][0]) / 12
    told["noise"] = [told["noise"][1], told["noise"][1]]
    reliability.write(content, file)
    assert call(path, f"output={output}") == 0
    assert reliability.load(file) == content  # whose provenance is that of what it holds
    assert call(path, "--force", "--no-corruptions", f"output={output}") == 0
    assert reliability.load(file) == content
    assert call(path, "--force", f"output={output}") == 0
    assert reliability.load(file)["reliability"]["corruptions"]["noise"] != told["noise"]


def changed(path, **parts):
    record = load(path)
    for part, values in parts.items():
        record[part] = values if not isinstance(values, dict) else {**record[part], **values}
    write(record, path)
    return record


def test_a_network_with_another_accuracy_is_refused_by_name(output, capsys):
    path = records(output)[0]
    accuracy = load(path)["metrics"]["test_accuracy"]
    changed(path, metrics={"test_accuracy": accuracy - 1 / 360})
    assert call(path, f"output={output}") == 1
    said = capsys.readouterr().err
    right = round(360 * accuracy)
    assert f"classifies {right} of 360 test samples correctly, the record says {right - 1}: nothing" in said
    assert path.name in said
    assert not (output / "reliability").exists()


def test_a_record_with_another_calibration_is_refused_by_name(output, capsys):
    path = records(output)[0]
    changed(path, reliability={"ece": 0.5})
    assert call(path, f"output={output}") == 1
    assert "reliability.ece is 0.5, measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("crime", "reason"),
    [
        (lambda output, path, file: file.unlink(), "its network is not here"),
        (lambda output, path, file: file.write_bytes(file.read_bytes() + b"x"), "is not the file that the record"),
        (lambda output, path, file: changed(path, config={"device": "cuda"}), "there is no CUDA device here"),
        (lambda output, path, file: changed(path, config={"recipe": {"no": 1}}), "its config is not that of a run"),
        (lambda output, path, file: changed(path, config={"workers": "x"}), "its config is not that of a run"),
        (lambda output, path, file: changed(path, config={"device": "tpu"}), "has device 'tpu', not cpu or cuda"),
        (lambda output, path, file: changed(path, status="failed"), "only runs that are done leave a network"),
    ],
)
def test_what_cannot_be_measured_is_named_and_the_other_seed_is_measured(output, capsys, crime, reason):
    if reason.startswith("there is no CUDA") and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    path = records(output)[0]
    crime(output, path, keep.path_of(output, load(path)["key"]))
    assert call("--no-corruptions", f"output={output}") == 1
    printed = capsys.readouterr()
    assert reason in printed.err
    assert path.name in printed.err
    assert "digits/convnet" in printed.out
    assert "agree" not in printed.out


def test_other_data_are_named(output, capsys):
    path = records(output)[0]
    changed(path, provenance={"data_sha256": "0" * 64})
    assert call(path, f"output={output}") == 1
    assert "the data of digits here are not those that it was trained on" in capsys.readouterr().err


def test_a_run_without_a_kept_network_is_named(tmp_path, capsys):
    path = trained(tmp_path, "keep=none")
    assert call(path, f"output={tmp_path}") == 1
    assert "its network was not kept (keep=none" in capsys.readouterr().err


def test_what_names_no_record_is_a_line(tmp_path):
    with pytest.raises(UsageError, match="holds no records of results"):
        call(f"output={tmp_path}")
    with pytest.raises(UsageError, match="no records"):
        call("nothing", f"output={tmp_path}")


def test_a_model_from_a_plug_in_is_named_by_an_option(tmp_path, capsys, forgotten):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    path = trained(tmp_path, f"model={plugin}:reliable_theirs")
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    assert call(path, "--no-corruptions", f"output={tmp_path}") == 1
    assert "comes from a plug-in" in capsys.readouterr().err
    assert call(path, "--no-corruptions", "--model", f"{plugin}:reliable_theirs", f"output={tmp_path}") == 0


def test_the_referee_finds_the_reliability_of_an_honest_run_and_every_lie(two_seeds, tmp_path):
    record = load(records(two_seeds)[1])
    kept = sb.load_network(keep.path_of(two_seeds, record["key"]))
    network.write(network.Network(kept.model.state_dict(), kept.masks), tmp_path / network.FINAL)
    found = referee.judge(record["config"], tmp_path / network.FINAL)
    assert found["reliability"] == record["reliability"]

    def problems(change):
        lie = copy.deepcopy(record)
        change(lie)
        return claim_problems(lie, found, 360, record["cost"]["seconds"]["total"])

    assert problems(lambda record: None) == []
    assert "reliability is missing, or was measured on no sample" in problems(lambda record: record.pop("reliability"))
    (line,) = problems(lambda record: record["reliability"].update(ece=0.9))
    assert line.startswith("reliability.ece is 0.9, measured")
    (line,) = problems(lambda record: record["reliability"]["corruptions"]["blur"].__setitem__(0, 0.0))
    assert line.startswith("reliability.corruptions.blur[0] is 0.0, measured")


def test_a_run_that_asks_for_corruptions_that_its_record_lacks_is_told_how_to_have_them(output, capsys):
    given = main.parse(["run", *SHORT, "seed=0", "corruptions=true", f"output={output}"])
    assert given.call(given) == 0
    said = capsys.readouterr().err
    assert "done already" in said
    assert f"has no accuracy under corruptions: sparsebench reliability output={output}" in " ".join(said.split())
    file = reliability.run_path(output, load(records(output)[0])["key"])
    file.parent.mkdir()
    file.write_text("{}")  # a file is no measurement
    given.call(given)
    assert "no accuracy under corruptions" in " ".join(capsys.readouterr().err.split())
    assert call(f"output={output}") == 0
    given.call(given)
    assert "no accuracy under corruptions" not in capsys.readouterr().err.split("done already")[1]


def cells(output):
    made = board.board.read(output / "records")
    (table,) = made.tables
    return [dict(zip(shown.HEADERS, row, strict=True)) for row in shown.of_table(made.reliability, table)], made


def test_the_board_shows_what_was_measured_off_its_main_table(output):
    board.make(output / "records", output)
    (before,), _ = cells(output)
    assert before["corrupted top-1 %"].endswith("(1 of 2 seeds)")
    assert before["seeds agree %"] == "–"
    assert before["measured"] == "in the run"
    call(f"output={output}")
    summary = board.make(output / "records", output)  # what lies beside the records makes it anew
    (after,), made = cells(output)
    assert summary.problems == ()
    assert "seeds)" not in after["corrupted top-1 %"]
    assert float(after["seeds agree %"]) > 0
    assert after["measured"] == "in the run and afterwards"
    text = (output / "leaderboard.md").read_text()
    assert shown.NOTE in text
    assert "| calibration error % |" in " ".join(text.split())
    shown_there = r'"reliability":\{"note":"[^"]*","headers":\[[^]]*\],"rows":\[\["static","0\.9"'
    assert re.search(shown_there, (output / "leaderboard.html").read_text())
    header, *_ = (output / "leaderboard.csv").read_text().splitlines()
    assert "ece" not in header  # rows have hashes, which may have it
    assert made.tables[0].rows[0].score is not None


LIE = {**{name: [0.1, 0.1] for name in CORRUPTIONS}, "mean": 1.0}
MADE = dict.fromkeys(("torch", "cpu", "gpu", "hostname_hash", "git_commit", "git_dirty", "finished"))


def kept_run(seed):
    return make("static", 0.9, seed, runner="docker") | {"network": {"bytes": 9, "sha256": f"{seed:064x}"}}


@pytest.mark.parametrize("seeds", [(0, 1, 2, 3), (0, 3)])
def test_seeds_beyond_those_that_are_ranked_agree_too(tmp_path, seeds):
    every = [kept_run(seed) for seed in range(4)]
    others = [make("rigl", 0.9, seed, runner="docker") for seed in range(3)]
    for each in [*every, *others]:
        write(each, tmp_path / "records" / record_name(each))
    runs = [{"seed": seed, "key": every[seed]["key"], "network": f"{seed:064x}"} for seed in seeds]
    scored = {"accuracy": 0.9, **reliability.group(15, 0.1, 0.5)}
    content = {"schema": 1, "of": "row", "runs": runs, "agreement": 0.75, "ensemble": scored, "provenance": MADE}
    reliability.write(content, reliability.row_path(tmp_path, [each["key"] for each in runs]))
    rows, made = cells(tmp_path)
    assert made.problems == []
    assert len(next(row for row in made.tables[0].rows if row.name == "static").counted) == 3
    of = "" if len(seeds) == 4 else " (2 of 4 seeds)"
    (row,) = rows
    assert (row["seeds agree %"], row["ensemble top-1 %"]) == (f"75.00{of}", f"90.00{of}")
    assert row["calibration error %"] == "–"
    with pytest.raises(RecordError, match="a run comes twice"):
        reliability.write({**content, "runs": [runs[0], runs[0]]}, tmp_path / "row-twice.json")
    content["runs"][0]["network"] = "f" * 64
    reliability.write(content, reliability.row_path(tmp_path, [each["key"] for each in runs]))
    assert "measured from another network" in cells(tmp_path)[1].problems[0].reason
    content["runs"][0]["key"] = "0" * 16
    reliability.write(content, reliability.row_path(tmp_path, [each["key"] for each in runs]))
    assert "no record here has the key 0000000000000000" in {each.reason for each in cells(tmp_path)[1].problems}


@pytest.mark.parametrize(("bins", "shown_as"), [(15, ("10.00", "10.00")), (10, None)])
def test_the_board_counts_what_a_record_says_of_itself(tmp_path, bins, shown_as):
    record = make("static", 0.9) | {"reliability": {**reliability.group(bins, 0.1, 0.5), "corruptions": LIE}}
    write(record, tmp_path / "records" / record_name(record))
    rows, _ = cells(tmp_path)
    assert [(row["calibration error %"], row["corrupted top-1 %"]) for row in rows] == [shown_as] * bool(shown_as)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda of: "no JSON", "not valid JSON"),
        (lambda of: [], "of: a file of reliability is of a run or of a row"),
        (lambda of: {**of, "schema": 9}, "schema"),
        (lambda of: {**of, "accuracy": float("nan")}, "NaN is not JSON"),
        (lambda of: {**of, "key": "0" * 16}, "is named otherwise than its content, which is 0000000000000000.json"),
        (lambda of: {**of, "network": "0" * 64}, "measured from another network"),
        (lambda of: {**of, "accuracy": 0.5}, "its accuracy is not that of the record"),
        (lambda of: {**of, "reliability": {**of["reliability"], "ece": 7}}, "reliability.ece"),
        (lambda of: {**of, "reliability": {**of["reliability"], "bins": 1000}}, "reliability.bins: 15 was expected"),
        (lambda of: {**of, "reliability": {**of["reliability"], "corruptions": LIE}}, "not the mean of the accuracies"),
        (lambda of: {**of, "more": "x" * 2_000_000}, "larger than 1 MiB"),
    ],
)
def test_a_broken_file_is_named_and_the_board_stands(tmp_path, change, reason):
    record = make() | {"network": {"bytes": 9, "sha256": "a" * 64}}
    write(record, tmp_path / "records" / record_name(record))
    content = {"schema": 1, "of": "run", "key": record["key"], "network": "a" * 64}
    content |= {"accuracy": record["metrics"]["test_accuracy"], "reliability": reliability.group(15, 0.1, 0.5)}
    content |= {"provenance": MADE}
    path = reliability.run_path(tmp_path, record["key"])
    reliability.write(content, path)
    assert cells(tmp_path)[1].problems == []
    wrong = change(content)
    path.write_text(wrong if isinstance(wrong, str) else json.dumps(wrong))
    rows, found = cells(tmp_path)
    (problem,) = found.problems
    assert reliability.of_run(tmp_path, record) is None
    assert problem.file == f"reliability/{path.name}"
    assert reason in problem.reason
    assert rows == []
    assert len(found.tables) == 1


def test_a_page_of_a_run_shows_its_reliability(two_seeds, capsys):
    given = main.parse(["show", str(records(two_seeds)[1])])
    assert given.call(given) == 0
    printed = capsys.readouterr().out
    assert "calibration error" in printed
    assert "under jpeg" in printed


def test_signals_are_calibrated_and_not_corrupted_and_another_task_is_neither(tmp_path, capsys):
    path = trained(tmp_path, "dataset=mnist1d")
    given = main.parse(["reliability", str(path)])
    assert given.call(given) == 1
    reason = "images that are classified are corrupted, and mnist1d has none; --no-corruptions measures the rest"
    assert reason in capsys.readouterr().err
    given = main.parse(["reliability", str(path), "--no-corruptions"])
    assert given.call(given) == 0
    other = load(path)
    other["config"]["dataset"]["task"] = "Prices"
    with pytest.raises(UsageError, match="its task is Prices: reliability is measured of a classification alone"):
        Reloading()(tmp_path, other)
    other = load(path)
    other["config"]["recipe"]["loss"] = "squared_error"
    with pytest.raises(
        UsageError, match=r"recipe\.loss=squared_error gives no probabilities: reliability is measured with"
    ):
        Reloading()(tmp_path, other)
