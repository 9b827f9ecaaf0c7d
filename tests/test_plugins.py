"""Methods, models and data sets from outside: from a file, or from an installed package, without an edit anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import config, plugins
from harness.errors import UsageError
from harness.plan import grid
from harness.records import load
from harness.tasks import data
from methods import methods, registry

pytestmark = pytest.mark.usefixtures("forgotten")

ROOT = Path(__file__).parent.parent
QUICK = ("budget=steps:20", "recipe.batch_size=16", "sparsity=0.8", "device=cpu", "evaluations=2")

METHOD = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import sparsebench as sb


@dataclass
class HalfWay(sb.Method):
    """Prunes once."""

    family: ClassVar[str] = "halves"
    summary: ClassVar[str] = "Prunes once, half way."
    prunes_globally: ClassVar[bool] = True

    at: float = 0.5

    def initial_density(self, target: float) -> float:
        return 1.0

    def marks(self) -> tuple[float, ...]:
        return (self.at,)

    def event(self, moment: sb.Moment) -> sb.Event:
        return sb.Event()

    def density(self, moment: sb.Moment, target: float) -> float:
        return target

    def update(self, masks: sb.Masks, moment: sb.Moment, target: float) -> None:
        masks.prune_globally(round(target * masks.maskable))
'''
MODEL = """
from torch import nn


def tiny(classes, shape):
    pixels = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.ReLU(), nn.Linear(16, classes))
"""
DATASET = """
import numpy as np


def stripes():
    draw = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = draw.integers(0, 40, (240, 6, 6), dtype=np.uint8)
    for image, label in zip(images, labels):
        image[2 * label : 2 * label + 2] += 150
    return images[:200], labels[:200], images[200:], labels[200:]
"""
SOURCES = {"method": (METHOD, "HalfWay"), "model": (MODEL, "tiny"), "dataset": (DATASET, "stripes")}
GROUPS = {"method": "sparsebench.methods", "model": "sparsebench.models", "dataset": "sparsebench.datasets"}


@pytest.fixture
def files(tmp_path):
    """Write the three files, in a folder whose name needs quoting nowhere, and return them as overrides."""
    folder = tmp_path / "mine (new), ünï"
    folder.mkdir()
    for group, (text, _) in SOURCES.items():
        (folder / f"{group}.py").write_text(text)
    return [f"{group}={folder / group}.py:{name}" for group, (_, name) in SOURCES.items()]


@pytest.fixture
def packages(tmp_path):
    """Lay out installed packages by hand, and return a function that does."""

    def install(group, entries, **modules):
        site = tmp_path / "site"
        about = site / f"{group}_plugin-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {group}-plugin\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (about / "entry_points.txt").write_text(f"[{GROUPS[group]}]\n{lines}")
        for name, text in modules.items():
            (site / f"{name}.py").write_text(text)
        return site

    return install


def sparsebench(*arguments, site=None, timeout=240):
    paths = [str(ROOT), *([str(site)] if site else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT, check=False
    )


def only_record(output):
    (path,) = (output / "records").glob("*.json")
    return load(path)


def test_a_method_a_model_and_a_data_set_from_files_are_trained_and_reach_the_board(files, tmp_path):
    output = tmp_path / "results"
    done = sparsebench("run", *files, *QUICK, "method.at=0.25", "runner=local", f"output={output}")
    assert done.returncode == 0, done.stderr
    record = only_record(output)
    assert [record[name] for name in ("method", "model", "dataset")] == ["HalfWay", "tiny", "stripes"]
    assert record["config"]["method"]["at"] == 0.25
    assert record["config"]["dataset"]["shape"] == [1, 6, 6]
    assert all(record["code"][part] for part in ("method", "model"))
    assert str(tmp_path) not in json.dumps({**record, "config": {**record["config"], "output": ""}})
    for name in ("HalfWay", "tiny", "stripes"):
        assert name in (output / "leaderboard.csv").read_text()
    again = sparsebench("run", *files, *QUICK, "method.at=0.25", "runner=local", f"output={output}")
    assert "done already" in again.stderr + again.stdout


@pytest.mark.docker
def test_files_are_loaded_in_a_container_too(files, tmp_path):
    from harness.containers.content import SUITE, ImageError, ImageFiles
    from harness.containers.engine import NoEngineError, connect
    from harness.containers.image import verify

    try:
        verify(connect(), ImageFiles(SUITE))
    except (NoEngineError, ImageError) as error:
        pytest.skip(str(error))
    output = tmp_path / "results"
    done = sparsebench("run", *files, *QUICK, "runner=docker", f"output={output}")
    assert done.returncode == 0, done.stderr
    record = only_record(output)
    assert (record["runner"], record["method"], record["metrics"]["test_accuracy"]) == ("docker", "HalfWay", 1.0)


def test_files_take_their_place_in_a_suite(files):
    method, model, dataset = files
    chosen = f"method=[static,{method.partition('=')[2]!r}]"
    runs = list(grid.runs("smoke", [chosen, model, dataset, "seed=0", "sparsity=[0.5,0.8]"]))
    assert sorted((run.method.name, run.sparsity) for run in runs) == [
        *(("HalfWay", sparsity) for sparsity in (0.5, 0.8)),
        *(("static", sparsity) for sparsity in (0.5, 0.8)),
    ]
    assert {(run.model.name, run.dataset.name) for run in runs} == {("tiny", "stripes")}


@pytest.fixture
def recipe_for(tmp_path, monkeypatch):
    """Write a recipe with settings for one method, and return a function that does; a plug-in's file is beside it."""

    def write(method, interval="interval: 40"):
        folder = tmp_path / "benchmarks" / "recipe"
        folder.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "benchmarks" / "recipe" / "digits.yaml").read_text().partition("methods:")[0]
        text = text.replace("name: digits", f"name: for_{method}")
        (folder / f"for_{method}.yaml").write_text(f"{text}methods: {{{method}: {{{interval}}}}}\n")
        (tmp_path / f"{method}.py").write_text(METHOD.replace("HalfWay", method))
        monkeypatch.chdir(tmp_path)
        return f"recipe=for_{method}"

    return write


