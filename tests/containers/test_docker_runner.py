"""Runs in real containers: how they end, and what is left of them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import config
from harness.containers import orphans
from harness.executors.execute import execute
from harness.places import ROOT
from harness.plan.planned import plan
from harness.tasks.data.sets import mnist1d

pytestmark = pytest.mark.docker

SLEEP = "import time; time.sleep(600)"
LONG = ["method=static", "dataset=digits", "budget=epochs:5000", "device=cpu"]


def metrics(record):
    """What must not depend on where a run happened."""
    return {name: record[name] for name in ("metrics", "curve", "topology", "rounds")}


@pytest.fixture
def harness(lab):
    """Start `sparsebench run` as a process of its own and wait until its container trains."""
    started = []

    def start(*overrides):
        command = [
            sys.executable,
            "-m",
            "harness.cli",
            "run",
            *LONG,
            f"output={lab.folder}",
            "runner=docker",
            "checkpoint_seconds=0.5",
            *overrides,
        ]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        deadline = time.monotonic() + 120
        while len(list(lab.folder.glob("runs/*/inside/checkpoint.pt"))) < len(started):  # until it trains
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        for container in theirs(lab.engine, process.pid):
            container.remove(force=True)


def theirs(engine, pid):
    """The containers that the process with this ID has made."""
    everything = engine.containers.list(all=True, filters={"label": "org.sparsebench.run"}, ignore_removed=True)
    return [c for c in everything if f":{pid}:" in c.labels.get("org.sparsebench.process", "")]


def only_record(lab):
    (path,) = lab.folder.glob("records/*.json")
    return json.loads(path.read_text())


def test_a_run_in_a_container_is_verified_and_gives_the_metrics_of_a_local_one(lab, image, tmp_path):
    inside = lab.run("method=granet", "budget=epochs:2")
    same = ["method=granet", "dataset=digits", "budget=epochs:2", "device=cpu", "evaluations=2"]
    (planned,) = plan([config.resolve([*same, "runner=local", f"output={tmp_path / 'local'}"])])
    outside = execute(planned, lambda event: None).record
    assert (inside["status"], outside["status"]) == ("done", "done"), (inside["reason"], outside["reason"])
    assert metrics(inside) == metrics(outside)
    assert inside["cost"]["train_flops"] == outside["cost"]["train_flops"]
    assert inside["runner"] == "docker"
    assert inside["provenance"]["image_id"] == image.id
    assert inside["provenance"]["base_digest"] == image.base_digest
    assert inside["provenance"]["hostname_hash"] == outside["provenance"]["hostname_hash"]
    assert inside["config"]["runner"]["memory"] == "16g"
    assert [event["event"] for event in lab.events if event["event"] != "waiting"][-1] == "done"
    assert any(event["event"] == "progress" for event in lab.events)


def test_signals_are_made_in_a_container_as_outside_of_it(lab):
    made = lab.run("dataset=mnist1d", "method=static", "budget=steps:20")
    assert (made["status"], made["reason"]) == ("done", None)
    assert made["provenance"]["data_sha256"] == mnist1d.SHA256


def test_the_outside_counts_by_the_rules_that_the_run_was_made_under(lab):
    """13 images are left at the end of each epoch and join the batch before, as since results version 2."""
    made = lab.run("method=static", "recipe.batch_size=128", "budget=epochs:2")
    assert (made["status"], made["reason"], made["cost"]["steps"]) == ("done", None, 20)
    assert made["code"]["results"] == "2"


def test_too_little_memory_is_out_of_memory(lab):
    record = lab.run("runner.memory=300m", program="import torch; print(len(bytearray(600 << 20)))")
    assert (record["status"], record["runner"]) == ("out_of_memory", "docker")
    assert "300m" in record["reason"]


def test_a_run_over_its_deadline_is_a_timeout(lab):
    started = time.monotonic()
    record = lab.run("runner.timeout=5", program=SLEEP)
    assert (record["status"], record["reason"]) == ("timeout", "over its 5 seconds")
    assert time.monotonic() - started < 15


def test_a_deaf_run_is_killed_at_its_deadline(lab, monkeypatch):
    monkeypatch.setattr("harness.containers.supervise.GRACE_SECONDS", 2.0)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    assert lab.run("runner.timeout=3", program=deaf)["status"] == "timeout"


def test_a_crash_is_failed_with_its_last_lines(lab):
    record = lab.run(program="import sys; print('working'); sys.exit('no such thing')")
    assert record["status"] == "failed"
    assert "exit status 1" in record["reason"]
    assert "no such thing" in record["reason"]
    assert "working" in lab.log()
    assert {"event": "log", "text": "working"} in lab.events


def test_a_run_without_a_record_is_failed(lab):
    record = lab.run(program="pass")
    assert record["status"] == "failed"
    assert "record.json cannot be read" in record["reason"]


def test_a_stop_by_somebody_else_is_failed_and_never_done(lab):
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    record = lab.run(program=program)
    assert record["status"] == "failed"
    assert "stopped from outside the harness (exit status 137)" in record["reason"]


def test_results_belong_to_the_caller(lab):
    lab.run(program="import pathlib, sys; (pathlib.Path(sys.argv[2]) / 'mine').write_text('x'); sys.exit(1)")
    (left,) = lab.folder.glob("runs/*/inside/mine")
    assert left.stat().st_uid == os.getuid()
    assert left.parent.stat().st_uid == os.getuid()


def test_a_container_is_nobody_and_reaches_nothing(lab):
    program = (
        "import os, pathlib, sys, json\n"
        "status = dict(l.split(':', 1) for l in pathlib.Path('/proc/self/status').read_text().splitlines())\n"
        "print('SEEN', json.dumps({'uid': os.getuid(), 'caps': status['CapEff'].strip() + status['CapBnd'].strip(),"
        " 'new': status['NoNewPrivs'].strip(), 'links': sorted(os.listdir('/sys/class/net')),"
        " 'project': sorted(os.listdir('/sparsebench'))}))"
    )
    lab.run(program=program)
    line = next(line for line in lab.log().splitlines() if line.startswith("SEEN"))
    seen = json.loads(line.removeprefix("SEEN "))
    assert seen.pop("uid") != 0
    assert seen == {
        "caps": "0" * 32,
        "new": "1",
        "links": ["lo"],
        "project": ["benchmarks", "harness", "methods", "sparsebench"],
    }


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_harness_stops_its_container_and_leaves_a_record(lab, harness, kind):
    process = harness()
    process.send_signal(kind)
    assert process.wait(timeout=60) == 1
    assert only_record(lab)["status"] == "interrupted"
    assert theirs(lab.engine, process.pid) == []
    assert list(lab.folder.glob("runs/*/inside/checkpoint.pt")), "an interrupted run leaves its checkpoint"


def test_clean_removes_what_a_killed_harness_left_and_nothing_else(lab, harness, image):
    stranger = lab.engine.containers.create(image.id, ["sleep", "60"])
    try:
        alive, dead = harness("seed=1"), harness("seed=2")
        dead.kill()
        dead.wait()
        (orphan,) = theirs(lab.engine, dead.pid)
        removed = orphans.clean(lab.engine)
        assert orphan.name in removed
        assert theirs(lab.engine, dead.pid) == []
        assert [c.status for c in theirs(lab.engine, alive.pid)] == ["running"]
        stranger.reload()
        assert alive.poll() is None
    finally:
        stranger.remove(force=True)


def test_a_chain_resumes_in_the_next_container(lab):
    chain = ["suite", "--suite", "rewinding", "dataset=digits", "model=convnet", "recipe=digits", "budget=epochs:2"]
    chain += ["method=[lth_rewind]", "seed=0", "method.share=0.2", "sparsity=[0.2,0.36]", "device=cpu"]
    command = [sys.executable, "-m", "harness.cli", *chain, "runner=docker", f"output={lab.folder}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    found = [json.loads(path.read_text()) for path in sorted(lab.folder.glob("records/*.json"))]
    assert [(r["sparsity"], r["runner"], r["provenance"]["resumed"], len(r["rounds"])) for r in found] == [
        (0.2, "docker", False, 2),
        (0.36, "docker", True, 3),
    ]
    assert not list(lab.folder.glob("runs/*"))
