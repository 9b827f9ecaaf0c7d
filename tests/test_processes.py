"""Processes from the fork server: what they are told and tell, how they end, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from harness.places import ROOT
from harness.runners import processes
from harness.runners.processes import Process


@pytest.fixture
def started():
    """Start processes, and stop what is left of them afterwards."""
    made = []

    def start(function, *arguments):
        made.append(Process(function, *arguments).start())
        return made[-1]

    yield start
    for process in made:
        process.stop(grace=0)
    assert processes.unfinished() == []


def answer(outside, *arguments):
    outside.send(arguments)
    outside.send(outside.recv() + 1)
    return 7


def where(outside):
    outside.send((os.getcwd(), os.environ.get("WHERE"), os.getpid() == os.getpgid(0)))


def fail(outside, code):
    if code is None:
        raise ValueError("no such thing")
    sys.exit(code)


def sleep(outside, deaf=False):
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    outside.send(os.getpid())
    time.sleep(600)


def leave_a_child(outside):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    outside.send(child)


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid, seconds=20.0):
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_a_process_gets_its_arguments_talks_and_returns_its_exit_status(started):
    process = started(answer, "a", {"b": 1.5}, None)
    assert process.connection.recv() == ("a", {"b": 1.5}, None)
    process.connection.send(41)
    assert process.connection.recv() == 42
    assert process.wait(20)
    assert process.exitcode == 7


def test_a_process_has_the_folder_and_environment_of_this_moment_and_a_group_of_its_own(started, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("here", "there"):
        monkeypatch.setenv("WHERE", place)
        assert started(where).connection.recv() == (str(tmp_path), place, True)


@pytest.mark.parametrize(("code", "status"), [(0, 0), (3, 3), (None, 1), ("text", 1)])
def test_how_a_process_ends_by_itself(started, code, status):
    process = started(fail, code)
    assert process.wait(20)
    assert process.exitcode == status


def test_a_process_that_is_killed_says_by_what(started):
    process = started(sleep)
    assert process.connection.recv() == process.pid
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(20)
    assert process.exitcode == -signal.SIGKILL


def test_a_process_is_stopped_gracefully_and_then_by_force(started):
    for deaf, number in ((False, signal.SIGTERM), (True, signal.SIGKILL)):
        process = started(sleep, deaf)
        process.connection.recv()
        process.stop(grace=1.0)
        assert process.exitcode == -number


def test_what_a_process_forked_ends_with_it_and_does_not_delay_its_end(started):
    process = started(leave_a_child)
    child = process.connection.recv()
    assert process.wait(20)
    assert process.exitcode == 0
    assert gone(child)


def test_waiting_ends_with_the_process(started):
    process = started(fail, 0)
    deadline = time.monotonic() + 20
    while not process.wait(0) and time.monotonic() < deadline:
        wait([process, process.connection], 10)
    assert process.exitcode == 0


def test_a_server_that_was_killed_takes_its_processes_along_and_is_replaced(started):
    process = started(sleep)
    process.connection.recv()
    server = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    assert process.wait(20)
    assert process.exitcode == -signal.SIGKILL
    assert gone(process.pid)
    assert started(where).connection.recv()[2]


# A program with no `if __name__ == "__main__"`, as a notebook exported as a script has none.
PROGRAM = """
import os, sys, time
sys.path[:0] = [{tests!r}, {root!r}]
from test_processes import sleep
from harness.runners.processes import Process
process = Process(sleep).start()
print(process.connection.recv(), os.getppid(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_a_program_ends_its_processes_and_their_server(number, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.format(tests=str(Path(__file__).parent), root=str(ROOT)))
    command = [sys.executable, str(tmp_path / "program.py")]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    pid = int(program.stdout.readline().split()[0])
    server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert alive(pid)
    program.send_signal(number)
    program.wait(20)
    assert gone(pid)
    assert gone(server)
    assert program.stdout.read() == "", "the program ran once"
    program.stdout.close()
