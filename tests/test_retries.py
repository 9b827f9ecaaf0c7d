"""Failures of the machine are tried again, those of a method are not; too many of any kind stop a suite."""

import errno
import os
import signal

import pytest
from runs import small

import methods
from harness import plugins
from harness.cli import limits, suite
from harness.errors import UsageError
from harness.executors import causes, execute, local
from harness.executors.base import Finished, Progressed, Started
from harness.executors.causes import MachineError
from harness.executors.local import LocalExecutor
from harness.machine import leases
from harness.plan.planned import plan
from harness.runners import processes

FAILING = '''
from dataclasses import dataclass
from methods.baselines import Static


@dataclass
class Fails(Static):
    """Fails as it starts."""

    def start(self, masks, target):
        raise ValueError("this method is broken")
'''


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Do not pause between two tries."""
    monkeypatch.setattr(local, "RETRY_SECONDS", 0.01)


@pytest.fixture
def failing(tmp_path, forgotten):
    """The file of a method that always fails, as ``method=`` takes it."""
    file = tmp_path / "failing.py"
    file.write_text(FAILING)
    return f"{file}:Fails"


def made(output, *seeds, source=None, budget="steps:40"):
    runs = []
    for seed in seeds:
        run = small("static", budget, seed=seed)
        if source is not None:
            run.method, run.plugins = methods.build({"name": plugins.load("method", source)}), {"method": source}
        run.output = str(output)
        runs.append(run)
    return plan(runs)


def train(runs, executor, at=None):
    """Train runs one after the other; return the events. ``at`` is called with each."""
    executor.submit([[run] for run in runs])
    seen = []
    for event in executor.events():
        seen.append(event)
        if at is not None:
            at(event)
    return seen


def ended(events):
    return [event for event in events if isinstance(event, Finished)]


def said(events):
    return [event.message["text"] for event in events if isinstance(event, Progressed) and "text" in event.message]


def kill(times):
    """Return what kills the process of a run as often as it begins to train, so many times."""
    left = [times]

    def at(event):
        if isinstance(event, Progressed) and event.message["event"] == "started" and left[0]:
            left[0] -= 1
            os.kill(processes.unfinished()[0].pid, signal.SIGKILL)

    return at


def test_a_killed_run_is_tried_again_and_done(tmp_path):
    (run,) = made(tmp_path, 0, budget="epochs:20")
    events = train([run], LocalExecutor(retries=1), kill(1))
    (last,) = ended(events)
    assert (last.status, last.trained) == ("done", True)
    assert said(events) == ["ended by SIGKILL: trying again, 1 of 1"]
    assert len([event for event in events if isinstance(event, Started)]) == 1


def test_it_is_tried_as_often_as_was_asked(tmp_path):
    (run,) = made(tmp_path, 0, budget="epochs:20")
    events = train([run], LocalExecutor(retries=2), kill(9))
    (last,) = ended(events)
    assert (last.status, last.record["reason"]) == ("failed", "ended by SIGKILL")
    assert len(said(events)) == 2


def test_a_method_that_fails_is_not_tried_again(tmp_path, failing):
    events = train(made(tmp_path, 0, source=failing), LocalExecutor(retries=2))
    (last,) = ended(events)
    assert last.status == "failed"
    assert "this method is broken" in last.record["reason"]
    assert not any("trying again" in text for text in said(events))


def test_too_many_failures_stop_the_rest(tmp_path, failing):
    runs = made(tmp_path, *range(6), source=failing)
    events = train(runs, LocalExecutor(max_failures=2))
    assert [event.status for event in ended(events)] == ["failed"] * 2 + ["interrupted"] * 4
    assert [event.record is None for event in ended(events)] == [False] * 2 + [True] * 4
    assert said(events)[-1] == "2 runs failed, so the others are stopped (max_failures)"


def test_records_that_exist_do_not_count_as_failures(tmp_path, failing):
    train(made(tmp_path, 0, source=failing), LocalExecutor())
    (again,) = made(tmp_path, 0, source=failing)
    (other,) = made(tmp_path, 1)
    executor = LocalExecutor(max_failures=2)
    assert [event.status for event in ended(train([again, other], executor))] == ["failed", "done"]


def test_a_failure_of_another_process_is_not_repeated(tmp_path, failing):
    """Both suites were planned before the run failed by itself in one of them."""
    first, second = made(tmp_path, 0, source=failing), made(tmp_path, 0, source=failing)
    train(first, LocalExecutor())
    (last,) = ended(train(second, LocalExecutor()))
    assert (last.status, last.trained) == ("failed", False)
    (planned_later,) = made(tmp_path, 0, source=failing)
    (last,) = ended(train([planned_later], LocalExecutor()))
    assert last.trained  # who starts it again wants it tried again


def test_a_stop_from_outside_is_the_machines(tmp_path):
    """A run that somebody tells to stop, as a cluster does, resumes."""
    (run,) = made(tmp_path, 0, budget="epochs:20")
    told = []

    def at(event):
        if isinstance(event, Progressed) and event.message["event"] == "progress" and not told:
            told.append(True)
            os.kill(processes.unfinished()[0].pid, signal.SIGTERM)

    events = train([run], LocalExecutor(retries=1), at)
    (last,) = ended(events)
    assert last.status == "done"
    assert last.record["provenance"]["resumed"]


def test_a_cancelled_suite_does_not_try_again(tmp_path):
    (run,) = made(tmp_path, 0, budget="epochs:5000")
    executor = LocalExecutor(retries=5)
    events = train([run], executor, lambda event: isinstance(event, Progressed) and executor.cancel())
    assert [event.status for event in ended(events)] == ["interrupted"]
    assert not any("trying again" in text for text in said(events))


def test_a_checkpoint_that_cannot_be_handed_over_is_no_failure_of_the_run_that_left_it(tmp_path):
    (successor,) = made(tmp_path / "out", 0)
    successor.folder.parent.mkdir(parents=True)
    successor.folder.symlink_to(tmp_path)
    checkpoint, told = tmp_path / "checkpoint", []
    checkpoint.touch()
    execute._hand_over(checkpoint, successor, told.append)
    assert told[0]["text"].startswith("the next run of the chain begins anew: ")
    assert checkpoint.exists()


def test_what_is_cancelled_before_it_is_tried_again_has_failed(tmp_path, monkeypatch):
    """Its record says so."""
    monkeypatch.setattr(local, "RETRY_SECONDS", 60)
    (run,) = made(tmp_path, 0, budget="epochs:20")
    executor, killed = LocalExecutor(retries=1), kill(1)

    def at(event):
        killed(event)
        if said([event]):
            executor.cancel()

    (last,) = ended(train([run], executor, at))
    assert (last.status, last.record["reason"]) == ("failed", "ended by SIGKILL")


def test_a_lease_that_could_not_be_renewed_is_not_anothers(tmp_path, monkeypatch):
    """Nobody else trains the run, so that it is not left to them."""
    for name, seconds in (("HEARTBEAT_SECONDS", 0.05), ("GIVE_UP_SECONDS", 0.3), ("_WAIT_SECONDS", 0.1)):
        monkeypatch.setattr(leases, name, seconds)
    (run,) = made(tmp_path, 0, budget="epochs:80")
    real, stale = leases.chain, []

    def chain(name):
        if stale == [True]:
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(name)

    def at(event):
        if isinstance(event, Progressed) and event.message["event"] == "progress" and not stale:
            stale.append(True)
        elif any("trying again" in text for text in said([event])):
            stale.append(False)

    monkeypatch.setattr(leases, "chain", chain)
    events = train([run], LocalExecutor(retries=9, wait=False), at)
    (last,) = ended(events)
    assert (last.status, stale[:2]) == ("done", [True, False])


@pytest.mark.parametrize(
    ("status", "reason", "of_machine"),
    [
        ("failed", "ended by SIGKILL", True),
        ("failed", "ended by SIGSEGV", False),
        ("failed", "the container engine went away during the run: connection refused", True),
        ("failed", "OSError: [Errno 28] No space left on device", True),
        ("failed", "ValueError: nan", False),
        ("failed", None, False),
        ("interrupted", "told to stop", True),
        ("timeout", "over its 3 seconds", False),
        ("out_of_memory", "killed by the kernel for lack of memory", False),
        ("diverged", "the loss is not finite", False),
        ("invalid", "81 weights are active", False),
        ("done", None, False),
    ],
)
def test_what_counts_as_a_failure_of_the_machine(status, reason, of_machine):
    assert causes.is_of_machine({"status": status, "reason": reason}) is of_machine


def test_a_full_disk_may_pass_and_a_missing_right_does_not():
    assert isinstance(causes.unwritable("x", OSError(28, "No space left on device")), MachineError)
    refused = causes.unwritable("output x: cannot be made", PermissionError(13, "Permission denied"))
    assert not isinstance(refused, MachineError)
    assert str(refused) == "output x: cannot be made (Permission denied)"


def test_limits_are_read_from_the_overrides_of_a_suite():
    found, rest = limits.read(["method=rigl", "retries=0", "max_failures=3", "seed=0"], wait=False)
    assert found == limits.Limits(retries=0, max_failures=3, wait=False)
    assert rest == ["method=rigl", "seed=0"]
    assert limits.read([], wait=True) == (limits.Limits(retries=2, max_failures=None, wait=True), [])


@pytest.mark.parametrize("override", ["retries=-1", "retries=101", "retries=many", "max_failures=0", "max_failures="])
def test_a_limit_that_is_none_is_refused_by_name(override):
    with pytest.raises(UsageError, match=override.partition("=")[0]):
        limits.read([override], wait=True)


def test_a_suite_sums_up_by_reason(tmp_path, failing, capsys):
    events = train(made(tmp_path, 0, 1, 2, source=failing), LocalExecutor(max_failures=2))
    assert suite._status(ended(events), 3) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "3 of 3 runs are not done (2 failed, 1 interrupted); the board lists why"
    assert lines[1].startswith("  2 failed: ValueError: this method is broken")
    assert lines[2] == "  1 interrupted: not begun"


def test_runs_of_others_are_left_to_them_on_request(tmp_path):
    mine, theirs = made(tmp_path, 0), made(tmp_path, 0, budget="epochs:5000")
    other = LocalExecutor()
    other.submit([theirs])
    events = other.events()
    next(event for event in events if isinstance(event, Progressed) and event.message["event"] == "progress")
    (again,) = made(tmp_path, 0, budget="epochs:5000")
    left, done = ended(train([again, *mine], LocalExecutor(wait=False)))
    assert (left.status, left.trained, done.status) == ("elsewhere", False, "done")
    assert f"is being trained by process {os.getpid()} of " in left.left
    other.cancel()
    list(events)
