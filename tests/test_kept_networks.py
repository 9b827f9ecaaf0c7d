"""Networks that runs leave: kept with their record, checked against it, loaded and removed."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from runs import small

import sparsebench as sb
from harness.audit import kept as audit
from harness.budget.parts import select
from harness.cli import main
from harness.errors import UsageError
from harness.executors.execute import anew, execute
from harness.networks import keep, packing
from harness.networks.tensors import Stored, content, parse
from harness.plan.planned import plan
from harness.records import load

ROOT = Path(__file__).parent.parent
PLUGIN = """
from torch import nn

def theirs(classes, shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], 12), nn.ReLU(), nn.Linear(12, classes))
"""
LOADED = """
import json, sys
import sparsebench as sb
from harness.records import load
from harness.config import from_dict
from harness.tasks.inputs import load_data
from harness.tasks.score import evaluate

record = load(sys.argv[1])
network = sb.load_network(sys.argv[2], *sys.argv[3:])
assert not network.model.training
score = evaluate(network.model, load_data(from_dict(record["config"])).test)
counts = {name: int(mask.sum()) for name, mask in network.masks.items()}
print(json.dumps([score.accuracy, score.loss, counts, network.about["task"]]))
"""


def trained(output, *overrides):
    """Train a short run on digits; return its record, the file of it, the network's file and what was said."""
    short = ["dataset=digits", "budget=steps:60", "device=cpu", "runner=local", "evaluations=1", f"output={output}"]
    return executed(plan([sb.resolve([*short, *overrides])])[0])


def executed(planned):
    said = []
    ended = execute(planned, lambda message: said.append(message.get("text", "")))
    return ended.record, ended.path, keep.path_of(planned.run.output, planned.key), said


def in_a_fresh_process(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LOADED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("finished"), "method=rigl")


def test_a_finished_run_s_network_gives_its_accuracy_in_a_fresh_process(finished):
    record, path, file, _ = finished
    assert record["status"] == "done"
    assert record["network"] == keep.seal(file.read_bytes())._asdict()
    assert load(path) == record
    done = in_a_fresh_process(path, file)
    assert done.returncode == 0, done.stderr
    accuracy, loss, counts, task = json.loads(done.stdout)
    assert accuracy == record["metrics"]["test_accuracy"]
    assert loss == record["metrics"]["test_loss"]
    layers = [layer["name"] for layer in record["config"]["layers"]]
    assert counts == dict(zip(layers, record["topology"][-1]["active"], strict=True))
    assert list(counts) == layers
    assert task == "digits/convnet"


def test_a_loaded_network_is_trained_on_within_its_masks(finished):
    loaded = sb.load_network(finished[2])
    assert loaded.about["paper"].startswith("Evci et al. 2020")
    optimizer = torch.optim.SGD(loaded.model.parameters(), lr=0.1, momentum=0.9)
    loaded.model.train()
    for _ in range(2):
        optimizer.zero_grad()
        loaded.model(torch.randn(8, 1, 8, 8)).logsumexp(1).sum().backward()
        optimizer.step()
        loaded.apply_masks()
    for name, weight in select(loaded.model, list(loaded.masks)):
        assert not weight.detach()[~loaded.masks[name]].any()


