"""What watches jobs on other machines, with jobs that are threads of this process."""

import dataclasses
import queue
import threading

import pytest
from runs import small

from harness.errors import UsageError
from harness.executors import elsewhere
from harness.executors.base import Finished, Progressed, Started
from harness.executors.batch import Batch, Worker, packed
from harness.executors.elsewhere import Elsewhere
from harness.plan.planned import plan


class Threads:
    """An engine whose jobs are threads; `lose` has the next jobs end before they begin."""

    def __init__(self, folder, lose=0):
        self.folder, self.lose, self.jobs, self.avoided, self.closed = folder, lose, {}, [], None

    def submit(self, batches, avoid, *, again):
        names = []
        for batch in batches:
            told = queue.SimpleQueue()
            worker = Worker(Batch([[packed(run) for run in chain] for chain in batch], str(self.folder)), told.put)
            thread = threading.Thread(target=worker.train)
            told.put({"key": None, "event": "node", "name": f"node{len(self.jobs)}"})
            if self.lose:
                self.lose -= 1
            else:
                thread.start()
            names.append(str(len(self.jobs)))
            self.jobs[names[-1]] = thread, worker, told
        self.avoided.append(set(avoid))
        return names

    def heard(self, job):
        told = self.jobs[job][2]
        return [told.get() for _ in range(told.qsize())]

    def over(self, jobs):
        return {job: "a thread ended" for job in jobs if not self.jobs[job][0].is_alive()}

    def stop(self, jobs, *, kill):
        for job in jobs:
            self.jobs[job][1].stop()

    def close(self, *, tidy):
        self.closed = tidy


@pytest.fixture(autouse=True)
def often(monkeypatch, tmp_path):
    """Look often, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elsewhere, "LISTEN_SECONDS", 0.02)
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.05)


def planned(tmp_path, *methods, **more):
    return plan([dataclasses.replace(small(method, **more), output=str(tmp_path)) for method in methods])


def train(runs, engine, at=None, **more):
    """Train runs, two in a job; return the events. ``at`` is called with each and the executor."""

    def pack(chains):
        return [chains[start : start + 2] for start in range(0, len(chains), 2)]

    executor = Elsewhere(engine, pack, **more)
    executor.submit([[run] for run in runs])
    seen = []
    for event in executor.events():
        seen.append(event)
        if at is not None:
            at(event, executor)
    return seen


def ended(events):
    return {event.planned.key: event for event in events if isinstance(event, Finished)}


def said(events):
    return [event.message["text"] for event in events if isinstance(event, Progressed) and "text" in event.message]


def test_every_run_is_started_and_finishes_once(tmp_path):
    runs, engine = planned(tmp_path, "dense", "static", "rigl"), Threads(tmp_path)
    events = train(runs, engine)
    for run in runs:
        mine = [event for event in events if event.planned is run]
        assert isinstance(mine[0], Started)
        assert [(event.status, event.trained) for event in mine if isinstance(event, Finished)] == [("done", True)]
        assert mine[-1].path.exists()
    assert (len(engine.jobs), engine.closed) == (2, True)
    again = planned(tmp_path, "dense", "static", "rigl")
    events = train(again, engine)
    assert [(event.status, event.trained) for event in events] == [("done", False)] * 3
    assert len(engine.jobs) == 2


def test_a_lost_job_is_submitted_again_away_from_its_node(tmp_path):
    runs, engine = planned(tmp_path, "dense", "static", "set"), Threads(tmp_path, lose=1)
    events = train(runs, engine, retries=1)
    assert {event.status for event in ended(events).values()} == {"done"}
    assert said(events) == ["job 0 is over (a thread ended): submitted again, 1 of 1"] * 2
    assert engine.avoided == [set(), {"node0"}]
    assert engine.closed is False  # its log is kept


def test_a_job_that_is_lost_too_often_is_given_up(tmp_path):
    (run,) = planned(tmp_path, "static")
    events = train([run], Threads(tmp_path, lose=9), retries=2)
    assert ended(events)[run.key].record is None
    assert said(events)[-1] == "job 2 is over (a thread ended): given up"


def test_a_lost_job_that_cannot_be_packed_again_ends_the_suite_by_name(tmp_path):
    (run,) = planned(tmp_path, "static")
    packs = iter([[[[run]]]])

    def pack(chains):
        if (found := next(packs, None)) is None:
            raise UsageError("no machine is left")
        return found

    executor = Elsewhere(Threads(tmp_path, lose=1), pack, retries=1)
    executor.submit([[run]])
    seen = []
    with pytest.raises(UsageError, match="no machine is left"):
        seen.extend(executor.events())
    assert list(ended(seen)) == [run.key]


def test_what_is_cancelled_leaves_a_checkpoint_and_the_rest_does_not_begin(tmp_path):
    runs = planned(tmp_path, "dense", "static", budget="epochs:5000")

    def stop(event, executor):
        if isinstance(event, Progressed) and event.message["event"] == "progress":
            executor.cancel()

    events = train(runs, Threads(tmp_path), stop)
    first, second = (ended(events)[run.key] for run in runs)
    assert (first.status, second.record) == ("interrupted", None)
    assert first.record["status"] == "interrupted"
    assert (runs[0].folder / "checkpoint.pt").exists()


def test_too_many_failures_stop_the_rest(tmp_path):
    runs = planned(tmp_path, "dense", "static", "set", recipe={"lr": 1e12})
    events = train(runs, Threads(tmp_path), max_failures=1)
    statuses = [event.status for event in ended(events).values()]
    assert statuses[0] == "diverged"
    assert "1 runs failed, so the others are stopped (max_failures)" in said(events)
    assert len(statuses) == 3


def test_a_run_that_is_another_one_there_ends_the_suite(tmp_path, monkeypatch):
    runs = planned(tmp_path, "dense", "static")

    def changed(run, original=packed):
        plain = original(run)
        plain["settings"]["evaluations"] = 3
        return plain

    monkeypatch.setitem(globals(), "packed", changed)
    with pytest.raises(UsageError, match=r"dense 0 on synthetic/convnet, seed 0 \(.*\) is another run on"):
        train(runs, Threads(tmp_path))


def test_a_run_that_another_process_trains_is_waited_for(tmp_path):
    """Two suites at once in one folder: each run is trained once, and both see it done."""
    runs, more = planned(tmp_path, "static", budget="epochs:60"), planned(tmp_path, "static", budget="epochs:60")
    found = []
    other = threading.Thread(target=lambda: found.extend(train(more, Threads(tmp_path))))
    other.start()
    mine = train(runs, Threads(tmp_path))
    other.join()
    (one,), (two,) = ended(mine).values(), ended(found).values()
    assert (one.status, two.status) == ("done", "done")
    assert {one.trained, two.trained} == {True, False}