@pytest.mark.parametrize("first", ["rigl", "RigL2.py:RigL2"])
def test_a_recipe_has_settings_of_a_plug_in_wherever_it_stands_in_a_suite(recipe_for, capsys, first):
    recipe = recipe_for("RigL2", "at: 0.25")
    others = {"rigl": "RigL2.py:RigL2", "RigL2.py:RigL2": "rigl"}
    for _ in range(2):  # nor does it matter that the plug-in has been imported
        runs = [config.resolve([recipe, f"method={name}"]) for name in (first, others[first])]
        assert {run.method.name: run.method for run in runs}["RigL2"].at == 0.25
    said = "'RigL2', which is no method of the project: only a plug-in of that name uses them; did you mean 'rigl'?\n"
    assert capsys.readouterr().err == (f"recipe for_RigL2 has settings for {said}" if first == "rigl" else "")


@pytest.mark.parametrize(
    "name", ["MyRigL", "RigL", "GMP2", "GraNetV2", "granet_plus", "static2", "rigl_ours", "rigls", "set_er", "ste"]
)
def test_a_recipe_may_name_a_method_from_elsewhere_that_has_a_name_like_one_here(recipe_for, capsys, name):
    assert config.resolve([recipe_for(name), "method=dense"]).method.name == "dense"
    assert "did you mean '" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        *(("riigl", "rigl"), ("rgil", "rigl"), ("rgl", "rigl"), ("rigll", "rigl"), ("granett", "granet")),
        *(("gmp_unifrom", "gmp_uniform"), ("set_ittop", "set_itop"), ("stattic", "static")),
    ],
)
def test_a_slip_in_a_recipe_is_refused_whatever_has_been_imported(recipe_for, slip, meant):
    recipe = recipe_for(slip)
    for method in ("dense", f"{slip}.py:{slip}", "dense"):
        with pytest.raises(UsageError, match=rf"unknown method in recipe.methods .*'{slip}'.*did you mean '{meant}'\?"):
            config.resolve([recipe, f"method={method}"])


