"""Several processes on one output folder: each run has one owner, and no record is lost or made worse."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from faults import outcome, planned, records, start, using, wait_until

from harness.errors import UsageError
from harness.executors.base import Finished, Progressed
from harness.executors.execute import anew, execute
from harness.executors.local import LocalExecutor
from harness.executors.owner import TakenError, own
from harness.machine import holder, leases, locks
from harness.machine.lease_files import after, chain, make
from harness.machine.leases import LostError
from harness.plan.planned import plan
from harness.runners import processes

SUITE = ("suite", "--suite", "smoke", "method=[static,rigl]", "seed=[0,1]", "budget=epochs:1", "runner=local")

HOLD = """
import sys, time
from pathlib import Path
from harness.executors.owner import own
with own(Path(sys.argv[1]), print):
    print("mine", flush=True)
    time.sleep(600)
"""


def ignore(message):
    """Take an event and do nothing."""


@contextlib.contextmanager
def owned_by_another(folder):
    """Have another process own a run."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "mine\n"
            yield other
        finally:
            other.kill()


def test_three_processes_on_one_folder_lose_and_worsen_nothing(tmp_path):
    started = [start(*SUITE, f"output={tmp_path}") for _ in range(3)]
    printed = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], printed
    found = records(tmp_path)
    assert len(found) == 4
    assert {record["status"] for record in found} == {"done"}
    assert not any(record["provenance"]["resumed"] for record in found)
    assert not list((tmp_path / "runs").iterdir())
    assert using(tmp_path) == set()
    waited = re.findall(r"is being trained by process (\d+) of ", "".join(printed))
    assert set(waited) <= {str(process.pid) for process in started}


def test_a_suite_takes_over_where_a_killed_one_has_left_off(tmp_path):
    """Two suites on the same runs; the one that trains is killed with SIGKILL, and the other one resumes its run."""
    command = ("suite", "--suite", "smoke", "method=static", "seed=[0,1]", "budget=epochs:60", "runner=local")
    command += ("checkpoint_seconds=0.2", f"output={tmp_path}")
    first = start(*command)
    wait_until(lambda: list(tmp_path.glob("runs/*/checkpoint.pt")))
    (taken,) = (path.parent.name for path in tmp_path.glob("runs/*/checkpoint.pt"))
    second = start(*command)
    lines = iter(second.stdout.readline, "")
    said = next(line for line in lines if "is being trained by process" in line)
    assert f"{taken} is being trained by process {first.pid} of " in said
    first.kill()
    first.communicate()
    printed = second.communicate(timeout=240)[0]
    assert second.returncode == 0, printed
    found = records(tmp_path)
    assert [record["status"] for record in found] == ["done", "done"]
    assert {record["key"]: record["provenance"]["resumed"] for record in found}[taken]
    assert not list((tmp_path / "runs").iterdir())


def test_the_other_one_waits_says_for_whom_and_trains_nothing(tmp_path):
    run, told = planned(tmp_path), []
    trained = execute(run, ignore)
    trained.path.rename(tmp_path / "record")

    def publish(message):
        told.append(message)
        if len(told) == 3:
            (tmp_path / "record").rename(trained.path)
            other.kill()

    with owned_by_another(run.folder) as other:
        ended = execute(run, publish)
    assert (ended.status, ended.trained) == ("done", False)
    assert ended.record == trained.record
    owner = rf"process {other.pid} of '.+' on '.+' since 2\S+Z"
    assert re.fullmatch(rf"{run.key} is being trained by {owner}: waiting for it", told[0]["text"])
    assert {message["event"] for message in told[1:]} == {"waiting"}


def test_a_lease_does_not_outlive_its_killed_owner(tmp_path):
    run = planned(tmp_path)
    with owned_by_another(run.folder) as other:
        with pytest.raises(TakenError, match=f"by process {other.pid} of"):
            execute(run, ignore, wait=False)
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert run.folder.with_name(f"{run.key}.lease").exists()
        assert execute(run, ignore, wait=False).status == "done"
    assert not list((tmp_path / "runs").iterdir())


def test_a_run_that_another_machine_took_over_is_dropped_and_publishes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    run, taken = planned(tmp_path, budget="epochs:5000"), []
    path = run.folder.with_name(f"{run.key}.lease")

    def take_over(message):
        if message["event"] == "progress" and not taken:
            taken.append(message)
            (mine,) = chain(path)
            about = {**holder.claim("f" * 16), "host": "far", "space": "another machine"}
            os.close(make(after(path, mine), about, 60))

    with pytest.raises(LostError, match="taken over by another process"):
        execute(run, take_over)
    assert not list(tmp_path.glob("records/*"))
    assert not (run.folder / "record.json").exists()  # killed, since what it wrote might be among the other's files
    assert chain(path)[-1].host == "far"
    assert processes.unfinished() == []
    with pytest.raises(TakenError, match="on 'far' since"):
        execute(run, ignore, wait=False)