def test_check_recounts_from_the_network_and_says_nothing_without_it(finished, tmp_path):
    record, path, file, _ = finished
    output = path.parent.parent
    assert audit.refusals(output, record) == []
    assert audit.refusals(tmp_path, record) == []  # no network here
    kept = keep.path_of(tmp_path, record["key"])
    kept.parent.mkdir()

    def reasons(content, **changes):
        told = copy.deepcopy(record)
        told["metrics"].update(changes)
        kept.write_bytes(content)
        told["network"] = keep.seal(content)._asdict()
        return audit.refusals(tmp_path, told)

    content = file.read_bytes()
    assert reasons(content) == []
    nonzero = record["metrics"]["nonzero"]
    assert reasons(content, nonzero=nonzero - 1) == [f"network: nonzero is {nonzero - 1}, the network has {nonzero}"]
    active = record["metrics"]["active"]
    assert reasons(content, active=active - 1) == [f"network: active is {active - 1}, the network has {active}"]
    assert "not a safetensors file" in reasons(b"nothing")[0]
    (line,) = audit.refusals(tmp_path, record)
    assert "its size or its hash differs" in line
    told = copy.deepcopy(record)
    told["topology"][-1]["active"][0] -= 1
    assert "active weights, the topology ends with" in audit.refusals(output, told)[0]
    told["key"] = "0" * 16
    keep.path_of(tmp_path, "0" * 16).write_bytes(content)
    assert audit.refusals(tmp_path, told) == [f"network: it is of the run {record['key']!r}"]


def test_the_check_command_looks_at_the_network(finished, capsys, monkeypatch):
    _, path, file, _ = finished
    content = file.read_bytes()
    given = main.parse(["check", str(path)])
    given.call(given)
    assert "network:" not in capsys.readouterr().out
    try:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        given.call(given)
        assert f"network: {file.name} is not the file that the record names" in capsys.readouterr().out
        monkeypatch.chdir(path.parent)
        given = main.parse(["check", path.name])
        given.call(given)
        assert "network:" in capsys.readouterr().out
    finally:
        file.write_bytes(content)


def test_what_is_kept_is_chosen_and_changes_no_key(tmp_path):
    with pytest.raises(UsageError, match=r"unknown keep 'masks': allowed are network, none"):
        sb.resolve(["keep=masks"])
    record, _, file, _ = executed(plan([small_run(tmp_path)])[0])
    assert file.is_file()
    again = small_run(tmp_path, keep="none")
    (planned,) = plan([again])
    assert planned.key == record["key"]
    assert planned.done
    record, _, file, _ = executed(anew(planned))
    assert "network" not in record
    assert not file.exists()  # of a record that is not there any more


def small_run(output, **more):
    run = small("static")
    run.output = str(output)
    for name, value in more.items():
        setattr(run, name, value)
    return run


def test_trials_of_tuning_keep_nothing(tmp_path):
    record, _, file, said = executed(plan([small_run(tmp_path, test=False)])[0])
    assert record["status"] == "done"
    assert "network" not in record
    assert not file.exists()
    assert not [line for line in said if "not kept" in line]


def test_a_network_that_cannot_be_written_is_a_line_and_the_record_is_done(tmp_path):
    (tmp_path / "networks").write_text("in the way")
    record, path, _, said = executed(plan([small_run(tmp_path)])[0])
    assert record["status"] == "done"
    assert "network" not in load(path)
    (line,) = [line for line in said if "not kept" in line]
    assert line == f"the network of {record['key']} is not kept: File exists"


def test_a_plug_in_s_network_needs_its_plug_in(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    record, path, file, _ = trained(tmp_path, "method=static", f"model={plugin}:theirs", "budget=steps:20")
    alone = in_a_fresh_process(path, file)
    assert (
        "model 'theirs' comes from a plug-in: name it, --model path/file.py:theirs or load_network("
        in alone.stderr.splitlines()[-1]
    )
    done = in_a_fresh_process(path, file, f"{plugin}:theirs")
    assert json.loads(done.stdout)[0] == record["metrics"]["test_accuracy"], done.stderr
    plugin.write_text(PLUGIN.replace("nn.ReLU()", "nn.Tanh()"))
    with pytest.raises(UsageError, match="code of model 'theirs' has changed since the network was trained"):
        sb.load_network(file, f"{plugin}:theirs")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "not a safetensors file"),
        (content({}, {"format": "pt"}), "not a network that SparseBench has kept"),
        (content({}, {"format": packing.FORMAT, "version": "9"}), "version '9' of the format is not known"),
        (content({}, {"format": packing.FORMAT, "version": "1"}), "metadata are not those of a kept network"),
    ],
)
def test_what_is_no_kept_network_is_refused_in_one_line(content, said, tmp_path):
    path = tmp_path / "file.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        sb.load_network(path)
    assert "\n" not in str(caught.value)