def test_an_installed_model_with_a_name_that_another_has_too_is_the_one_that_is_trained(packages, monkeypatch):
    assert config.resolve(["model=lenet_300_100"]).model.name == "mlp"
    monkeypatch.syspath_prepend(packages("model", {"lenet_300_100": "from_model:tiny"}, from_model=MODEL))
    assert config.resolve(["model=lenet_300_100"]).model.name == "lenet_300_100"
    assert config.resolve(["model=mlp"]).model.name == "mlp"


def test_installed_plug_ins_are_listed_and_trained(packages, tmp_path):
    for group, (text, name) in SOURCES.items():
        site = packages(group, {f"my_{group}": f"from_{group}:{name}"}, **{f"from_{group}": text})
    listed = sparsebench("list", "--json", site=site)
    found = json.loads(listed.stdout)
    assert found["method"]["my_method"]["summary"] == "Prunes once, half way."
    assert "halves" in found["family"]
    assert "my_model" in found["model"]
    assert "my_dataset" in found["dataset"]
    output = tmp_path / "results"
    chosen = [f"{group}=my_{group}" for group in SOURCES]
    done = sparsebench("run", *chosen, *QUICK, "runner=local", f"output={output}", site=site)
    assert done.returncode == 0, done.stderr
    assert only_record(output)["model"] == "my_model"


