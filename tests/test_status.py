"""Where a suite stands: `sparsebench status`, from the files of its output folder alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from records import board

from harness.cli import main, status
from harness.errors import UsageError
from harness.executors.state import state
from harness.machine import holder
from harness.machine.lease_files import make
from harness.machine.leases import STALE_SECONDS, acquire
from harness.places import ROOT
from harness.plan import listing
from harness.plan.listing import Listed
from harness.records import load, record_name, write
from harness.records.heads import read_head

SUITE = ("--suite", "smoke", "method=[static,rigl]", "seed=0", "budget=epochs:1", "runner=local")
HOUR = 3600


@pytest.fixture
def made(tmp_path):
    """Eight runs of a suite; return what writes the record of one of them, with a status."""
    (tmp_path / "records").mkdir()
    (tmp_path / "runs").mkdir()
    records = board(seeds=(0, 1), sparsities=(0.9,))[:8]
    runs = [
        Listed(record["key"], record_name(record), f"run {number}", record["method"], "digits/convnet")
        for number, record in enumerate(records)
    ]
    listing.write(tmp_path, "smoke", [f"output={tmp_path}"], runs)

    def publish(number, status="done", reason=None):
        record = {**records[number], "status": status, "reason": reason}
        write(record, tmp_path / "records" / runs[number].file)
        return record

    publish.runs = runs
    return publish


def told(capsys, *arguments):
    given = main.parse(["status", "smoke", *arguments])
    assert given.call(given) == 0
    return capsys.readouterr()


def lease(output, key, seconds_ago=0.0, **more):
    """Leave the lease of a process on another machine."""
    path = output / "runs" / f"{key}.lease"
    about = {**holder.claim("a" * 16), "host": "far", "user": "ada", "pid": 77, "space": "there", **more}
    os.close(make(path, about, 60))
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


def test_every_run_is_in_one_list(made, tmp_path, capsys):
    done = [made(number) for number in range(3)]
    made(3, "failed", "ValueError: broken")
    made(4, "interrupted", "told to stop")
    made(5, "diverged", "the loss is not finite")
    lease(tmp_path, made.runs[6].key, step=40, progress=0.25)
    found = state(tmp_path, made.runs)
    assert found.done == made.runs[:3]
    assert [run for run, _ in found.failed] == [made.runs[3], made.runs[5]]
    assert [head.reason for _, head in found.failed] == ["ValueError: broken", "the loss is not finite"]
    assert [one.run for one in found.running] == [made.runs[6]]
    assert found.waiting == [made.runs[4], made.runs[7]]
    assert not found.over
    assert found.seconds == pytest.approx(sum(load(path)["cost"]["seconds"]["total"] for path in paths(tmp_path)))
    mean = sum(record["cost"]["seconds"]["total"] for record in done) / 3
    assert found.seconds_left == pytest.approx(2.75 * mean)
    text = told(capsys, f"output={tmp_path}").out
    assert "8 runs, planned 2" in text
    for line in ("done     3", "running  1", "waiting  2", "failed   2", "1 failed: ValueError: broken"):
        assert line in text
    assert "running: run 6: process 77 of 'ada' on 'far' since 2" in text
    assert ", step 40 (25%)" in text


def paths(output):
    return list((output / "records").iterdir())


def test_json_says_the_same(made, tmp_path, capsys):
    made(0)
    made(1, "failed", "broken")
    lease(tmp_path, made.runs[2].key, step=40, progress=0.25)
    found = json.loads(told(capsys, f"output={tmp_path}", "--json").out)
    assert (found["suite"], found["runs"], found["done"], found["waiting"]) == ("smoke", 8, 1, 5)
    (running,) = found["running"]
    assert {name: running[name] for name in ("key", "run", "user", "host", "pid", "step", "progress")} == {
        "key": made.runs[2].key,
        "run": "run 2",
        "user": "ada",
        "host": "far",
        "pid": 77,
        "step": 40,
        "progress": 0.25,
    }
    assert 0 <= running["silent_seconds"] < HOUR
    assert found["failed"] == [{"key": made.runs[1].key, "run": "run 1", "status": "failed", "reason": "broken"}]
    assert found["cost"]["train_flops"] > 0


def test_a_run_whose_process_has_ended_waits(made, tmp_path, capsys):
    made(0, "failed", "ended by SIGKILL")  # tried again since
    lease(tmp_path, made.runs[0].key, 2 * STALE_SECONDS)
    gone = {"pid": os.getpid(), "space": holder.claim("a" * 16)["space"], "started": "1"}
    lease(tmp_path, made.runs[1].key, **gone)
    held = acquire(tmp_path / "runs" / f"{made.runs[2].key}.lease")
    found = state(tmp_path, made.runs)
    held.release()
    assert [one.run for one in found.lost] == made.runs[:2]
    assert [one.run for one in found.running] == [made.runs[2]]
    assert (len(found.waiting), found.failed) == (7, [])
    text = told(capsys, f"output={tmp_path}").out
    assert "waiting  8, 2 of them left by a process that has ended" in text


def test_a_settled_record_counts_although_its_lease_is_still_there(made, tmp_path):
    made(0)
    made(1, "failed", "broken")
    for run in made.runs[:2]:
        lease(tmp_path, run.key)
    found = state(tmp_path, made.runs)
    assert (found.done, [one.run for one in found.running]) == ([made.runs[0]], [made.runs[1]])


def test_a_folder_with_nothing_in_it_has_everything_waiting(made, tmp_path):
    found = state(tmp_path / "elsewhere", made.runs)
    assert (found.waiting, found.seconds_left, found.train_flops) == (made.runs, None, 0)


def test_time_left_is_that_of_the_same_row_where_there_is_one(made, tmp_path):
    first, second = made(0), made(1)
    runs = [made.runs[0], made.runs[1]]
    runs += [Listed("k", "k.json", "t", made.runs[0].row, "digits/convnet"), Listed("l", "l.json", "t", "new", "other")]
    took = [record["cost"]["seconds"]["total"] for record in (first, second)]
    row = took[0] if made.runs[0].row != made.runs[1].row else sum(took) / 2
    assert state(tmp_path, runs).seconds_left == pytest.approx(row + sum(took) / 2)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results" / "records").glob("*.json"))[::20], ids=lambda path: path.name
)
def test_a_head_says_what_the_record_says(path, tmp_path):
    record = load(path)
    wanted = (
        *(record["key"], record["status"], record["reason"]),
        *(record["cost"]["seconds"]["total"], record["cost"]["train_flops"]),
    )
    assert read_head(str(path)) == wanted
    (tmp_path / "indented.json").write_text(json.dumps(record, indent=1))  # laid out in another way
    assert read_head(str(tmp_path / "indented.json")) == wanted


@pytest.mark.parametrize("content", ["", "{}", '{\n"key": 1,\n"status": "done",\n', "[1]", "\x00"])
def test_what_is_no_record_has_no_head(content, tmp_path):
    (tmp_path / "x.json").write_text(content)
    assert read_head(str(tmp_path / "x.json")) is None
    assert read_head(str(tmp_path / "none.json")) is None


def test_listings_are_found_by_their_overrides_or_all_together(tmp_path):
    runs = [Listed(str(number), f"{number}.json", "title", "row", "task") for number in range(3)]
    listing.write(tmp_path, "smoke", ["seed=0", "method=rigl", "output=a"], runs[:2])
    listing.write(tmp_path, "smoke", ["method=set"], runs[1:])
    listing.write(tmp_path, "smoke", ["method=set"], runs[1:])
    listing.write(tmp_path, "other", [], [Listed("x", "x.json", "title", "row", "task")])
    (tmp_path / "suites" / "smoke-damaged.json").write_text('{"suite": "smoke", "columns": [], "runs": 3')
    (tmp_path / "suites" / "smoke-older.json").write_text('{"suite": "smoke", "columns": ["key"], "runs": [["k"]]}')
    assert listing.read(tmp_path, "smoke", ["output=b", "method=rigl", "seed=0"])[1] == runs[:2]
    assert set(listing.read(tmp_path, "smoke", [])[1]) == set(runs)
    assert listing.read(tmp_path, "smoke", ["method=snip"]) is None
    assert listing.read(tmp_path / "none", "smoke", []) is None


def test_what_a_suite_puts_up_with_does_not_tell_it_from_another(made, tmp_path, capsys):
    """The command that started it is found again as it was typed."""
    listing.write(tmp_path, "smoke", ["seed=0"], made.runs[:3])
    found = json.loads(told(capsys, f"output={tmp_path}", "seed=0", "retries=5", "max_failures=3", "--json").out)
    assert found["runs"] == 3
    with pytest.raises(UsageError, match="retries"):
        told(capsys, f"output={tmp_path}", "retries=many")


def test_a_suite_that_does_not_exist_is_said(tmp_path):
    given = main.parse(["status", "smok", f"output={tmp_path}"])
    with pytest.raises(UsageError, match="did you mean 'smoke'"):
        given.call(given)


def test_a_suite_that_was_not_started_is_planned(tmp_path, capsys):
    found = told(capsys, f"output={tmp_path}", "method=[static,rigl]", "seed=[0,1]", "runner=local", "--json")
    assert "was not started in" in found.err
    assert json.loads(found.out)["waiting"] == 4
    assert not list(tmp_path.iterdir())


def command(*arguments):
    return [sys.executable, "-m", "harness.cli", *arguments]


def test_a_detached_suite_is_watched_until_it_is_done(tmp_path, capsys):
    output = f"output={tmp_path}"
    started = subprocess.run(
        command("suite", *SUITE, output, "--detach"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"sparsebench status smoke output={tmp_path} --follow" in started.stdout
    deadline = time.monotonic() + 120
    while listing.read(tmp_path, "smoke", []) is None:
        assert time.monotonic() < deadline, (tmp_path / "suites" / "smoke.log").read_text()
        time.sleep(0.1)
    # What it prints until the end, and what it imports for that.
    code = "import sys; from harness.cli.main import main; status = main(); print('torch' in sys.modules, status)"
    watched = subprocess.run(
        [sys.executable, "-c", code, "status", "smoke", output, "--follow", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *lines, last = watched.stdout.splitlines()
    assert last == "False 0"
    seen = [json.loads(line) for line in lines]
    assert (seen[-1]["done"], seen[-1]["runs"], seen[-1]["seconds_left"]) == (2, 2, 0)
    assert all(each["done"] + len(each["running"]) + each["waiting"] + len(each["failed"]) == 2 for each in seen)
    pid = int(started.stdout.split()[1])
    while Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline  # it makes the board yet
        time.sleep(0.1)
    assert "wrote" in (tmp_path / "suites" / "smoke.log").read_text()
    assert {load(path)["status"] for path in paths(tmp_path)} == {"done"}


def test_an_abbreviated_option_is_refused(capsys):
    """Else --det would start a suite that starts a suite, without end."""
    with pytest.raises(SystemExit) as refused:
        main.parse(["suite", *SUITE, "--det"])
    assert refused.value.code == 2
    assert "unrecognized arguments: --det" in capsys.readouterr().err


def test_a_detached_suite_says_what_is_misspelt_at_once(tmp_path):
    refused = subprocess.run(
        command("suite", "--suite", "smoke", "method=rigll", f"output={tmp_path}", "--detach"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "did you mean 'rigl'?" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_followed_is_printed_when_it_changes(made, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(status, "_SECONDS", 0.01)
    for number in range(8):
        made(number)
    assert told(capsys, f"output={tmp_path}", "--follow").out.count("done     8") == 1
