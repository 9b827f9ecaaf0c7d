"""Batches: runs as plain data that another process trains, and how many of them share a job."""

import dataclasses
import pickle

import pytest
from runs import small

from harness.errors import UsageError
from harness.executors.batch import Batch, Worker, packed, unpacked
from harness.executors.jobs import batches, expected_seconds
from harness.plan.planned import plan


def planned(tmp_path, *methods, seed=0, **more):
    return plan([dataclasses.replace(small(method, seed=seed, **more), output=str(tmp_path)) for method in methods])


def sent(tmp_path, runs, **more):
    """Return a batch as it comes out of another process."""
    made = Batch([[packed(run)] for run in runs], str(tmp_path), **more)
    return pickle.loads(pickle.dumps(made))


def test_a_run_is_the_same_one_where_it_is_planned_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = planned("results", "dense", "rigl", "small_dense", "lth_rewind")
    again = [run for chain in unpacked(sent(tmp_path, runs).chains) for run in chain]
    assert [run.key for run in again] == [run.key for run in runs]
    assert all(run.run.recipe == asked.run.recipe for run, asked in zip(again, runs, strict=True))
    assert {run.run.output for run in again} == {str(tmp_path / "results")}


def test_a_worker_trains_each_run_once_and_tells(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = planned(tmp_path, "dense", "static")
    told = []
    assert sorted(Worker(sent(tmp_path, runs), told.append).train()) == sorted((run.key, "done") for run in runs)
    for run in runs:
        mine = [message for message in told if message["key"] == run.key]
        assert mine[0]["event"] == "taken"
        assert {**mine[-1], "key": ""} == {"key": "", "event": "ended", "status": "done", "trained": True, "left": None}
        assert {message["event"] for message in mine[1:-1]} <= {"progress", "log"}
    told.clear()
    Worker(sent(tmp_path, runs), told.append).train()
    assert [message["trained"] for message in told if message["event"] == "ended"] == [False, False]


def test_a_worker_that_is_stopped_leaves_checkpoints_and_the_next_resumes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = planned(tmp_path, "static", budget="epochs:300")

    def stop(message):
        if message["event"] == "progress":
            worker.stop()

    worker = Worker(sent(tmp_path, [run]), stop)
    assert worker.train() == [(run.key, "interrupted")]
    assert (run.folder / "checkpoint.pt").exists()
    assert Worker(sent(tmp_path, [run]), lambda message: None).train() == [(run.key, "done")]


def test_another_run_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = planned(tmp_path, "static")
    made = sent(tmp_path, [run])
    made.chains[0][0]["settings"]["evaluations"] = 3
    told = []
    assert Worker(made, told.append).train() == []
    assert [message["event"] for message in told] == ["refused"]
    assert f"({run.key}) is another run on" in told[0]["why"]
    assert "evaluations=2, here 3" in told[0]["why"]


def test_a_plug_in_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = planned(tmp_path, "static")
    made = sent(tmp_path, [run])
    made.chains[0][0]["plugins"] = {"method": f"{tmp_path}/gone.py:Mine"}
    with pytest.raises(UsageError, match=r"gone\.py is not a file"):
        unpacked(made.chains)


@pytest.mark.parametrize(
    ("number", "seconds", "room", "jobs"),
    [
        (1000, 10, 16, 16),  # ten seconds each: as many jobs as there is room for
        (1000, 600, 16, 334),  # half an hour of work a job
        (24, 7200, 16, 24),  # a long run has a job of its own
        (24, 5, 1, 1),
        (24, 5, 100, 24),
        (1000, 1, 1, 16),  # no more runs in a job than that
        (0, 1, 4, 0),
    ],
)
def test_short_runs_share_a_job(number, seconds, room, jobs):
    chains = [[f"run {index}"] for index in range(number)]
    found = batches(chains, lambda run: seconds, at_least=room, per_job=1800, most=64)
    assert [chain for job in found for chain in job] == chains
    assert len(found) == jobs
    assert all(job for job in found)


def test_a_chain_is_never_divided():
    chains = [["a"], ["b", "c", "d"], ["e"]]
    found = batches(chains, lambda run: 1.0, at_least=1, per_job=100, most=2)
    assert found == [[["a"]], [["b", "c", "d"]], [["e"]]]


def test_what_a_run_takes_follows_from_its_budget(tmp_path):
    timed, short, long = planned(tmp_path, "static", budget="seconds:60x2") + [
        run for steps in (40, 4000) for run in planned(tmp_path, "static", budget=f"steps:{steps}")
    ]
    assert 120 <= expected_seconds(timed) < 180
    assert 0 < expected_seconds(short) < expected_seconds(long)
