"""Methods that fork, loop and print without end, and harnesses that are ended: nothing outlives its run."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from faults import planned, records, start, using, wait_until

import methods
from harness import plugins
from harness.executors.base import Finished, Progressed
from harness.executors.execute import execute
from harness.executors.local import LocalExecutor
from harness.machine import logs
from harness.plan.planned import plan
from harness.runners.processes import unfinished

METHODS = '''
import os, signal, sys, time
from dataclasses import dataclass
from methods.baselines import Static


def sleep():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)


@dataclass
class Forks(Static):
    """Leaves a child, one in a session of its own, and one whose parent has ended."""

    def start(self, masks, target):
        super().start(masks, target)
        if os.fork() == 0:
            sleep()
        if os.fork() == 0:
            os.setsid()
            sleep()
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                sleep()
            os._exit(0)
        os.waitpid(child, 0)


@dataclass
class Loops(Static):
    """Never comes to training, deaf to everything but SIGKILL."""

    def start(self, masks, target):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(0.01)


@dataclass
class Closes(Loops):
    """Does so, and has closed every file but the one that it prints into."""

    def start(self, masks, target):
        os.closerange(3, 256)
        super().start(masks, target)


@dataclass
class Waits(Static):
    """Takes its time to set up."""

    def start(self, masks, target):
        super().start(masks, target)
        for _ in range(30):
            time.sleep(0.1)


@dataclass
class Prints(Static):
    """Prints a gigabyte."""

    def start(self, masks, target):
        super().start(masks, target)
        line = b"x" * ((1 << 20) - 1) + b"\\n"
        for _ in range(1024):
            os.write(1, line)
        print("the end")
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The file of METHODS."""
    path = tmp_path_factory.mktemp("methods") / "bad.py"
    path.write_text(METHODS)
    return path


@pytest.fixture
def misbehaving(file, tmp_path, monkeypatch):
    """Return what plans a run of a class of METHODS; one that is deaf is killed soon."""
    monkeypatch.setattr("harness.runners.local.GRACE_SECONDS", 4.0)

    def of(name, budget="steps:40"):
        source = f"{file}:{name}"
        run = planned(tmp_path / "output", budget=budget).run
        run.method = methods.build({"name": plugins.load("method", source)})
        run.plugins = {"method": source}
        (made,) = plan([run])
        return made

    yield of
    assert unfinished() == []


def nothing_is_left(output):
    """See that the processes of runs are gone; the fork server stays."""
    wait_until(lambda: not using(output), 30)


def test_children_of_a_method_neither_delay_its_end_nor_stay(misbehaving, tmp_path):
    run = misbehaving("Forks")
    run.run.runner.timeout = 60
    ended = execute(run, lambda message: None)
    assert ended.status == "done"
    nothing_is_left(tmp_path / "output")


def test_children_of_a_stopped_run_do_not_stay(misbehaving, tmp_path):
    def stop(message):
        if message["event"] == "progress":
            raise KeyboardInterrupt

    assert execute(misbehaving("Forks", budget="steps:1000000"), stop).status == "interrupted"
    nothing_is_left(tmp_path / "output")


@pytest.mark.parametrize("name", ["Loops", "Closes"])
def test_a_silent_run_can_be_cancelled(name, misbehaving, tmp_path):
    executor = LocalExecutor()
    executor.submit([[misbehaving(name)]])
    threading.Timer(3, executor.cancel).start()
    started = time.monotonic()
    events = list(executor.events())
    assert time.monotonic() - started < 30
    assert isinstance(events[-1], Finished)
    assert events[-1].status == "interrupted"
    assert any(isinstance(event, Progressed) and event.message == {"event": "waiting"} for event in events)
    nothing_is_left(tmp_path / "output")


def test_an_endless_loop_ends_with_its_time(misbehaving, tmp_path):
    run = misbehaving("Loops")
    run.run.runner.timeout = 3
    ended = execute(run, lambda message: None)
    assert (ended.status, ended.record["reason"]) == ("timeout", "over its 3 seconds")
    nothing_is_left(tmp_path / "output")


def test_a_run_that_is_stopped_in_its_set_up_ends(misbehaving, tmp_path):
    executor = LocalExecutor()
    executor.submit([[misbehaving("Waits", budget="steps:1000000")]])
    for event in executor.events():
        if isinstance(event, Progressed):
            executor.cancel()
    nothing_is_left(tmp_path / "output")
    assert {record["status"] for record in records(tmp_path / "output")} == {"interrupted"}


def test_a_log_of_a_gigabyte_is_cut_and_ends_in_time(misbehaving, tmp_path):
    run, sizes = misbehaving("Prints"), []
    log = run.folder / "log.txt"

    def look(message):
        sizes.append(log.stat().st_size)
        if message["event"] == "done":
            sizes.append((log.stat().st_size, logs.last_line(log)))

    started = time.monotonic()
    assert execute(run, look).status == "done"
    assert time.monotonic() - started < 60
    *_, (size, last) = sizes
    assert (size < 2 * logs.LARGEST, last) == (True, "the end")
    nothing_is_left(tmp_path / "output")


def children(pid):
    """The processes that a process has started, and those that these have started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(stat.parts[2]), *children(int(stat.parts[2]))]
    return found


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def suite(output, method="static", budget="epochs:5000"):
    overrides = (f"method=[{method}]", "seed=[0,1,2]", f"budget={budget}", "runner=local", f"output={output}")
    return start("suite", "--suite", "smoke", "--jobs", "2", *overrides)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_suite_that_is_told_to_end_leaves_checkpoints_and_nothing_else(number, tmp_path):
    process = suite(tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("runs/*/training.lock"))) == 2)
    time.sleep(1)
    started = children(process.pid)
    assert len(started) >= 3  # the server, and two runs
    process.send_signal(number)
    assert process.wait(90) == 1
    wait_until(lambda: not any(alive(pid) for pid in started), 30)
    assert {record["status"] for record in records(tmp_path)} <= {"interrupted"}
    assert not list(tmp_path.glob("runs/*.lease*"))
    process.stdout.close()


@pytest.mark.parametrize("phase", ["import", "the server's import", "set-up"])
def test_a_killed_suite_leaves_nothing_in_any_phase(phase, tmp_path):
    process = suite(tmp_path)
    if phase == "import":
        time.sleep(0.5)
    elif phase == "the server's import":
        wait_until(lambda: children(process.pid))
    else:
        wait_until(lambda: len(list(tmp_path.glob("runs/*/training.lock"))) == 2)
    started = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    wait_until(lambda: not any(alive(pid) for pid in started), 90)
    nothing_is_left(tmp_path)
    process.stdout.close()
