"""The conformance kit on methods and models that keep their promises, its settings and its errors."""

import json
import sys

import pytest
import torch
from breaking import HEAD

from harness import plugins
from harness.cli import main as cli
from harness.conformance.errors import ConformanceError
from harness.conformance.kit import CHECKS, Examination
from harness.errors import UsageError
from harness.tasks.models import registry as models
from sparsebench.testing import checks

SHORT = ("budget=steps:20", "evaluations=1", "recipe.batch_size=16", "model=mlp")
AT = (*SHORT, "sparsity=0.9")

MODEL = """
import torch
from torch import nn


def net(classes, shape):
    pixels = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, classes))
"""


@pytest.fixture(autouse=True)
def forgotten():
    """Forget, after each test, what it has registered."""
    before = set(models.MODELS)
    yield
    for module in [name for name in sys.modules if name.startswith("plugin_")]:
        plugins._forget(module)
    plugins._module.cache_clear()
    for name in set(models.MODELS) - before:
        del models.MODELS[name]


@pytest.fixture
def mine(tmp_path):
    """Write a method to a file, and return its file and class."""
    path = tmp_path / "mine.py"
    path.write_text(HEAD)
    return f"{path}:Mine"


def doctor(capsys, *arguments):
    given = cli.parse(["doctor", *arguments])
    status = given.call(given)
    return status, capsys.readouterr().out


def test_a_method_that_keeps_its_promises_holds_in_everything(mine, capsys):
    status, text = doctor(capsys, "method", mine, *SHORT, "sparsity=0.8", "--json")
    found = json.loads(text)
    assert (status, found["holds"], found["runs"]) == (0, True, "digits/mlp, steps:20, seed 0")
    assert [each["name"] for each in found["checks"]] == list(CHECKS["method"])
    said = {each["name"]: each["found"] for each in found["checks"]}
    maskable = 64 * 300 + 300 * 100 + 100 * 10
    assert said["exact counts"] == f"of {maskable:,} weights {round(0.2 * maskable):,} at 0.8"
    assert "as fvcore counts" in said["FLOPs"]
    assert f"one sample {2 * maskable:,}" in said["FLOPs"]
    assert "stopped after steps 5 and 12" in said["resumable"]


def test_what_cannot_be_trained_is_said_once_with_its_line(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(HEAD.replace("masks.keep_layers(", "raise KeyError(1)\n        masks.keep_layers("))
    status, text = doctor(capsys, "method", f"{path}:Mine", *AT)
    lines = text.splitlines()
    assert status == 1
    assert lines[0].startswith("FAILS        trains: line 18: KeyError: 1")
    assert all(line.startswith("-            ") for line in lines[1:-1])
    assert len(lines) == len(CHECKS["method"]) + 1


def test_sparsities_that_a_method_refuses_are_named(capsys):
    examined = Examination("method", "sr_ste", SHORT)
    assert list(examined.study.planned) == ["0.5", "0.75"]
    assert set(examined.study.refused) == {"0.8", "0.9", "0.95"}


def test_the_runs_of_a_dense_method_have_sparsity_0():
    assert list(Examination("method", "dense", SHORT).study.planned) == ["0"]


def test_a_long_interval_is_shortened_unless_it_was_chosen():
    assert Examination("method", "set", AT).study.main.run.method.interval == 10  # of the recipe
    assert Examination("method", "mest", AT).study.main.run.method.interval == 15
    assert Examination("method", "mest", (*AT, "method.interval=50")).study.main.run.method.interval == 50


def test_a_model_of_a_module_holds_in_everything(tmp_path, capsys, monkeypatch):
    (tmp_path / "my_nets.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    status, text = doctor(capsys, "model", "my_nets:net", "dataset.shape=[1,6,6]", "dataset.mean=[0.5]",
                          "dataset.std=[0.3]", "--json")  # fmt: skip
    found = json.loads(text)
    assert [each for each in found["checks"] if not each["holds"]] == []
    assert status == 0
    assert found["checks"][1]["found"].startswith(f"{36 * 16 + 16 * 10} of {36 * 16 + 16 + 16 * 10 + 10} parameters")


@pytest.mark.parametrize(
    ("change", "name", "found"),
    [
        (("pixels, 16)", "pixels, 16).requires_grad_(False)"), "builds", r"cannot mask 1\.weight"),
        (("nn.ReLU()", "nn.ReLU(), nn.Linear(16, 16).apply(own)"), "builds", "two models of one seed differ in 3.w"),
        (("classes))", "2))"), "builds", "returns|gives|scores"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(change, name, found, tmp_path):
    path = tmp_path / "net.py"
    own = "\n\ndef own(layer):\n    nn.init.uniform_(layer.weight, generator=torch.Generator().manual_seed(fresh()))\n"
    own += "\n\ndef fresh():\n    import os\n    return int.from_bytes(os.urandom(4))\n"
    path.write_text(MODEL.replace(*change) + own)
    with pytest.raises(ConformanceError, match=found):
        Examination("model", f"{path}:net").check(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("method",), "doctor method: first comes what to check: NAME, path/file.py:OBJECT"),
        (("model", "recipe.lr=1"), "first comes what to check, not 'recipe.lr=1'"),
        (("method", "rigl", "--full"), "--full is of doctor data"),
        (("method", "riggl"), "did you mean 'rigl'"),
        (("method", "rigl", "method=set"), "'method=set': the kit decides that itself"),
        (("method", "rigl", "device=cuda"), "device=cuda: the kit trains on the CPU alone"),
        (("method", "rigl", "budget=seconds:1"), "budget=seconds: runs of a time are never the same"),
        (("method", "json:loads"), "cannot be used: TypeError: .* is not a subclass of sparsebench.Method"),
        (("model", "no_such_package:net"), "cannot be used: ModuleNotFoundError"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message, capsys):
    with pytest.raises(UsageError, match=message) as caught:
        doctor(capsys, *arguments)
    assert "\n" not in str(caught.value)


def test_checks_for_pytest_import_nothing_until_they_run(capsys):
    found = checks(method="no/such/file.py:Mine")
    assert [each.name for each in found] == list(CHECKS["method"])
    with pytest.raises(UsageError, match="is not a file"):
        found[0]()
    with pytest.raises(UsageError, match="either method or model"):
        checks()
    good = checks(method="static", overrides=AT)
    assert next(each for each in good if each.name == "exact counts")() in capsys.readouterr().out


def test_settings_of_this_process_are_as_before(mine):
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist())
    Examination("method", mine, AT).check("deterministic")
    after = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist())
    assert before == after
