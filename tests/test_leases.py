"""Leases: one owner at a time of any number of processes, whatever dies, sleeps, or has another clock."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from harness.machine import holder, leases
from harness.machine.holder import Holder
from harness.machine.lease_files import after, chain, clock, make
from harness.machine.leases import Lease, LostError, acquire
from harness.places import ROOT

HOUR = 3600

RACE = """
import os, sys, time
from pathlib import Path
from harness.machine import leases
leases.HEARTBEAT_SECONDS, leases.STALE_SECONDS = 0.05, 0.2
name, rounds = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(rounds):
    while not isinstance(lease := leases.acquire(name), leases.Lease):
        time.sleep(0.001)
    os.close(os.open(f"{name}.inside", os.O_CREAT | os.O_EXCL))  # fails if another process is inside
    time.sleep(0.002)
    lease.confirm()
    os.unlink(f"{name}.inside")
    lease.release()
"""

HOLD = """
import sys, time
from pathlib import Path
from harness.machine import leases
leases.HEARTBEAT_SECONDS = 0.05
lease = leases.acquire(Path(sys.argv[1]))
lease.note(7, 0.5)
print(type(lease).__name__, flush=True)
time.sleep(600)
"""


@pytest.fixture
def name(tmp_path):
    """The file of a lease."""
    return tmp_path / "key.lease"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Beat fast and be stale soon, as far as a test waits for it."""
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(leases, "STALE_SECONDS", 5.0)


@contextlib.contextmanager
def program(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as started:
        try:
            yield started
        finally:
            started.kill()


def elsewhere(path, seconds_ago=0.0, token="f" * 16):
    """Make the lease of a process on another machine."""
    about = {**holder.claim(token), "host": "far", "pid": 1, "space": "another machine"}
    os.close(make(path, about, 60))
    then = clock(path.parent) - seconds_ago
    os.utime(path, (then, then))


def taken_over(name):
    """Have a process on another machine take a lease over, as it would when it has seen nothing of its owner."""
    (mine,) = chain(name)
    elsewhere(after(name, mine))


def try_for(name, seconds):
    """Try to get a lease; return what came of it."""
    deadline = time.monotonic() + seconds
    while isinstance(found := acquire(name), Holder) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("stale", [False, True], ids=["free", "stale"])
def test_of_many_processes_at_once_one_is_inside(name, stale):
    if stale:
        elsewhere(name, HOUR)
    with contextlib.ExitStack() as stack:
        racing = [stack.enter_context(program(RACE, name, 25)) for _ in range(6)]
        assert [each.stdout.readline() for each in racing] == ["ready\n"] * 6
        for each in racing:
            each.stdin.write("\n")
            each.stdin.flush()
        errors = [each.communicate(timeout=60)[1] for each in racing]
    assert errors == [""] * 6
    assert not list(name.parent.iterdir())


def test_of_many_threads_of_a_process_one_is_inside(name):
    inside, wrong = [], []

    def work():
        for _ in range(15):
            while not isinstance(lease := acquire(name), Lease):
                time.sleep(0.001)
            inside.append(lease)
            wrong.extend(inside[1:])
            time.sleep(0.002)
            try:
                lease.confirm()
            except LostError as error:
                wrong.append(error)
            inside.remove(lease)
            lease.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert not list(name.parent.iterdir())


def test_who_has_it_is_known_and_how_far(name):
    with program(HOLD, name) as other:
        assert other.stdout.readline() == "Lease\n"
        deadline = time.monotonic() + 10
        while not isinstance(found := acquire(name), Holder) or found.step != 7:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (found.pid, found.host, found.progress) == (other.pid, os.uname().nodename[:64], 0.5)
        assert str(found).startswith(f"process {other.pid} of ")
        assert str(found).endswith(", step 7")


def test_a_killed_owner_on_this_machine_is_followed_at_once(name):
    with program(HOLD, name) as other:
        assert other.stdout.readline() == "Lease\n"
        assert isinstance(acquire(name), Holder)
        other.kill()
        other.wait()
        lease = acquire(name)
    assert isinstance(lease, Lease)
    lease.release()
    assert not list(name.parent.iterdir())


def test_a_suspended_owner_on_this_machine_keeps_it(name, monkeypatch):
    monkeypatch.setattr(leases, "STALE_SECONDS", 0.1)
    with program(HOLD, name) as other:
        assert other.stdout.readline() == "Lease\n"
        other.send_signal(19)  # SIGSTOP
        assert isinstance(try_for(name, 0.6), Holder)


def test_another_process_that_got_its_id_owns_nothing(name):
    about = {**holder.claim("a" * 16), "pid": os.getppid(), "started": "1"}
    os.close(make(name, about, 60))
    lease = acquire(name)
    assert isinstance(lease, Lease)
    lease.release()


def test_what_a_thread_of_this_process_left_is_nobodys_but_what_it_holds_is_its(name):
    os.close(make(name, holder.claim("a" * 16), 60))
    lease = acquire(name)
    assert isinstance(lease, Lease)
    assert isinstance(acquire(name), Holder)
    lease.release()


def test_an_owner_elsewhere_keeps_it_as_long_as_it_is_heard_of(name):
    elsewhere(name, 1)
    assert isinstance(try_for(name, 0.5), Holder)


def test_one_that_was_not_heard_of_is_taken_over(name):
    elsewhere(name, HOUR)
    assert isinstance(acquire(name), Holder)  # seen once: it may be heard of again
    lease = try_for(name, 5)
    assert isinstance(lease, Lease)
    assert [one.token for one in chain(name)[:1]] == ["f" * 16]
    assert isinstance(acquire(name), Holder)
    lease.release()
    assert not list(name.parent.iterdir())


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_the_clock_of_this_machine_does_not_matter(name, skew, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    elsewhere(name, 1)
    assert isinstance(try_for(name, 0.5), Holder)
    elsewhere_again = clock(name.parent) - HOUR
    os.utime(name, (elsewhere_again, elsewhere_again))
    lease = try_for(name, 5)
    assert isinstance(lease, Lease)
    lease.release()


def test_a_clock_that_jumps_frees_nothing_that_is_renewed(name, monkeypatch):
    """A file server that was suspended: at first every lease looks old."""
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.2)
    elsewhere(name, HOUR)
    for _ in range(10):
        assert isinstance(acquire(name), Holder)
        time.sleep(0.1)
        old = name.stat().st_mtime + 0.1  # renewed, though still long ago
        os.utime(name, (old, old))


def test_an_owner_whose_lease_was_taken_over_is_told_and_removes_nothing(name):
    lease = acquire(name)
    lease.check()
    taken_over(name)
    with pytest.raises(LostError, match=r"key\.lease was taken over"):
        lease.confirm()
    with pytest.raises(LostError):
        lease.check()
    lease.release()
    assert chain(name)[-1].host == "far"
    assert isinstance(acquire(name), Holder)


def test_an_owner_that_cannot_renew_gives_up_before_it_may_be_taken_over(name, monkeypatch):
    monkeypatch.setattr(leases, "GIVE_UP_SECONDS", 0.3)
    monkeypatch.setattr(leases, "_WAIT_SECONDS", 0.1)
    lease = acquire(name)

    def gone(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(leases, "chain", gone)
    time.sleep(0.5)
    with pytest.raises(LostError):
        lease.check()
    monkeypatch.undo()
    lease.release()
    assert not list(name.parent.iterdir())


def test_an_owner_that_was_suspended_and_still_has_it_goes_on(name, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 600)
    lease = acquire(name)
    lease._renewed -= HOUR
    lease.check()
    lease.release()


def test_an_owner_whose_machine_has_slept_looks_before_it_goes_on(name, monkeypatch):
    """On Linux a sleep does not count for `time.monotonic`."""
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 600)
    lease = acquire(name)
    taken_over(name)
    lease.check()
    real = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + HOUR * (clock == time.CLOCK_BOOTTIME))
    with pytest.raises(LostError):
        lease.check()
    lease.release()


