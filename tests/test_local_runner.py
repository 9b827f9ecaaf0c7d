"""Runs in processes of this machine: what they may meet there, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import small
from test_processes import alive, gone

from harness import config
from harness.config import RunnerConfig
from harness.machine import logs
from harness.places import ROOT
from harness.runners import local
from harness.runners.local import LocalRunner
from harness.runners.processes import unfinished


def requested(folder, **fields):
    """Write the request of a short run; return its path."""
    run = small("static", **{"recipe": {"threads": 1}, **fields})
    run.graph = False
    request = {"config": config.to_dict(run), "key": "0" * 16, "runner": "local", "provenance": {}}
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    return path


def train(folder, *, timeout=None, on_event=lambda event: None, **fields):
    limits = RunnerConfig(name="local", timeout=timeout)
    ending = LocalRunner().run(requested(folder, **fields), folder, limits, on_event, folder / "log.txt")
    assert unfinished() == []
    return ending


def record(folder):
    return json.loads((folder / "record.json").read_text())


def instead(monkeypatch, function):
    """Have runs call a function of this file in the place of the worker."""
    monkeypatch.setattr(local, "_inside", function)


def test_a_run_leaves_its_record_and_tells_its_progress(tmp_path):
    events = []
    ending = train(tmp_path, on_event=events.append)
    assert (ending.status, ending.reason) == (None, None)
    assert ending.seconds > 0
    assert record(tmp_path)["status"] == "done"
    assert [event["event"] for event in events][-1] == "done"
    assert any(event["event"] == "progress" for event in events)


def test_a_run_over_its_time_is_stopped_and_keeps_its_checkpoint(tmp_path):
    assert train(tmp_path, timeout=6, budget="steps:1000000").status == "timeout"
    assert record(tmp_path)["status"] == "interrupted"
    assert (tmp_path / "checkpoint.pt").exists()


def test_an_interrupt_stops_the_run(tmp_path):
    def interrupt(event):
        if event["event"] == "progress":
            raise KeyboardInterrupt

    assert train(tmp_path, on_event=interrupt, budget="steps:1000000").status == "interrupted"
    assert (tmp_path / "checkpoint.pt").exists()


def leave_a_child(outside, request, folder, log, gpu):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    (folder / "child").write_text(str(child))


def test_a_child_that_a_method_left_neither_delays_the_end_nor_stays(tmp_path, monkeypatch):
    instead(monkeypatch, leave_a_child)
    assert train(tmp_path, timeout=60).status is None
    assert gone(int((tmp_path / "child").read_text()))


def print_much(outside, request, folder, log, gpu):
    with log.open("a") as file:
        for _ in range(20):
            file.write("x" * 1_000_000 + "\n")
            file.flush()
            time.sleep(0.05)
        file.write("the end " + "y" * 5_000_000)
    sys.exit(3)


def test_logs_and_reasons_are_bounded_and_keep_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "LARGEST", 4_000_000)
    instead(monkeypatch, print_much)
    ending = train(tmp_path)
    assert ending.status == "failed"
    assert len(ending.reason) < 1000
    assert ending.reason.endswith("yyy")
    assert (tmp_path / "log.txt").stat().st_size < 12_000_000


def end_by(outside, request, folder, log, gpu):
    os.kill(os.getpid(), int(os.environ["HOW"]))
    time.sleep(60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 1])
def test_a_run_that_is_killed_is_failed(tmp_path, monkeypatch, number):
    monkeypatch.setenv("HOW", str(int(number)))
    instead(monkeypatch, end_by)
    name = number.name if isinstance(number, signal.Signals) else f"signal {number}"
    assert (train(tmp_path).status, train(tmp_path).reason) == ("failed", f"ended by {name}")


def say_anything(outside, request, folder, log, gpu):
    for message in (b'{"event": "log"}', b'{"event": "progress", "step": "x"}', b"\xff"):
        outside.send_bytes(message)


def test_what_is_no_event_is_a_line(tmp_path, monkeypatch):
    instead(monkeypatch, say_anything)
    events = []
    train(tmp_path, on_event=events.append)
    lines = ['{"event": "log"}', '{"event": "progress", "step": "x"}', "\ufffd"]
    assert [event for event in events if event["event"] != "waiting"] == [
        {"event": "log", "text": line} for line in lines
    ]


# As a program of a user, without `if __name__ == "__main__"`.
PROGRAM = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from test_local_runner import record, train
print(train(Path(sys.argv[1]), budget=sys.argv[2]).status, record(Path(sys.argv[1]))["status"], flush=True)
"""


def program(folder, budget="steps:4", env=None, **more):
    path = folder / "program.py"
    path.write_text(PROGRAM.format(tests=str(Path(__file__).parent), root=str(ROOT)))
    command = [sys.executable, str(path), str(folder), budget]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, **more)


def environments(tmp_path):
    """Environments that runs have failed in."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    nobody = {name: value for name, value in os.environ.items() if name not in ("USER", "LOGNAME", "HOME")}
    return {"a long TMPDIR": {**os.environ, "TMPDIR": str(long)}, "no USER": nobody}


@pytest.mark.parametrize("which", ["a long TMPDIR", "no USER"])
def test_a_run_is_trained_in_any_environment(tmp_path, which):
    started = program(tmp_path, env=environments(tmp_path)[which])
    assert started.communicate(timeout=120)[0] == "None done\n"


def test_a_user_without_a_name_gets_one(monkeypatch):
    from harness.runners import processes

    def unknown(uid):
        raise KeyError(uid)

    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert processes._environment()["USER"] == f"uid{os.getuid()}"


def test_a_python_that_cannot_be_started_is_named(tmp_path):
    python = tmp_path / "python"
    python.write_text("")
    code = f"import sys; sys.executable = {str(python)!r}; from harness.cli.main import main; sys.exit(main())"
    words = ["run", "method=static", "dataset=digits", "budget=steps:2", "runner=local", f"output={tmp_path / 'out'}"]
    ended = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"sparsebench: {python}: cannot be used (Permission denied)"


def test_a_run_is_trained_where_the_standard_streams_are_closed(tmp_path):
    code = PROGRAM.format(tests=str(Path(__file__).parent), root=str(ROOT))
    command = f'exec "$0" -c "$1" {tmp_path} steps:4 <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", command, sys.executable, code], check=False, timeout=120)
    assert done.returncode in (0, 1)  # there is nowhere to print to
    assert record(tmp_path)["status"] == "done"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_harness_that_ends_leaves_a_checkpoint_and_no_process(tmp_path, number):
    started = program(tmp_path, budget="steps:1000000")
    deadline = time.monotonic() + 120
    while not (tmp_path / "log.txt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(2)  # until it trains
    before = processes_of(tmp_path)
    assert before
    started.send_signal(number)
    started.wait(20)
    assert all(gone(pid, 60) for pid in before)
    assert (tmp_path / "checkpoint.pt").exists()
    started.stdout.close()


def processes_of(folder):
    """The processes that hold a file of this folder open."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()).startswith(str(folder)):
                found.append(int(entry.parts[2]))
        except OSError:
            continue
    return sorted({pid for pid in found if alive(pid)})
