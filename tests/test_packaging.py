"""What is installed: the extras, the locks, and the package outside a checkout and without torch."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from harness import extras, places
from harness.board.page import bundle, html
from harness.containers.content import DEVELOPERS_LOCK, SUITE, ImageFiles
from harness.errors import UsageError
from harness.machine import provenance

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
BASE = PYPROJECT["project"]["dependencies"]
DIGITS = ["method=rigl", "dataset=digits", "budget=steps:20", "evaluations=1", "device=cpu", "runner=local"]


def pinned(name):
    """The requirements of a lock without their hashes."""
    lines = (SUITE / name).read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if re.match(r"[a-z0-9][a-z0-9._-]*==", line)]


def names(name):
    return {line.partition("==")[0] for line in pinned(name)}


def versions(name):
    return {line.split()[0] for line in pinned(name)}


def test_the_image_holds_what_the_wall_needs_and_no_tool_of_developers():
    wall = PYPROJECT["dependency-groups"]["wall"]
    assert set(wall) <= {*BASE, *EXTRAS["train"]}
    assert versions("requirements.lock") <= versions(DEVELOPERS_LOCK)
    tools = {"pytest", "ruff", "mypy", "pandas", "docker", "vl-convert-python", "tensorboard"}
    assert not tools & names("requirements.lock")
    assert tools <= names(DEVELOPERS_LOCK)


def test_a_new_tool_of_developers_leaves_the_image_as_it_is(tmp_path):
    for path in SUITE.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    files = ImageFiles(tmp_path)
    before = files.content()
    with (tmp_path / DEVELOPERS_LOCK).open("a") as lock:
        lock.write("a-tool==1.0\n")
    assert files.content() == before
    assert DEVELOPERS_LOCK not in [path.name for path in files.locks]


def test_a_wheel_is_of_changed_source_where_a_checkout_is():
    lines = ast.parse((ROOT / "setup.py").read_text()).body
    (source,) = [line for line in lines if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "SOURCE"]
    assert ast.literal_eval(source.value) == provenance._SOURCE


def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(extras._EXTRA, "nowhere_to_be_found", "plots")
    assert set(extras.EXTRAS) <= set(EXTRAS)
    with pytest.raises(UsageError, match=r"^nowhere_to_be_found is not installed: pip install 'sparsebench\[plots\]'$"):
        extras.require("nowhere_to_be_found")
    with pytest.raises(ModuleNotFoundError, match="somebody_elses"), extras.explained():
        raise ModuleNotFoundError("No module named 'somebody_elses'", name="somebody_elses")
    with pytest.raises(ModuleNotFoundError, match="torch"), extras.explained():  # torch is here: another fault
        raise ModuleNotFoundError("No module named 'torch.nowhere'", name="torch.nowhere")
    extras.require("torch", "vl_convert")


def test_the_committed_script_of_the_page_is_that_of_the_locked_engine():
    assert html.VEGA.read_bytes() == bundle.script().encode(), "run python -m harness.board.page.bundle"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder outside the checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_settings_of_the_current_folder_are_found_before_those_of_the_project(folder):
    from harness import config
    from harness.plan import grid

    assert places.own_settings() == ()
    usual = config.resolve(["dataset=digits"])
    recipe = (places.TREE / "recipe" / "digits.yaml").read_text()
    write(folder / "benchmarks/recipe/digits.yaml", recipe.replace("lr: 0.1", "lr: 0.07"))
    write(folder / "benchmarks/recipe/mine.yaml", recipe.replace("name: digits", "name: mine"))
    write(folder / "benchmarks/dataset/few.yaml", (places.TREE / "dataset/digits.yaml").read_text())
    write(folder / "benchmarks/suite/two.yaml", "grid: {method: [rigl, set], dataset: few}\n")
    assert config.resolve(["dataset=digits"]).recipe.lr == 0.07
    assert config.resolve(["dataset=few", "recipe=mine"]).recipe.name == "mine"
    assert config.resolve(["dataset=fashion_mnist"]).recipe.name == "fashion_mnist"
    assert {"few", "digits"} <= set(config.choices("dataset"))
    assert [run.method.name for run in grid.runs("two", [])] == ["rigl", "set"]
    write(folder / "benchmarks/recipe/digits.yaml", recipe.replace("lr: 0.1", "lr: 0.0625"))  # changed since
    assert config.resolve(["dataset=digits"]).recipe.lr == 0.0625
    shutil.rmtree(folder / "benchmarks")
    assert config.resolve(["dataset=digits"]) == usual


@pytest.mark.parametrize(
    ("name", "text", "given", "said"),
    [
        ("recipe/bad.yaml", "a: [", ["recipe=bad"], r"recipe/bad\.yaml: "),
        ("recipe/bad.yaml", "lr: 0.1\n", ["recipe=bad"], "recipe"),
        ("recipe/bad.yaml", "lrr: 0.1\n", ["recipe=bad"], "lrr"),
        ("suite/bad.yaml", "a: [", "bad", r"suite/bad\.yaml cannot be read"),
        ("suite/bad.yaml", "runs: 3\n", "bad", "has to hold grid"),
        ("suite/bad.yaml", "[1]\n", "bad", "has to hold grid"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_named_in_one_line(folder, name, text, given, said):
    from harness import config
    from harness.plan import grid

    write(folder / "benchmarks" / name, text)
    with pytest.raises(UsageError, match=said) as refused:
        config.resolve(given) if isinstance(given, list) else list(grid.runs(given, []))
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_called_benchmarks_of_something_else_changes_nothing(folder):
    from harness import config

    usual = config.resolve([])
    write(folder / "benchmarks/config.yaml", "defaults: [nothing]\n")
    write(folder / "benchmarks/speed/test_it.py", "")
    write(folder / "benchmarks/recipe/somebody.yaml", "- a list\n")
    assert config.resolve([]) == usual


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone, so that nothing is written into the checkout."""
    clone = tmp_path_factory.mktemp("clone")
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True, capture_output=True)
    write(clone / "build" / "lib" / "methods" / "gone.py", "# of an earlier build\n")
    return clone


