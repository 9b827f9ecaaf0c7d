"""The local executor: events for each run, cancelling, and what is trained again."""

import dataclasses
import json
import re

import pytest
from runs import small

from harness.errors import UsageError
from harness.executors.base import Finished, Progressed, Started
from harness.executors.execute import anew, execute
from harness.executors.local import LocalExecutor
from harness.executors.publishing import publish
from harness.plan.planned import plan


def planned(tmp_path, *methods, **more):
    runs = [dataclasses.replace(small(method, **more), output=str(tmp_path)) for method in methods]
    return plan(runs)


def train(runs, executor=None):
    executor = executor or LocalExecutor()
    executor.submit([[run] for run in runs])
    return list(executor.events())


def test_every_run_is_started_progresses_and_finishes_once(tmp_path):
    runs = planned(tmp_path, "dense", "static", "rigl")
    events = train(runs, LocalExecutor(jobs=2))
    for run in runs:
        mine = [event for event in events if event.planned is run]
        assert isinstance(mine[0], Started)
        assert isinstance(mine[-1], Finished)
        assert {type(event) for event in mine[1:-1]} == {Progressed}
        assert (mine[-1].status, mine[-1].trained) == ("done", True)
        assert json.loads(mine[-1].path.read_text())["code"] == run.identity.code


def test_a_finished_run_is_never_retrained(tmp_path):
    train(planned(tmp_path, "static"))
    (again,) = planned(tmp_path, "static")
    assert again.done
    (event,) = train([again])
    assert (event.status, event.trained) == ("done", False)


def test_what_is_cancelled_ends_and_the_rest_does_not_begin(tmp_path):
    runs = planned(tmp_path, "dense", "static", budget="epochs:5000")
    executor = LocalExecutor()
    executor.submit([[run] for run in runs])
    ended = []
    for event in executor.events():
        if isinstance(event, Progressed):
            executor.cancel()
        if isinstance(event, Finished):
            ended.append(event)
    assert [event.status for event in ended] == ["interrupted", "interrupted"]
    assert ended[0].record["status"] == "interrupted"
    assert ended[1].record is None
    assert (runs[0].folder / "checkpoint.pt").exists()


def test_an_error_of_configuration_is_raised_once_every_run_has_ended(tmp_path):
    (run, other) = planned(tmp_path, "dense", "static")
    (tmp_path / "runs").write_text("not a folder")
    executor = LocalExecutor()
    executor.submit([[run], [other]])
    with pytest.raises(UsageError, match="cannot be made"):
        list(executor.events())


def test_a_settled_record_is_not_replaced_by_one_that_is_not(tmp_path):
    (run,) = planned(tmp_path, "static", budget="epochs:300")
    done = execute(dataclasses.replace(run), lambda message: None)
    assert done.status == "done"
    before = done.path.read_bytes()
    told = []

    def stop(message):
        told.append(message)
        if message["event"] == "progress":
            raise KeyboardInterrupt

    again = execute(anew(run), stop)
    assert again.status == "interrupted"
    assert done.path.read_bytes() == before
    assert any("stays" in message.get("text", "") for message in told)


@pytest.mark.parametrize("status", ["invalid", "diverged", "failed", "interrupted"])
def test_a_done_record_is_not_replaced_by_a_worse_one(status, tmp_path):
    (run,) = planned(tmp_path, "static")
    done = execute(run, lambda message: None)
    before = done.path.read_bytes()
    told = []
    worse = {**done.record, "status": status, "reason": "it went wrong"}
    assert publish(run, worse, run.folder, told.append) == done.path
    assert done.path.read_bytes() == before
    assert told == [{"event": "log", "text": f"{done.path.name}, which is done, stays: this time it went wrong"}]


def test_who_waits_for_a_run_alone_says_so(tmp_path):
    (theirs,) = planned(tmp_path, "static", budget="epochs:5000")
    (mine,) = planned(tmp_path, "static", budget="epochs:5000")
    other, executor = LocalExecutor(), LocalExecutor()
    other.submit([[theirs]])
    events = other.events()
    next(event for event in events if isinstance(event, Progressed) and event.message["event"] == "progress")
    executor.submit([[mine]])
    waiting = executor.events()
    said = next(event.message["text"] for event in waiting if isinstance(event, Progressed))
    assert re.fullmatch(rf"{mine.key} is being trained by process \d+ of .* on .* since .*: waiting for it", said)
    executor.cancel()
    assert [event.status for event in waiting if isinstance(event, Finished)] == ["interrupted"]
    other.cancel()
    list(events)
