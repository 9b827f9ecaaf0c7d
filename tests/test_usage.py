"""How the command line answers before anything is trained: help, lists, slips, streams; in no time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import layout, main
from harness.console import printable

ROOT = Path(__file__).parent.parent


def sparsebench(*arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more.pop("env", {})}
    command = [sys.executable, "-m", "harness.cli", *arguments]
    more = {"capture_output": True, "text": True, "timeout": 240, "cwd": ROOT, **more}
    return subprocess.run(command, env=environment, check=False, **more)


def refused(*arguments):
    """Return the one line on stderr with which a command line is refused."""
    done = sparsebench(*arguments)
    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no command"),
        (("rnu",), "did you mean 'run'?"),
        (("run", "--forc=1"), "--forc"),
        (("suite",), "fashion_mnist_cpu"),
        (("suite", "--suite", "smok"), "did you mean 'smoke'?"),
        (("suite", "--suite", "smoke", "--executor", "cloud"), "unknown executor 'cloud'"),
        (("suite", "--suite", "smoke", "seed=[]"), "the list is empty"),
        (("plan", "--suite", "smoke", "lr=1"), "did you mean 'recipe.lr'?"),
        (("leaderboard", "method=set"), "takes only output=DIR"),
        (("leaderboard", "output="), "output= is empty"),
        (("leaderboard", "output=/nowhere/at/all"), "/nowhere/at/all/records is not a folder"),
        (("check", "nothing.json"), "'nothing.json' does not exist"),
        (("check",), "RECORD"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_usage_gets_one_line(arguments, said):
    assert said in refused(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("--version",), ("--help",), ("run", "--help"), ("run", "sparsity=95"), ("plan", "--suite", "none")],
    ids=" ".join,
)
def test_neither_torch_nor_hydra_is_imported_before_it_is_needed(arguments):
    script = f"import sys; sys.argv[1:] = {arguments}; from harness.cli.main import main\n"
    script += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & {"torch", "hydra", "omegaconf", "pandas", "scipy", "docker", "rich", "numpy"}


def test_help_names_every_command_and_each_has_its_own():
    text = sparsebench("--help").stdout
    for name, about in main.COMMANDS.items():
        assert re.search(rf"^\s+{name}\s+{re.escape(about)}", text, re.MULTILINE)
        with pytest.raises(SystemExit) as stopped:
            main.parse([name, "--help"])
        assert stopped.value.code == 0


def test_the_version_names_the_project_its_rules_and_its_results():
    assert re.fullmatch(r"sparsebench \d+\.\d+\.\d+ \(rules \d+\.\d+, results \d+\)\n", sparsebench("--version").stdout)


def test_options_may_stand_between_overrides():
    given = main.parse(["run", "method=set", "--force", "sparsity=0.5"])
    assert (given.overrides, given.force) == (["method=set", "sparsity=0.5"], True)
    given = main.parse(["suite", "seed=0", "--suite", "smoke", "method=set", "--jobs", "2", "a=b"])
    assert (given.overrides, given.suite, given.jobs) == (["seed=0", "method=set", "a=b"], "smoke", 2)


def test_list_says_what_each_method_is():
    found = json.loads(sparsebench("list", "--json").stdout)
    assert "Evci et al. 2020" in found["method"]["rigl"]["paper"]
    assert found["budget"] == ["epochs", "flops", "seconds", "steps"]
    assert "smoke" in found["suite"]
    assert found["method"]["small_dense"]["reaches"]
    assert not found["method"]["rigl"]["reaches"]
    text = sparsebench("list").stdout
    assert re.search(r"^method, gradient_growth\n  rigl ", text, re.MULTILINE)
    assert "[reaches a sparsity near the requested one]" in " ".join(text.split())
    for name, about in found["method"].items():
        assert re.search(rf"^  {name}\s+{re.escape(about['summary'][:20])}", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 100


ROW = {"method": "gmp_uniform", "task": "fashion_mnist/resnet50_cifar", "accuracy": "91.20%", "record": "x" * 40}


def test_a_row_that_does_not_fit_has_one_field_a_line():
    for text in (layout.one(ROW, 80), layout.one(ROW, None), layout.many([ROW], 80)):
        assert [line.split()[0] for line in text.splitlines()] == list(ROW)
    assert len(layout.one(ROW, 120).splitlines()) == 2
    assert len(layout.many([ROW, ROW], None).splitlines()) == 3
    assert layout.many([ROW, ROW], 80).count("gmp_uniform") == 2


def test_nothing_that_is_shown_can_steer_a_terminal():
    assert printable("a\x1b[31m\u202eb\nc\udcff") == "a\\x1b[31m\\u202eb\\nc\\udcff"
    assert printable("ünï 日本") == "ünï 日本"
    assert "\x1b" not in refused("run", "method=\x1b[31m")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_are_no_reason_to_fail(tmp_path, closed):
    def close():
        for number in closed:
            os.close(number)

    (tmp_path / "records").mkdir()
    done = sparsebench(
        "leaderboard", f"output={tmp_path}", preexec_fn=close, capture_output=False, stdout=subprocess.DEVNULL
    )
    assert done.returncode == 0
    assert (tmp_path / "leaderboard.md").exists()


def test_output_that_cannot_be_written_is_an_error_in_one_line():
    with open("/dev/full", "w") as full:
        done = sparsebench("list", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "sparsebench: No space left on device\n")


def test_checking_a_folder_without_records_is_a_mistake(tmp_path):
    assert "holds no records" in refused("check", str(tmp_path))


def test_a_reader_that_goes_away_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m harness.cli list | head -1", shell=True, cwd=ROOT, capture_output=True, check=True
    )
    assert done.stderr == b""


@pytest.mark.parametrize("name", ["ünï a=b (x)#[y]", "[a, b]", "it's ${x},{z}"])
def test_a_path_is_a_path_in_every_command(tmp_path, name):
    output = tmp_path / name
    (output / "records").mkdir(parents=True)
    assert sparsebench("leaderboard", f"output={output}").returncode == 0
    assert (output / "leaderboard.md").exists()
    assert f"{str(output)!r} holds no records" in refused("check", str(output))
    assert main.parse(["run", f"output={output}"]).overrides == [f"output={output}"]
