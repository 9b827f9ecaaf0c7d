"""The command line as a person meets it: real processes, real data."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.records import load

ROOT = Path(__file__).parent.parent
SHORT = ("budget=epochs:2", "runner=local")


def sparsebench(*arguments, env=None, timeout=240, cwd=ROOT):
    command = [sys.executable, "-m", "harness.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=cwd, check=False
    )


def only_record(output):
    (path,) = (Path(output) / "records").glob("*.json")
    return load(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("method=granett",), ("granett", "allowed are", "did you mean 'granet'")),
        (("dataset=digit",), ("'digit'", "digits", "fashion_mnist")),
        (("model=resnet21",), ("resnet21", "resnet20")),
        (("budget=flop:1",), ("'flop'", "epochs, flops, seconds, steps")),
        (("budget.kind=epoch",), ("'epoch'", "did you mean 'epochs'")),
        (("sparsity=1",), ("sparsity 1.0", "[0, 1)")),
        (("sparsity=-0.1",), ("sparsity -0.1", "[0, 1)")),
        (("sparsity=nan",), ("sparsity nan",)),
        (("sparsity=many",), ("sparsity", "many")),
        (("budget=epochs:0",), ("budget.amount 0",)),
        (("budget=steps:-5",), ("budget.amount -5",)),
        (("budget=epochs:1e30",), ("1e+30", "largest")),
        (("budget=steps:1",), ("steps:1", "too small")),
        (("seed=-1",), ("seed -1",)),
        (("sparsityy=0.5",), ("sparsityy", "did you mean 'sparsity'")),
        (("method.intervall=5",), ("intervall", "did you mean 'interval'")),
        (("method.interval=-5",), ("method.interval", "-5")),
        (("method.fraction=2",), ("method.fraction", "[0, 1]")),
        (("method=static", "method.distribution=erc"), ("erc", "erk")),
        (("method=gmp_uniform", "sparsity=0.9999"), ("uniform", "first convolution")),
        (("dense_layers=[nothing]",), ("nothing",)),
        (("sparsity",), ("name=value",)),
        (("dataset=imagenet", f"dataset.root={ROOT}"), ("train", "imagenet")),
        (("output=/proc/nowhere",), ("/proc/nowhere",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_gets_one_line_that_names_it_and_exit_2(arguments, said):
    done = sparsebench("run", "runner=local", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr


def test_a_missing_data_set_says_where_it_was_looked_for_and_how_to_get_it(tmp_path):
    done = sparsebench("run", "dataset=cifar10", "runner=local", env={"HOME": str(tmp_path)})
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    for part in ("cifar10", "missing", str(tmp_path), "dataset.download=true"):
        assert part in line


def test_a_run_leaves_a_valid_record_and_a_row_and_is_not_trained_twice(tmp_path):
    done = sparsebench("run", *SHORT, f"output={tmp_path}")
    assert done.returncode == 0, done.stderr
    found = only_record(tmp_path)
    metrics = found["metrics"]
    assert found["status"] == "done"
    assert abs(metrics["active"] - 0.1 * metrics["maskable"]) <= 1
    assert metrics["nonzero"] <= metrics["active"]
    assert f"{metrics['test_accuracy']:.2%}" in done.stdout
    assert "granet" in (tmp_path / "leaderboard.md").read_text()
    assert not list((tmp_path / "runs").iterdir())
    again = sparsebench("run", *SHORT, f"output={tmp_path}")
    assert again.returncode == 0
    assert "done already" in again.stderr


SET = (*SHORT, "method=set")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The output of a run that is done."""
    output = tmp_path_factory.mktemp("finished")
    assert sparsebench("run", *SET, "seed=3", f"output={output}").returncode == 0
    return output


def test_the_same_key_gives_the_same_metrics_and_another_seed_others(finished, tmp_path):
    for folder, seed in (("again", 3), ("other", 4)):
        assert sparsebench("run", *SET, f"seed={seed}", f"output={tmp_path / folder}").returncode == 0
    first, second, other = map(only_record, (finished, tmp_path / "again", tmp_path / "other"))
    assert first["key"] == second["key"] != other["key"]
    for part in ("metrics", "curve", "topology"):
        assert first[part] == second[part]
    assert first["metrics"] != other["metrics"]


def test_a_broken_record_is_named_and_kept_and_the_rest_of_the_board_is_made(finished, tmp_path):
    shutil.copytree(finished / "records", tmp_path / "records")
    (tmp_path / "records" / "broken.json").write_text("{not json")
    (tmp_path / "records" / "old.json").write_text('{"schema": 0}')
    done = sparsebench("leaderboard", f"output={tmp_path}")
    assert done.returncode == 0
    assert "broken.json" in done.stderr
    assert "old.json" in done.stderr
    assert "| set " in (tmp_path / "leaderboard.md").read_text()
    assert (tmp_path / "records" / "broken.json").exists()