@pytest.fixture(scope="module")
def wheel(clone, tmp_path_factory):
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place, clone]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = place.glob("*.whl")
    return found


def run(python, *arguments, cwd, path=None, ok=True):
    """Run a program with nothing but ``path`` on the path of modules."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    command = [str(python), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert not ok or done.returncode == 0, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def small(wheel, tmp_path_factory):
    """The programs of a virtual environment that holds the package without extras."""
    place = tmp_path_factory.mktemp("small")
    venv.create(place / "venv", symlinks=True)
    (place / "versions.txt").write_text("\n".join(pinned(DEVELOPERS_LOCK)))
    options = ["-q", "--no-compile", "-c", place / "versions.txt"]
    pip = ["-m", "pip", "--python", place / "venv", "install", *options, wheel]
    done = run(sys.executable, *pip, cwd=place, ok=False)
    if done.returncode:
        pytest.skip(f"no package index answers: {(done.stderr.strip().splitlines() or ['pip failed'])[-1]}")
    return place / "venv" / "bin"


def test_records_are_checked_compared_shown_and_loaded_without_torch(small, clone, tmp_path, capsys):
    sparsebench = small / "sparsebench"
    for name in ("own", "full"):
        (tmp_path / name / "records").mkdir(parents=True)
        for path in (clone / "results" / "records").glob("*-0.9-s?-*.json"):
            shutil.copy(path, tmp_path / name / "records")
    said = run(sparsebench, "leaderboard", "output=own", cwd=tmp_path).stderr
    assert said.strip().splitlines()[-1].endswith("vl_convert is not installed: pip install 'sparsebench[plots]'")
    run(sys.executable, "-m", "harness.cli", "leaderboard", "output=full", cwd=tmp_path, path=clone)
    for name in ("leaderboard.html", "leaderboard.csv", "leaderboard.md", "standing.csv"):
        made = [(tmp_path / folder / name).read_bytes() for folder in ("own", "full")]
        assert made[0].replace(b"own", b"full") == made[1].replace(b"own", b"full"), name
    records = sorted((tmp_path / "own" / "records").glob("*-rigl-0.9-*.json"))
    assert "1 checked" in run(sparsebench, "check", records[0], cwd=tmp_path, ok=False).stdout
    assert "test accuracy" in run(sparsebench, "show", records[0], cwd=tmp_path).stdout.lower()
    sides = [f"model=convnet method={name} sparsity=0.9" for name in ("rigl", "set")]
    assert "difference" in run(sparsebench, "compare", *sides, "output=own", cwd=tmp_path).stdout.lower()
    assert "granet" in run(sparsebench, "list", cwd=tmp_path).stdout
    code = (
        "import sys, sparsebench as sb; frames = ('runs', 'curves', 'layers', 'events');"
        "print([len(sb.load('own', what)) > 0 for what in frames], 'torch' in sys.modules)"
    )
    assert run(small / "python", "-c", code, cwd=tmp_path).stdout.strip() == "[True, True, True, True] False"
    (site,) = (small.parent / "lib").glob("python*/site-packages")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.suffix != ".pyc" and path.is_file())
    with capsys.disabled():
        print(f"\nsparsebench without extras takes {size / 1e6:.0f} MB, bytecode not counted")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "method=rigl"],
        ["plan"],
        ["suite", "--suite", "smoke"],
        ["image"],
        ["clean"],
        ["doctor", "method", "rigl"],
    ],
    ids=" ".join,
)
def test_what_trains_says_what_to_install(small, tmp_path, arguments):
    done = run(small / "sparsebench", *arguments, cwd=tmp_path, ok=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("is not installed: pip install 'sparsebench[train]'")


def test_a_run_in_an_empty_folder_leaves_results_there_and_names_its_source(wheel, clone, tmp_path):
    """The packages of the wheel with the libraries of this environment, for torch is large."""
    site, work = tmp_path / "site", tmp_path / "work"
    shutil.unpack_archive(wheel, site, "zip")
    assert not (site / "methods" / "gone.py").exists()
    recipe = (places.TREE / "recipe" / "digits.yaml").read_text()
    write(work / "benchmarks/recipe/mine.yaml", recipe.replace("name: digits", "name: mine"))
    command = (sys.executable, "-m", "harness.cli")
    run(*command, "run", *DIGITS, "recipe=mine", cwd=work, path=site)
    (path,) = (work / "results" / "records").glob("*.json")
    record = json.loads(path.read_text())
    assert (record["status"], record["config"]["recipe"]["name"]) == ("done", "mine")
    head = run("git", "-C", clone, "rev-parse", "HEAD", cwd=work).stdout.strip()
    made = record["provenance"]
    assert (made["git_commit"], made["git_dirty"]) == (head, False)
    assert made["package"] == PYPROJECT["project"]["version"]
    (why,) = run(*command, "check", path, cwd=work, path=site, ok=False).stdout.splitlines()[1:-1]
    assert why.startswith("  seeds: only 0;")  # its source is known
    assert (work / "results" / "leaderboard.html").is_file()
    code = "from harness.machine import installed; print(installed.source()['git_dirty'])"
    assert run(sys.executable, "-c", code, cwd=work, path=site).stdout == "False\n"
    added = site / "methods" / "added.py"
    added.touch()
    assert run(sys.executable, "-c", code, cwd=work, path=site).stdout == "True\n"
    added.unlink()
    with (site / "methods" / "rigl.py").open("a") as file:
        file.write("# changed\n")
    assert run(sys.executable, "-c", code, cwd=work, path=site).stdout == "True\n"
    refused = run(*command, "run", "dataset=nothing", cwd=work, path=site, ok=False)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "unknown dataset 'nothing'" in refused.stderr
