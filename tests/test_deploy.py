"""`sparsebench deploy` measures the network of a real run, and refuses in one line what it cannot measure."""

from pathlib import Path

import pytest
import torch
import zstandard
from runs import small

from harness.cli import main
from harness.cli.deploy import _output_of
from harness.deploy import choice
from harness.deploy.conditions import Conditions
from harness.deploy.layers import find, inputs
from harness.deploy.network import _noise, deploy
from harness.errors import UsageError
from harness.executors.execute import execute
from harness.networks import keep
from harness.networks.packing import unpack
from harness.networks.tensors import content
from harness.plan import grid
from harness.plan.planned import plan
from harness.records import deployments, load, write
from harness.records.deployment_schema import BATCHES
from harness.tasks.models import build

CPU = torch.device("cpu")


def trained(output, method="static", **more):
    """Train a tiny MLP on digits for a few steps; return its record's file and its network's file."""
    run = small(method)
    run.output = str(output)
    for name, value in more.items():
        setattr(run, name, value)
    (planned,) = plan([run])
    ended = execute(planned, lambda _: None)
    assert ended.record["status"] == "done", ended.record["reason"]
    return ended.path, keep.path_of(run.output, planned.key)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def made(finished):
    return deploy(finished[1], None, Conditions(threads=1, repeats=7), lambda *_: None)


def called(*arguments):
    given = main.parse([*map(str, arguments)])
    return given.call(given)


def command(capsys, *arguments):
    status = called("deploy", *arguments)
    return status, capsys.readouterr().out


def test_a_network_of_a_real_run_is_measured(finished, made):
    path, network = finished
    record = load(path)
    assert deployments.validate(made) == []
    assert made["key"] == record["key"]
    assert made["flops_ratio"] == record["cost"]["inference_flops_ratio"]
    assert [each["batch"] for each in made["latency"]] == list(BATCHES)
    for each in made["latency"]:
        assert each["error"] <= made["tolerance"] == 1e-4
        assert each["sparse_layers"] == sum(
            at["chosen"] != "dense"
            for layer in made["layers"]
            for at in layer["batches"]
            if at["batch"] == each["batch"]
        )
    assert [layer["name"] for layer in made["layers"]] == [layer["name"] for layer in record["config"]["layers"]]
    density = record["metrics"]["layer_density"]
    assert {layer["name"]: layer["density"] for layer in made["layers"]} == pytest.approx(density, rel=1e-6)
    assert made["conditions"]["threads"] == 1
    assert made["conditions"]["torch"] == torch.__version__
    kept = network.read_bytes()
    size = made["network"]
    assert (size["bytes"], size["sha256"]) == (record["network"]["bytes"], record["network"]["sha256"])
    assert size["zstd_bytes"] == len(zstandard.ZstdCompressor(level=size["zstd_level"]).compress(kept))
    assert size["dense_bytes"] == len(content(unpack(kept).state())) > size["bytes"]


def test_a_network_without_masks_is_dense_and_no_ratio_is_measured(tmp_path):
    _, network = trained(tmp_path, "dense", sparsity=0.0)
    found = deploy(network, None, Conditions(threads=1, repeats=7), lambda *_: None)
    assert deployments.validate(found) == []
    assert found["flops_ratio"] == 1.0
    assert [(each["speedup"], each["low"]) for each in found["latency"]] == [(1.0, None)] * len(BATCHES)
    assert all(each["seconds"] == each["dense_seconds"] for each in found["latency"])
    assert found["training"] is None


def test_outputs_that_differ_or_are_not_finite_are_no_result(finished, monkeypatch):
    from harness.deploy import network as module

    def wrong(layer, *_):
        own = layer.module.forward
        return choice.Choice("csr", lambda given: own(given) + 1, 1.0, {"csr": 9.0})

    monkeypatch.setattr(module, "choose", wrong)
    with pytest.raises(UsageError, match=r"\d layers in sparse formats the outputs at batch 1 differ from dense by"):
        deploy(finished[1], None, Conditions(threads=1, repeats=7), lambda *_: None)
    monkeypatch.setattr(module, "_noise", lambda about, batch, *_: torch.full((batch, *about["shape"]), torch.nan))
    with pytest.raises(UsageError, match="outputs are not finite in float32"):
        deploy(finished[1], None, Conditions(threads=1, repeats=7), lambda *_: None)


@pytest.mark.parametrize("more", [{}, {"tokens": 256}, {"tokens": "many"}])
def test_inputs_that_no_memory_holds_or_that_are_none_are_refused_by_their_shape(more):
    about = {"seed": 0, "shape": [3, 10_000_000, 10_000_000], **more}
    with pytest.raises(UsageError, match=r"no 32 inputs of shape \[3, 10000000, 10000000\] can be made here: "):
        _noise(about, 32, torch.float32, CPU)


def test_tokens_stay_integers_in_any_precision_and_images_and_signals_do_not():
    tokens = _noise({"seed": 1, "shape": [64], "tokens": 5}, 8, torch.bfloat16, CPU)
    assert (tokens.dtype, tokens.shape, tokens.unique().tolist()) == (torch.int64, (8, 64), [0, 1, 2, 3, 4])
    assert _noise({"seed": 1, "shape": [1, 40]}, 8, torch.bfloat16, CPU).dtype == torch.bfloat16