def test_a_loss_that_is_no_number_ends_the_run_as_diverged(tmp_path):
    done = sparsebench("run", *SHORT, "recipe.lr=1e12", "recipe.warmup_epochs=0", f"output={tmp_path}")
    assert done.returncode == 1
    assert only_record(tmp_path)["status"] == "diverged"
    assert "Traceback" not in done.stderr


def test_a_run_over_its_time_is_stopped_and_recorded_as_timeout(tmp_path):
    done = sparsebench("run", "budget=epochs:5000", "runner=local", "runner.timeout=8", f"output={tmp_path}")
    assert done.returncode == 1
    assert only_record(tmp_path)["status"] == "timeout"


def start(output, *more):
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "run",
        "budget=epochs:20",
        "runner=local",
        "checkpoint_seconds=0.5",
    ]
    return subprocess.Popen(
        [*command, f"output={output}", *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(pattern, folder, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = list(Path(folder).glob(pattern))
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in {folder} after {seconds} s")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The record of a run that nobody stopped."""
    output = tmp_path_factory.mktemp("whole")
    assert start(output).wait(180) == 0
    return only_record(output)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on_from_its_checkpoint_to_the_same_result(tmp_path, whole, how):
    process = start(tmp_path / "stopped")
    checkpoint = wait_for("runs/*/checkpoint.pt", tmp_path / "stopped")
    process.send_signal(how)
    process.wait(90)
    if how != signal.SIGKILL:
        assert process.returncode == 1
        assert only_record(tmp_path / "stopped")["status"] == "interrupted"
    else:  # the child notices that its harness is gone, writes a checkpoint and goes
        wait_for("runs/*/record.json", tmp_path / "stopped")
    assert checkpoint.exists()
    assert start(tmp_path / "stopped").wait(180) == 0
    resumed = only_record(tmp_path / "stopped")
    assert resumed["provenance"]["resumed"]
    assert not whole["provenance"]["resumed"]
    for part in ("metrics", "curve", "topology"):
        assert resumed[part] == whole[part]


def test_plan_needs_no_data_and_keeps_its_contract(tmp_path):
    done = sparsebench("plan", "--json", "dataset=imagenet", "method=static", env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    assert list(entry) == [
        *(
            "key",
            "method",
            "dataset",
            "model",
            "sparsity",
            "seed",
            "budget",
            "done",
            "why_not",
            "train_flops",
            "train_flops_ratio",
        ),
        *("inference_flops", "inference_flops_ratio", "dense_forward_flops", "layers", "notes", "estimated"),
    ]
    assert list(entry["layers"][0]) == ["name", "shape", "macs", "density"]


def test_a_suite_trains_what_is_missing_and_nothing_twice(tmp_path):
    suite = ("suite", "--suite", "smoke", "seed=0", "budget=epochs:1", "runner=local", f"output={tmp_path}")
    first = sparsebench(*suite, "method=[dense,rigl,gmp_uniform]", "--jobs", "2")
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / "records").glob("*.json"))) == 3
    second = sparsebench(*suite, "method=[dense,rigl,gmp_uniform,lr_rewind]")
    assert second.returncode == 0, second.stderr
    assert second.stderr.count("setting up") == 1
    unknown = sparsebench("suite", "--suite", "smok")
    assert unknown.returncode == 2
    assert "did you mean 'smoke'" in unknown.stderr


def example(name):
    text = (ROOT / "docs" / "own-method.md").read_text()
    return re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.DOTALL)[1]


def test_the_method_of_the_guide_installs_by_its_entry_point_and_runs(tmp_path):
    package, site = tmp_path / "prune-once", tmp_path / "site"
    package.mkdir()
    for name in ("prune_once.py", "pyproject.toml"):
        (package / name).write_text(example(name))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(package)], check=True, timeout=120)
    done = sparsebench(
        *("run", *SHORT, "method=prune_once", "method.at=0.5", f"output={tmp_path / 'results'}"),
        env={"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"},
    )
    assert done.returncode == 0, done.stderr
    found = only_record(tmp_path / "results")
    assert found["method"] == "prune_once"
    assert found["config"]["method"]["at"] == 0.5
    assert [entry["step"] for entry in found["topology"]] == [0, 21]
    shutil.rmtree(site)
    assert sparsebench("run", "method=prune_once", "runner=local").returncode == 2
