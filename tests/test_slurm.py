"""The Slurm executor, on a real Slurm (`.ci/slurm start`); its options, without one."""

import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess

import pytest
from runs import small
from site_pages import ROOT, blocks

from harness import extras, places
from harness.cli import main
from harness.errors import UsageError
from harness.executors import choose, elsewhere, slurm, slurm_queue
from harness.executors.base import Finished, Progressed
from harness.executors.batch import Batch, packed
from harness.executors.slurm import Options
from harness.executors.slurm_job import Job
from harness.plan.planned import plan
from harness.records import load

LONG = "epochs:400"


def asked(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


@pytest.fixture(scope="module")
def cluster():
    """A Slurm that answers."""
    why = None
    if shutil.which("sbatch") is None:
        why = "no Slurm on this machine (.ci/slurm start)"
    elif subprocess.run(["squeue", "--me"], capture_output=True, check=False, timeout=60).returncode:
        why = "Slurm does not answer: SLURM_CONF=$(.ci/slurm start)"
    if why is not None:
        assert "SPARSEBENCH_REQUIRE_SLURM" not in os.environ, why
        pytest.skip(why)


@pytest.fixture(autouse=True)
def often(monkeypatch, tmp_path):
    """Look often, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elsewhere, "LISTEN_SECONDS", 0.2)
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1.0)


def planned(tmp_path, *seeds, budget="steps:40"):
    made = [dataclasses.replace(small("static", budget, seed=seed), output=str(tmp_path / "out")) for seed in seeds]
    return plan([dataclasses.replace(run, checkpoint_seconds=1) for run in made])


def executor(tmp_path, retries=2, **options):
    options = Options(**{"time": 20, "runs_per_job": 1, **options})
    limits = {"retries": retries, "max_failures": None, "wait": True}
    return slurm.make(options, jobs=2, looks=None, output=tmp_path / "out", **limits)


def train(runs, executor, at=None):
    """Train runs; return the events. ``at`` is called once, when the first of them trains."""
    executor.submit([[run] for run in runs])
    seen = []
    for event in executor.events():
        seen.append(event)
        if at is not None and isinstance(event, Progressed) and event.message["event"] == "progress":
            at()
            at = None
    assert at is None
    return seen


def ended(events):
    return {event.planned.key: event for event in events if isinstance(event, Finished)}


def said(events):
    return "\n".join(
        event.message["text"] for event in events if isinstance(event, Progressed) and "text" in event.message
    )


def job():
    """Return a job that runs."""
    return asked("squeue", "--me", "--noheader", "--array", "--states=RUNNING", "--format=%i")[0]


def left():
    return asked("squeue", "--me", "--noheader", "--states=PENDING,RUNNING", "--format=%j")


def command():
    """Return the words of the command on the page."""
    page = (ROOT / "docs" / "cluster.md").read_text()
    (block,) = [block for block in blocks(page) if block.tested_by and "test_slurm" in block.tested_by[0]]
    return shlex.split(block.commands[0])[1:]


@pytest.mark.usefixtures("cluster")
def test_the_command_of_the_page(tmp_path, capfd):
    """A suite is trained by a few jobs, of which nothing is left; started again, it submits none."""

    def call(*more):
        given = main.parse([*command(), "executor.runs_per_job=2", *more])
        return given.call(given)

    assert call() == 0
    files = list((tmp_path / "shared" / "records").iterdir())
    assert [load(path)["status"] for path in files] == ["done"] * 4
    assert "[4/4]" in capfd.readouterr().err
    assert not left()
    assert not list((tmp_path / "shared" / "suites").glob("slurm-*"))
    before = {path: path.read_bytes() for path in files}
    assert call("executor.partition=nowhere") == 0  # nothing is left that would be submitted
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.usefixtures("cluster")
def test_a_job_that_somebody_cancels_is_submitted_again(tmp_path):
    runs = planned(tmp_path, 0, 1, budget=LONG)
    events = train(runs, executor(tmp_path), lambda: asked("scancel", job()))
    assert {event.status for event in ended(events).values()} == {"done"}
    assert "(CANCELLED; its log is in" in said(events)
    assert "submitted again, 1 of 2" in said(events)
    assert list((tmp_path / "out" / "suites").glob("slurm-*/*.out"))


@pytest.mark.usefixtures("cluster")
def test_a_job_before_its_time_limit_is_requeued_and_resumes(tmp_path):
    """Slurm sends this signal before the limit."""
    (run,) = planned(tmp_path, 0, budget=LONG)
    events = train([run], executor(tmp_path, retries=0), lambda: asked("scancel", "--signal=USR2", job()))
    last = ended(events)[run.key]
    assert (last.status, last.record["provenance"]["resumed"]) == ("done", True)
    assert said(events) == ""


@pytest.mark.usefixtures("cluster")
def test_a_preempted_job_is_requeued_and_resumes(tmp_path):
    def preempt():
        node = asked("squeue", "--me", "--noheader", "--states=RUNNING", "--format=%N")[0]
        asked("sbatch", "--partition=high", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")

    partitions = asked("sinfo", "--noheader", "--format=%R")
    if "high" not in partitions:
        pytest.skip("this Slurm has no partition high, whose jobs preempt others")
    (run,) = planned(tmp_path, 0, budget=LONG)
    events = train([run], executor(tmp_path, retries=0), preempt)
    assert ended(events)[run.key].status == "done"
    assert said(events) == ""


@pytest.mark.usefixtures("cluster")
def test_the_runs_of_a_node_that_is_lost_are_trained_on_another(tmp_path):
    runs = planned(tmp_path, 0, 1, budget=LONG)
    nodes = []

    def fail():
        nodes.extend(asked("squeue", "--me", "--noheader", "--states=RUNNING", "--format=%N")[:1])
        if subprocess.run(
            ["scontrol", "update", f"node={nodes[0]}", "state=down", "reason=test"], check=False
        ).returncode:
            pytest.skip("only the operator of a Slurm can take a node down")

    try:
        events = train(runs, executor(tmp_path), fail)
    finally:
        for node in nodes:
            subprocess.run(["scontrol", "update", f"node={node}", "state=resume"], check=False)
    assert {event.status for event in ended(events).values()} == {"done"}
    assert len(ended(events)) == 2


@pytest.mark.usefixtures("cluster")
def test_what_is_cancelled_leaves_checkpoints_and_an_empty_queue(tmp_path):
    runs = planned(tmp_path, 0, 1, 2, budget="epochs:5000")
    mine = executor(tmp_path)
    events = train(runs, mine, mine.cancel)
    assert {event.status for event in ended(events).values()} == {"interrupted"}
    assert any((run.folder / "checkpoint.pt").exists() for run in runs)
    assert not left()


@pytest.mark.usefixtures("cluster")
def test_what_slurm_does_not_take_is_said_in_its_words(tmp_path):
    runs = planned(tmp_path, 0)
    with pytest.raises(UsageError, match=r"Slurm does not take the jobs: sbatch: error: .*partition"):
        train(runs, executor(tmp_path, partition="nowhere"))


@pytest.mark.usefixtures("cluster")
def test_a_job_that_waits_for_ever_says_why_once_and_keeps_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SBATCH_JOB_NAME", "another")
    mine = executor(tmp_path, sbatch={"hold": True})
    mine.submit([[run] for run in planned(tmp_path, 0, 1)])
    seen = []
    for event in mine.events():
        seen.append(event)
        mine.cancel()
    assert said(seen).count("waits, and perhaps for ever: JobHeldUser") == 1
    assert os.environ["SBATCH_JOB_NAME"] == "another"
    assert not left()


@pytest.mark.usefixtures("cluster")
def test_a_node_that_jobs_cannot_avoid_is_taken_again(tmp_path):
    """Only that node has what they ask for, here its name."""
    node, *others = sorted(set(asked("sinfo", "--noheader", "--Node", "--format=%N")))
    if not others:
        pytest.skip("this Slurm has one node")
    options = Options(time=20, sbatch={"nodelist": node, "hold": True})
    engine = slurm.Slurm(options, tmp_path, None, wait=True)
    try:
        (name,) = engine.submit([[planned(tmp_path, 0)]], {node}, again=True)
        assert name.isdigit()
    finally:
        engine.stop((), kill=True)


def test_options_come_from_the_command_line_then_from_a_file_then_from_the_project(tmp_path):
    mine = tmp_path / "benchmarks" / "executor"
    mine.mkdir(parents=True)
    assert choose.options("slurm", []) == Options()
    (mine / "slurm.yaml").write_text("partition: gpu\ntime: 60\nsetup: [module load cuda]\nsbatch: {nice: 10}\n")
    read = choose.options(
        "slurm", ["executor.time=30", "executor.sbatch.mail-type=END", "executor.minutes_per_job=2.5"]
    )
    assert (read.partition, read.time, read.setup, read.minutes_per_job) == ("gpu", 30, ["module load cuda"], 2.5)
    assert read.sbatch == {"nice": 10, "mail-type": "END"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("executor.partion=gpu", r"unknown option of the slurm executor 'partion': .*did you mean 'partition'"),
        ("executor.time=long", "executor.time='long' is not a whole number"),
        ("executor.time=0", "executor.time=0 is less than 1"),
        ("executor.sbatch=x", "write executor.sbatch.NAME=VALUE"),
        ("executor.time.x=1", "write executor.time=VALUE"),
        ("executor.time=1", r"executor.signal_seconds=90 is not less than the 60 seconds of a job \(executor.time=1\)"),
        ("executor.minutes_per_job=nan", "executor.minutes_per_job=.?nan.? is not a"),
        ("executor.sbatch.job_name=x", "executor.sbatch.job_name cannot be set, as the executor sets job-name itself$"),
        ("executor.sbatch.signal=TERM", "executor.sbatch.signal cannot be set"),
        ("executor.sbatch.time=5", "executor.sbatch.time cannot be set.*: write executor.time=VALUE"),
        ("executor.time", "write executor.NAME=VALUE"),
    ],
)
def test_a_bad_option_is_refused_by_name(override, said):
    with pytest.raises(UsageError, match=said):
        choose.options("slurm", [override])


@pytest.mark.parametrize("text", ["[1]", "time: {a: 1}", "sbatch: 3", "times: 3", "time: [1"])
def test_a_bad_file_of_options_is_refused(text, tmp_path):
    mine = tmp_path / "benchmarks" / "executor"
    mine.mkdir(parents=True)
    (mine / "slurm.yaml").write_text(text)
    with pytest.raises(UsageError):
        choose.options("slurm", [])


def test_a_suite_refuses_what_its_executor_cannot(monkeypatch, tmp_path):
    def call(*words):
        given = main.parse(["suite", "--suite", "smoke", f"output={tmp_path}/out", *words])
        return given.call(given)

    with pytest.raises(
        UsageError, match="unknown executor 'slrum': allowed are local, ray, slurm; did you mean 'slurm'"
    ):
        call("--executor", "slrum")
    with pytest.raises(UsageError, match="the local executor has no options"):
        call("executor.time=3")
    with pytest.raises(UsageError, match="--jobs auto measures this machine"):
        call("--executor", "slurm", "--jobs", "auto")
    with pytest.raises(UsageError, match="unknown option of the slurm executor"):
        call("--executor", "slurm", "executor.tiem=3", "--detach")
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(UsageError, match=r"submitit is not installed: pip install 'sparsebench\[slurm\]'"):
        call("--executor", "slurm")
    assert not (tmp_path / "out").exists()


def test_a_requeued_job_leaves_runs_whose_end_it_has_told(tmp_path, monkeypatch):
    """The command may have reported a timeout, or have sent a failed run elsewhere; what was interrupted resumes."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of SIGTERM, for the whole process
    over, interrupted, begun = planned(tmp_path, 0, 1, 2)
    told = tmp_path / "0.jsonl"
    messages = [
        {"key": over.key, "event": "ended", "status": "interrupted", "trained": True, "left": None},
        {"key": over.key, "event": "ended", "status": "timeout", "trained": True, "left": None},
        {"key": interrupted.key, "event": "ended", "status": "interrupted", "trained": True, "left": None},
        {"key": begun.key, "event": "taken", "host": "n1"},
    ]
    told.write_text("".join(json.dumps(message) + "\n" for message in messages) + '{"key": "cut sh')
    batch = Batch([[packed(over), packed(interrupted)], [packed(begun)]], str(tmp_path))
    assert sorted(Job()(batch, told)) == sorted((run.key, "done") for run in (interrupted, begun))
    assert Job()(batch, told) == []


@pytest.mark.parametrize(
    ("reason", "held", "for_ever"),
    [
        ("JobHoldMaxRequeue", True, False),
        ("launch failed requeued held", True, False),
        ("PartitionTimeLimit", False, True),
        ("QOSMaxWallDurationPerJobLimit", False, True),
        ("JobHeldUser", False, True),
        ("QOSMaxJobsPerUserLimit", False, False),
        ("ReqNodeNotAvail, UnavailableNodes:n1", False, False),
        ("JobArrayTaskLimit", False, False),
        ("Priority", False, False),
    ],
)
def test_what_the_reasons_of_slurm_mean(reason, held, for_ever):
    assert slurm_queue._is_held(reason) == held
    assert bool(slurm_queue._FOR_EVER.match(reason)) == for_ever


def test_what_would_rename_jobs_is_hidden_from_sbatch(monkeypatch):
    monkeypatch.setenv("SBATCH_JOB_NAME", "another")
    with slurm_queue.unset():
        assert "SBATCH_JOB_NAME" not in os.environ
    assert os.environ["SBATCH_JOB_NAME"] == "another"


def test_a_machine_without_slurm_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="the slurm executor needs sbatch, which is not on this machine"):
        executor(tmp_path)


@pytest.mark.parametrize(("runs", "jobs"), [(0, 0), (1, 1), (24, 24), (1000, 1000), (2500, 834)])
def test_no_array_is_larger_than_slurm_usually_takes(runs, jobs, monkeypatch):
    monkeypatch.setattr(slurm, "expected_seconds", lambda run: 10_000)
    found = slurm.pack(Options(), [[number] for number in range(runs)])
    assert len(found) == jobs
    assert [number for job in found for (number,) in job] == list(range(runs))


def test_the_file_of_the_project_names_every_option():
    text = (places.TREE / "executor" / "slurm.yaml").read_text()
    assert all(f"\n{field.name}:" in text for field in dataclasses.fields(Options))