def test_a_recurrent_layer_is_measured_on_its_last_state():
    model = build("gru", 10, (1, 40), 0).eval()
    layers, _ = find(model, ["layer.inputs.weight", "layer.state.weight"])
    with torch.no_grad():
        given = inputs(model, layers, torch.ones(2, 1, 40))
    assert given["layer.inputs.weight"].shape == (2, 40, 1)
    assert given["layer.state.weight"].shape == (2, 64)
    assert given["layer.state.weight"].abs().sum() > 0  # the first is 0


def test_the_command_takes_a_record_or_a_network_and_writes_one_file(finished, capsys, tmp_path):
    path, network = finished
    key = load(path)["key"]
    place = path.parent.parent
    status, out = command(capsys, key, f"output={place}", "--threads", 1, "--repeats", 7)
    assert status == 0
    (kept,) = (place / "deploy").iterdir()
    found = deployments.load(kept)
    assert out.splitlines()[-1].endswith(kept.name)
    text = " ".join(out.split())  # lines are wrapped, where depends on the figures
    for words in ("measured speed-up", "at batch 1", "at batch 32", "1 thread, float32, torch", "by zstd", "density"):
        assert words in text
    assert "2:4 in" in text  # refused by name, with the reason
    assert "needs an NVIDIA GPU" in text
    status, _ = command(capsys, network, f"output={tmp_path}", "--threads", 1, "--repeats", 7)
    assert [file.name for file in (tmp_path / "deploy").iterdir()] == [deployments.name(found)]
    status, out = command(capsys, path, network, "--threads", 1, "--repeats", 7)
    assert status == 0
    assert len([line for line in out.splitlines() if "synthetic/" in line]) in (0, 2)
    assert [file.name for file in (place / "deploy").iterdir()] == [kept.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.safetensors"], "no file 'nothing.safetensors'"),
        (["output=somewhere"], "deploy needs a record or a network"),
        (["0" * 16], "no records"),
        (["KEY", "KEY", "--html", "x.html"], "--html is for one network, and 2 are named"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = main.parse(["deploy", *arguments])
    with pytest.raises(UsageError, match=said) as caught:
        given.call(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", [["--threads", "0"], ["--threads", "9999"], ["--repeats", "6"], ["--repeats", "x"]])
def test_numbers_out_of_bounds_are_bad_usage(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main.parse(["deploy", "KEY", *option])
    assert "is not a number of" in capsys.readouterr().err


def test_a_record_without_its_network_is_refused_with_the_reason(finished, tmp_path):
    path, network = finished
    record = load(path)
    (tmp_path / "records").mkdir()
    copy = tmp_path / "records" / path.name
    write(record, copy)

    def refused():
        given = main.parse(["deploy", str(copy), "--repeats", "7"])
        with pytest.raises(UsageError) as caught:
            given.call(given)
        return str(caught.value)

    assert "its network is not at" in refused()
    (tmp_path / "networks").mkdir()
    other = tmp_path / "networks" / network.name
    other.write_bytes(network.read_bytes() + b" ")
    assert "its size or its hash differs" in refused()
    write(record | {"status": "diverged", "reason": "the loss became NaN"}, copy)
    assert "is diverged: only a run that is done leaves a network" in refused()


def test_other_precisions_are_measured_and_what_torch_lacks_in_them_is_refused_by_name(finished):
    found = deploy(finished[1], None, Conditions("cpu", "bfloat16", 1, 7), lambda *_: None)
    assert deployments.validate(found) == []
    assert found["conditions"]["precision"] == "bfloat16"
    assert found["tolerance"] == 5e-2
    formats = [each for layer in found["layers"] for at in layer["batches"] for each in at["formats"]]
    assert all(each["refused"] or each["speedup"] for each in formats)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_missing_is_refused(finished):
    with pytest.raises(UsageError, match="--device cuda: torch finds no NVIDIA GPU here"):
        deploy(finished[1], None, Conditions("cuda", repeats=7), lambda *_: None)


def test_the_place_of_a_network_decides_where_its_deployment_goes(tmp_path):
    assert _output_of(tmp_path / "networks" / "a.safetensors", "networks") == tmp_path
    assert _output_of(tmp_path / "a.safetensors", "networks") == Path("results")


def test_the_suite_of_the_table(tmp_path):
    """docs/deploy.md: its commands on one cell of its suite."""
    cells = [(run.model.name, run.sparsity, run.method.name) for run in grid.runs("deploy", [])]
    assert sorted(cells) == sorted(
        (model, sparsity, "static") for model in ("mlp", "resnet20", "vgg19") for sparsity in (0.9, 0.95, 0.98)
    )
    overrides = [f"output={tmp_path}", "model=mlp", "sparsity=0.98", "budget=steps:1", "runner=local"]
    assert called("suite", "--suite", "deploy", *overrides) == 0
    (network,) = (tmp_path / "networks").iterdir()
    assert called("deploy", network, "--threads", 1, "--repeats", 7) == 0
    assert called("leaderboard", f"output={tmp_path}") == 0
    text = (tmp_path / "leaderboard.md").read_text()
    assert text.count("measured speed-up") == 1
    assert text.count("1 thread, float32, torch") == len(BATCHES)