def emptied(file, about=(), **described):
    """Return the content of a kept file with every mask emptied, and other metadata."""
    tensors, metadata = parse(file.read_bytes())
    told = {name: json.loads(metadata[name]) for name in ("about", "masks", "parts", "tied")}
    for name, mask in told["masks"].items():
        mask.update({"code": "gaps", "of": "active", "number": 0, "low": 0} | described)
        tensors[name] = Stored("F32", (0,), b"")
        tensors[f"mask/{name}"] = Stored("U8", (0,), b"")
    told["about"].update(about)
    return content(tensors, metadata | {name: json.dumps(value) for name, value in told.items()})


@pytest.mark.parametrize(
    ("about", "described", "said"),
    [
        ({}, {"shape": [2**40]}, "no possible shape"),
        ({}, {"shape": [2**31, 1]}, "its masks are of more than 4,294,967,296 weights"),
        ({}, {"shape": [2**28, 1]}, r"has shape \[.*\], its mask \[268435456, 1\]"),
        ({"classes": 10**11}, {}, "^[^:]*: has .* weights, and model 'convnet' of its metadata"),
    ],
)
def test_a_small_file_of_a_huge_network_takes_no_memory(finished, tmp_path, about, described, said):
    path = tmp_path / "file.safetensors"
    path.write_bytes(emptied(finished[2], about, **described))
    with pytest.raises(UsageError, match=said) as caught:
        sb.load_network(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("broken", ["absent", "unreadable"])
def test_what_is_on_no_board_is_not_guessed_from_records_that_cannot_be_read(finished, tmp_path, broken):
    (tmp_path / "networks").mkdir()
    network = tmp_path / "networks" / finished[2].name
    network.write_bytes(b"weights")
    if broken == "unreadable":
        (tmp_path / "records").mkdir()
        (tmp_path / "records" / finished[1].name).write_text("{")
    given = main.parse(["prune-networks", f"output={tmp_path}", "--not-on-board", "--yes"])
    with pytest.raises(UsageError, match="is not a folder" if broken == "absent" else "may be on the board"):
        given.call(given)
    assert network.exists()


def test_networks_are_pruned_on_request_alone(finished, capsys, tmp_path):
    _, path, file, _ = finished
    place = tmp_path / "output"
    (place / "networks").mkdir(parents=True)
    (place / "records").mkdir()
    (place / "records" / path.name).write_bytes(path.read_bytes())
    for name in (file.name, "f" * 16 + ".safetensors", "mine.safetensors"):
        (place / "networks" / name).write_bytes(file.read_bytes())
    os.utime(place / "networks" / file.name, (1, 1))

    def prune(*arguments):
        given = main.parse(["prune-networks", f"output={place}", *arguments])
        assert given.call(given) == 0
        return capsys.readouterr().out.splitlines()

    def left():
        return sorted(path.name for path in (place / "networks").iterdir())

    assert prune()[-1] == "2 networks, 0.10 MB; --yes removes them, their records stay"
    assert prune("--older-than", "1")[-1].startswith("1 network, 0.05 MB")
    assert len(left()) == 3
    assert prune("--not-on-board", "--yes")[-1] == "removed 1 network, 0.05 MB; their records stay"
    assert left() == sorted([file.name, "mine.safetensors"])
    prune("--yes")
    assert left() == ["mine.safetensors"]
    assert (place / "records" / path.name).is_file()


def test_check_and_prune_need_no_torch(finished):
    code = (
        "import sys; from harness.cli import main; given = main.parse(sys.argv[1:]); given.call(given);"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments in (["check", str(finished[1])], ["prune-networks", f"output={finished[1].parent.parent}"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