def test_a_run_of_a_machine_that_died_is_taken_over_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    run = planned(tmp_path, budget="epochs:300")

    def stop(message):
        if message["event"] == "progress":
            raise KeyboardInterrupt

    execute(run, stop)
    path = run.folder.with_name(f"{run.key}.lease")
    os.close(make(path, {**holder.claim("f" * 16), "host": "far", "space": "another machine"}, 60))
    os.utime(path, (0, 0))
    executor = LocalExecutor()
    executor.submit([[run]])
    *events, last = executor.events()
    assert any("on 'far' since" in event.message.get("text", "") for event in events if isinstance(event, Progressed))
    assert (last.status, last.record["provenance"]["resumed"]) == ("done", True)
    assert not list((tmp_path / "runs").iterdir())


def test_a_wait_can_be_interrupted(tmp_path):
    run = planned(tmp_path)

    def interrupt(message):
        if message["event"] == "waiting":
            raise KeyboardInterrupt

    with owned_by_another(run.folder), pytest.raises(KeyboardInterrupt):
        execute(run, interrupt)


def test_an_executor_trains_other_runs_first_and_can_be_cancelled(tmp_path):
    taken, free = planned(tmp_path, "static"), planned(tmp_path, "dense")
    executor, seen = LocalExecutor(), []
    with owned_by_another(taken.folder):
        executor.submit([[taken], [free]])
        for event in executor.events():
            seen.append(event)
            if isinstance(event, Finished) and event.planned is free:
                executor.cancel()
    ended = {event.planned.key: event.status for event in seen if isinstance(event, Finished)}
    assert ended == {free.key: "done", taken.key: "interrupted"}
    said = [event.message["text"] for event in seen if isinstance(event, Progressed) and event.planned is taken]
    assert len(said) == 1
    assert said[0].endswith(": other runs come first")


def test_threads_of_one_process_exclude_each_other_too(tmp_path):
    with own(tmp_path / "key", ignore), pytest.raises(TakenError), own(tmp_path / "key", ignore, wait=False):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_taken_and_given_back_all_the_time_is_held_by_one(tmp_path):
    inside, most, rounds = [], [], 60

    def take():
        for _ in range(rounds):
            while (handle := locks.acquire(tmp_path / "lock")) is None:
                pass
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            locks.release(handle, tmp_path / "lock")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (max(most), len(most)) == (1, 4 * rounds)


def test_what_came_into_being_since_the_plan_is_not_trained_again(tmp_path):
    early = planned(tmp_path)
    trained = execute(planned(tmp_path), ignore)
    again = execute(early, ignore)
    assert (again.trained, again.record) == (False, trained.record)
    forced = execute(anew(early), ignore)
    assert forced.trained
    assert outcome(forced.record) == outcome(trained.record)


@pytest.mark.parametrize("what", ["its folder", "a dangling link", "the lease"])
def test_a_working_folder_that_is_a_link_is_refused(what, tmp_path):
    run = planned(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    if what != "a dangling link":
        elsewhere.mkdir()
    path = run.folder.with_name(f"{run.key}.lease") if what == "the lease" else run.folder
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(UsageError, match=r"is a link to|cannot be written to"):
        execute(run, ignore)
    assert not elsewhere.exists() or not list(elsewhere.iterdir())


def test_a_link_is_not_followed_by_force(tmp_path):
    run = planned(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("kept")
    run.folder.parent.mkdir()
    run.folder.symlink_to(tmp_path / "elsewhere")
    assert execute(anew(run), ignore).status == "done"
    assert (tmp_path / "elsewhere" / "mine").read_text() == "kept"


def test_a_process_that_a_killed_harness_left_is_waited_for(tmp_path):
    """Its checkpoint is written while the next one has begun already."""
    (run,) = plan([planned(tmp_path, budget="steps:1000000").run])
    folder = run.folder
    program = (
        "import sys; sys.path[:0] = ['tests', 'tests/faults']\n"
        "from faults import planned\nfrom harness.executors.execute import execute\n"
        f"execute(planned({str(tmp_path)!r}, budget='steps:1000000'), lambda message: print(message, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        while "'progress'" not in harness.stdout.readline():
            pass
        (child, *_) = using(folder) - {harness.pid}
        os.kill(child, signal.SIGSTOP)  # slow to end
        harness.kill()
        harness.wait()
    told = []

    def follow(message):
        told.append(message)
        if "left from an earlier try" in message.get("text", ""):
            os.kill(child, signal.SIGCONT)
        if message["event"] == "progress":
            raise KeyboardInterrupt

    ended = execute(run, follow)
    assert any("left from an earlier try" in message.get("text", "") for message in told)
    assert ended.record["provenance"]["resumed"]
    assert json.loads((folder / "record.json").read_text())["cost"]["steps"] > 0
    assert processes.unfinished() == []