def test_a_lease_that_somebody_removes_is_made_again(name):
    lease = acquire(name)
    name.unlink()
    lease.confirm()
    assert isinstance(acquire(name), Holder)
    name.unlink()
    name.parent.rmdir()
    lease.confirm()
    assert isinstance(acquire(name), Holder)
    lease.release()
    assert not list(name.parent.iterdir())


def test_one_who_was_slow_to_decide_takes_nothing(name):
    """Between looking and taking over, the stale lease was taken over, given back, and taken again."""
    elsewhere(name, HOUR)
    (stale,) = chain(name)
    name.unlink()
    lease = acquire(name)
    os.close(make(after(name, stale), holder.claim("b" * 16), 60))  # what the slow one makes
    assert chain(name)[-1].token != "b" * 16
    lease.confirm()
    lease.release()


def test_a_file_system_without_links_serves_too(name, monkeypatch):
    def no_links(source, target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    lease = acquire(name)
    assert isinstance(acquire(name), Holder)
    lease.confirm()
    lease.release()
    assert not list(name.parent.iterdir())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b'{"token": "../../etc"}', b"\xff" * 5000])
def test_a_file_of_anybodys_is_a_lease_until_it_is_stale(name, content):
    name.write_bytes(content)
    assert str(acquire(name)) == "another process"
    os.utime(name, (0, 0))
    lease = try_for(name, 5)
    assert isinstance(lease, Lease)
    lease.release()


def test_leases_that_name_each_other_end(name):
    text = holder.claim("a" * 16)
    for path in (name, name.with_name(f"{name.name}-{'a' * 16}")):
        path.write_text(json.dumps(text))
    assert [one.token for one in chain(name)] == ["a" * 16]
