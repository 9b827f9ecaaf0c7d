"""``import sparsebench``: small, quick, typed, and enough for a method or a notebook."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import sparsebench as sb
from harness.errors import UsageError

ROOT = Path(__file__).parent.parent
OVERRIDES = ["method=static", "dataset=digits", "budget=steps:10", "device=cpu", "runner=local", "evaluations=1"]


def python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT).stdout


def test_importing_imports_nothing_heavy_and_names_appear_when_used():
    code = (
        "import sys; import sparsebench as sb; sb.Method, sb.Event, sb.register, sb.resolve, sb.load;"
        "print(sorted({'torch', 'hydra', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert python(code).split() == ["[]"]


def test_every_public_name_is_there_documented_and_nothing_else_is():
    for name in sb.__all__:
        assert getattr(sb, name).__doc__, name
    assert set(sb.__all__) <= set(dir(sb))
    assert (ROOT / "sparsebench" / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sb.nothing


def test_settings_are_resolved_and_refused_as_on_the_command_line():
    assert sb.resolve(["method=rigl", "sparsity=0.95"]).method.name == "rigl"
    with pytest.raises(UsageError, match="did you mean 'rigl'"):
        sb.resolve(["method=riggl"])


def test_a_run_is_planned_trained_once_and_loaded(tmp_path):
    overrides = [*OVERRIDES, f"output={tmp_path}"]
    (planned,) = sb.plan(overrides)
    assert not planned.done
    assert planned.entry()["train_flops"] > 0
    record = sb.run(overrides)
    assert (record["status"], record["key"]) == ("done", planned.key)
    assert sb.run(iter(overrides)) == record
    frame = sb.load(tmp_path)
    assert frame.loc[0, "test_accuracy"] == record["metrics"]["test_accuracy"]
    network = sb.load_network(tmp_path / "networks" / f"{frame.loc[0, 'key']}.safetensors")
    served = list(sb.load_test_images(tmp_path / "records" / frame.loc[0, "file"]))
    right = sum((network.model(images).argmax(1) == labels).sum().item() for images, labels in served)
    assert right / sum(len(labels) for _, labels in served) == record["metrics"]["test_accuracy"]
    assert sb.plan(overrides)[0].done


ROOTED = """
import numpy as np
from torch.nn import functional as F
import sparsebench as sb

class Rooted(sb.Task):
    metric = sb.Metric("rmse", "root of the mean squared error", higher=False, lowest=0)

    def data(self):
        inputs = np.random.default_rng(0).normal(size=(300, 4))
        return inputs[:200], inputs[:200, 0], inputs[200:], inputs[200:, 0]

    def loss(self, outputs, targets):
        return F.mse_loss(outputs, targets)

    def score(self, sums, samples):
        loss = sums["loss"] / samples
        return sb.Score(loss**0.5, loss, more={"squared": loss})
"""


@pytest.mark.usefixtures("forgotten")
def test_a_task_with_a_metric_that_is_no_mean_needs_nothing_but_the_package(tmp_path):
    (tmp_path / "rooted.py").write_text(ROOTED)
    of = [f"dataset={tmp_path}/rooted.py:Rooted", "model=mlp", "recipe=tabular", f"output={tmp_path}"]
    metrics = sb.run([*OVERRIDES[:1], *of, *OVERRIDES[2:]])["metrics"]
    assert metrics["test_score"] == pytest.approx(metrics["test_more"]["squared"] ** 0.5) == metrics["test_loss"] ** 0.5


def test_a_suite_is_planned():
    planned = sb.plan(["method=[dense,static]", "runner=local"], suite="smoke")
    assert {one.run.method.name for one in planned} == {"dense", "static"}


def test_layers_are_in_no_column_even_where_there_are_none(tmp_path):
    record = json.loads(next((ROOT / "results" / "records").glob("*.json")).read_text())
    record["metrics"]["layer_density"] = None
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert not [name for name in sb.load(tmp_path) if "layer_density" in name]


def test_records_are_loaded_into_a_tidy_frame_without_torch(tmp_path):
    frame = sb.load(ROOT / "results")
    names = sorted(path.name for path in (ROOT / "results" / "records").glob("*.json"))
    assert list(frame["file"]) == names
    first = json.loads((ROOT / "results" / "records" / names[-1]).read_text())
    row = frame.iloc[-1]
    assert row["sparsity"] == first["sparsity"]
    assert row["metrics.sparsity"] == first["metrics"]["sparsity"]
    assert row["seconds.total"] == first["cost"]["seconds"]["total"]
    assert row["config.recipe.lr"] == first["config"]["recipe"]["lr"]
    assert not any(frame[name].map(lambda value: isinstance(value, dict | list)).any() for name in frame)
    assert frame.groupby(["method", "sparsity"])["test_accuracy"].mean().notna().all()
    code = "import sys, sparsebench; sparsebench.load(); print('torch' in sys.modules)"
    assert python(code).strip() == "False"
    (tmp_path / "bad.json").write_text("{}")
    assert sb.load(tmp_path).attrs["problems"][0].startswith("bad.json: ")
    with pytest.raises(UsageError, match="is not a folder"):
        sb.load(tmp_path / "nowhere")