@pytest.mark.parametrize(
    ("group", "entry", "text", "reason"),
    [
        ("method", "broken", "import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of"),
        ("method", "broken", "raise SystemExit(3)\n", "SystemExit: 3"),
        ("method", "rigl", METHOD, "ValueError: method 'rigl' exists already"),
        ("model", "resnet20", MODEL, "ValueError: model 'resnet20' exists already"),
        ("dataset", "digits", DATASET, "ValueError: dataset 'digits' exists already"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_named_in_one_line_and_skipped(packages, group, entry, text, reason):
    name = SOURCES[group][1]
    site = packages(group, {entry: f"outside:{name}"}, outside=text)
    done = sparsebench("list", site=site)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert f"plug-in {entry!r} (outside:{name}) was skipped: {reason}" in done.stderr
    assert "broken" not in done.stdout
    assert "rigl " in done.stdout


@pytest.mark.parametrize(
    ("group", "text", "name", "reason"),
    [
        ("method", "import nothing_of_that_name\n", "Mine", "line 1: ModuleNotFoundError"),
        ("method", "x = 1\n\ndef broken(:\n", "Mine", "line 3: SyntaxError: invalid syntax"),
        ("method", "raise SystemExit\n", "Mine", "SystemExit"),
        ("method", METHOD, "HalfWeg", "unknown object of mine.py 'HalfWeg'.*did you mean 'HalfWay'"),
        ("method", MODEL, "tiny", "is not a subclass of sparsebench.Method"),
        ("method", METHOD.replace("HalfWay", "rigl"), "rigl", "method 'rigl' exists already"),
        ("model", "tiny = 3\n", "tiny", "3 is not a function"),
        ("model", MODEL.replace("tiny", "resnet20"), "resnet20", "model 'resnet20' exists already"),
        ("dataset", DATASET.replace("stripes", "digits"), "digits", "dataset 'digits' exists already"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path, group, text, name, reason):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=reason) as caught:
        config.resolve([f"{group}={path}:{name}"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"mine\.py is not a file"):
        config.resolve([f"method={tmp_path}/mine.py:Mine"])


def test_a_file_that_changes_is_imported_anew_and_a_planned_run_notices(tmp_path):
    from harness.plan.planned import plan

    path = tmp_path / "mine.py"
    path.write_text(METHOD)
    overrides = [f"method={path}:HalfWay", "runner=local", f"output={tmp_path}"]
    (before,) = plan([config.resolve(overrides)])
    request = {"plugins": before.run.plugins, "sources": {"method": before.sources.method}}
    plugins.load_requested(request)
    path.write_text("# Only a comment.\n" + METHOD)
    plugins.load_requested(request)
    assert plan([config.resolve(overrides)])[0].key == before.key
    path.write_text(METHOD.replace("at: float = 0.5", "at: float = 0.4"))
    with pytest.raises(UsageError, match="method 'HalfWay' has changed since the run was planned"):
        plugins.load_requested(request)
    (after,) = plan([config.resolve(overrides)])
    assert after.run.method.at == 0.4
    assert after.key != before.key


def test_the_source_of_a_file_is_part_of_the_key_and_its_place_is_not(tmp_path):
    from harness.plan.planned import plan

    def key(folder, text):
        folder.mkdir(exist_ok=True)
        path = folder / "mine.py"
        path.write_text(text)
        return plan([config.resolve([f"model={path}:tiny", "runner=local", f"output={tmp_path}"])])[0].key

    one = key(tmp_path / "one", MODEL)
    plugins._forget(plugins._module(tmp_path / "one" / "mine.py", plugins._sha256(tmp_path / "one/mine.py")).__name__)
    assert key(tmp_path / "other", MODEL) == one
    assert key(tmp_path / "other", MODEL.replace("16", "17")) != one


def test_one_file_may_hold_everything(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(METHOD + MODEL + DATASET)
    run = config.resolve([f"method={path}:HalfWay", f"model={path}:tiny", f"dataset={path}:stripes"])
    assert (run.method.name, run.model.name, run.dataset.name) == ("HalfWay", "tiny", "stripes")
    assert set(run.plugins) == {"method", "model", "dataset"}


def test_settings_follow_from_the_data_and_can_be_overridden(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(DATASET)
    found = config.resolve([f"dataset={path}:stripes", "dataset.val_examples=30"]).dataset
    assert (found.shape, found.classes, found.train_examples, found.test_examples) == ([1, 6, 6], 3, 200, 40)
    assert found.val_examples == 30
    images = data.registry.DATASETS["stripes"].read({"name": "stripes"}).train_inputs.double() / 255
    assert found.mean == pytest.approx([float(images.mean())], abs=1e-4)
    assert found.std == pytest.approx([float(images.std())], abs=1e-3)


def test_a_data_set_that_reads_files_gets_its_folder(tmp_path):
    path = tmp_path / "mine.py"
    header = "import numpy as np\n\ndef stored(folder):\n"
    path.write_text(header + "    return [np.load(folder / f'{name}.npy') for name in 'abcd']\n")
    folder = tmp_path / "data"
    with pytest.raises(UsageError, match=r"data set 'stored' is missing.*pass dataset.root=DIR"):
        config.resolve([f"dataset={path}:stored", f"dataset.root={folder}"])
    folder.mkdir()
    with pytest.raises(UsageError, match="dataset 'stored' cannot be read: line 4: FileNotFoundError"):
        config.resolve([f"dataset={path}:stored", f"dataset.root={folder}"])
    scope = {}
    exec(DATASET, scope)
    import numpy as np

    for name, part in zip("abcd", scope["stripes"](), strict=True):
        np.save(folder / f"{name}.npy", part)
    run = config.resolve([f"dataset={path}:stored", f"dataset.root={folder}"])
    assert data.directory(config.to_dict(run)["dataset"]) == folder


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 1, 2, 3", "does not return four arrays"),
        ("return np.zeros((5, 4, 4)), [0] * 5, [], []", r"training images are float64 \[5, 4, 4\], not uint8"),
        ("return np.zeros((5, 4, 4), 'u1'), [0] * 4, [], []", "labels are not one integer from 0 for each of 5 images"),
        ("return np.zeros((5, 4, 4), 'u1'), [-1] * 5, [], []", "labels are not one integer from 0"),
        ("raise OSError('no disk')", "cannot be read: line 4: OSError: no disk"),
    ],
)
def test_data_of_another_kind_are_refused(tmp_path, body, reason):
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\n\ndef odd():\n    {body}\n")
    with pytest.raises(UsageError, match=reason):
        config.resolve([f"dataset={path}:odd"])


def test_a_family_is_never_the_name_of_a_method_and_every_method_says_what_it_is():
    found = methods()
    assert not {method.family for method in found.values()} & set(found)
    for name, method in found.items():
        assert method.summary.endswith("."), name
        assert method.look is not None, name
        assert method.paper or method.family == "baseline", name


def test_a_name_is_registered_once():
    class Other(registry.Method):
        pass

    with pytest.raises(ValueError, match="method 'rigl' exists already"):
        registry.register("rigl")(Other)
    with pytest.raises(TypeError, match="is not a subclass of Method"):
        registry.register("new")(int)
