"""The Makefile, with a command line that prints its arguments in the place of the real one."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ECHO = f"#!{sys.executable} -IS\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"
# A path is a path: what a shell, make or a parser might take for something else.
PATHS = (
    "/data/ünï",
    "a=b",
    "a (x)",
    "a#b",
    "[a]",
    "a b",
    "a'b",
    'a"b',
    "$HOME/x",
    "a\\b",
    "a,b",
    "{a}",
    "*",
    "~x",
    "!x",
)


@pytest.fixture
def folder(tmp_path):
    """A folder with the Makefile, set up as far as make can tell."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("docker/dev.lock", "docker/build.lock", "pyproject.toml", ".venv/bin/sparsebench"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(ECHO if name.endswith("sparsebench") else "")
    (tmp_path / ".venv/bin/sparsebench").chmod(0o755)
    (tmp_path / ".venv/.ready").touch()
    return tmp_path


def make(folder, *arguments):
    # Not as a make within the make that may run these tests.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def calls(folder, *arguments):
    done = make(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_reaches_every_command_as_it_was_typed(folder, path):
    assert calls(folder, "bench", f"OUTPUT={path}") == [["run", f"output={path}"]]
    assert calls(folder, "plan", f"OUTPUT={path}") == [["plan", f"output={path}"]]
    assert calls(folder, "leaderboard", f"OUTPUT={path}") == [["leaderboard", f"output={path}"]]
    *_, board, check = calls(folder, "nightly", "SUITE=smoke", f"OUTPUT={path}")
    assert board == ["leaderboard", f"output={path}"]
    assert check == ["check", f"{path}/records"]


def test_variables_become_overrides(folder):
    chosen = ("METHOD=rigl", "DATASET=cifar10", "MODEL=vgg19", "SPARSITY=0.95", "SEED=1", "BUDGET=flops:0.5")
    words = [*(one.replace(one.split("=")[0], one.split("=")[0].lower()) for one in chosen), "runner=local"]
    assert calls(folder, "bench", *chosen, "RUNNER=local", "ARGS=a=1 b=2") == [["run", *words, "a=1", "b=2"]]
    suite = ["suite", "--suite", "smoke", "--executor", "slurm", "--jobs", "8", "method=rigl"]
    assert calls(folder, "suite", "SUITE=smoke", "EXECUTOR=slurm", "JOBS=8", "METHOD=rigl") == [suite]
    assert calls(folder, "plan", "SUITE=smoke") == [["plan", "--suite", "smoke"]]
    assert calls(folder, "plan", "SUITE=smoke", "UNTIL=0.5") == [["plan", "--suite", "smoke", "--until", "0.5"]]
    assert calls(folder, "suite", "SUITE=smoke", "UNTIL=0.5")[0][-2:] == ["--until", "0.5"]
    paper = ["reproduce", "snfs_mnist", "--executor", "local", "--jobs", "2", "seed=0", "--no-train"]
    assert calls(folder, "reproduce", "PAPER=snfs_mnist", "JOBS=2", "SEED=0", "ARGS=--no-train") == [paper]
    assert calls(folder, "reproduce") == [["reproduce", "", "--executor", "local"]]
    assert make(folder, "plan", "JOBS=2").returncode == 2
    assert calls(folder, "suite") == [["suite", "--suite", "", "--executor", "local"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bench", "method=rigl"), "did you mean METHOD=?"),
        (("bench", "Method=rigl"), "did you mean METHOD=?"),
        (("suite", "suite=smoke"), "did you mean SUITE=?"),
        (("bench", "METHD=rigl"), "METHOD="),
        (("bench", "SUITE=smoke"), "make bench takes no SUITE="),
        (("leaderboard", "METHOD=rigl"), "make leaderboard takes no METHOD="),
        (("method=rigl",), "make help takes no method="),
        (("bench", "rigl"), "unknown target rigl"),
    ],
    ids=" ".join,
)
def test_what_nothing_reads_is_refused_in_one_line_before_anything_is_done(folder, arguments, said):
    done = make(folder, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_help_lists_every_target():
    listed = make(ROOT, "help").stdout
    targets = re.search(r"^TARGETS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(targets) == {line.split()[0] for line in listed.splitlines()[: len(targets)]}


def test_install_sets_up_trains_nothing_and_says_how_to_activate(folder):
    (folder / ".venv/.ready").unlink()
    python = folder / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "$@" >>calls\n')
    python.chmod(0o755)
    told = make(folder, "install", f"PYTHON={python}")
    assert told.returncode == 0, told.stderr
    assert "`source .venv/bin/activate`" in told.stdout
    installed = (folder / "calls").read_text().splitlines()
    assert [line.split()[:3] for line in installed[1:]] == [["-m", "pip", "install"]] * 3
    assert make(folder, "install").stdout == told.stdout
    assert (folder / "calls").read_text().splitlines() == installed
    assert "make install takes no METHOD=" in make(folder, "install", "METHOD=rigl").stderr


@pytest.mark.skipif(shutil.which("flock") is None, reason="two makes wait for each other by flock, which is not here")
def test_of_two_makes_at_once_one_sets_up(folder):
    (folder / ".venv/.ready").unlink()
    python = folder / ".venv/bin/python"
    python.write_text("#!/bin/sh\necho begin >>calls\nsleep 0.2\necho end >>calls\n")
    python.chmod(0o755)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: make(folder, "leaderboard", f"PYTHON={python}"), range(2)))
    assert [each.returncode for each in done] == [0, 0]
    assert sum("setting up" in each.stderr for each in done) == 1
    # once to make the environment, three times to fill it
    assert (folder / "calls").read_text().split() == ["begin", "end"] * 4
    assert "setting up" not in make(folder, "leaderboard").stderr
