"""Containers whose harness was killed, and working folders that are not what they should be."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness import config
from harness.containers.box import UNPRIVILEGED
from harness.containers.orphans import RUN_LABEL
from harness.errors import UsageError
from harness.executors.execute import execute
from harness.machine import holder, leases
from harness.machine.lease_files import after, chain, make
from harness.machine.leases import LostError
from harness.places import ROOT
from harness.plan.planned import plan

pytestmark = pytest.mark.docker

RUN = ["method=static", "dataset=digits", "budget=epochs:5000", "device=cpu", "runner=docker", "checkpoint_seconds=0.5"]


def test_the_container_of_a_killed_harness_is_stopped_before_its_run_resumes(lab):
    (run,) = plan([config.resolve([*RUN, f"output={lab.folder}"])])
    command = [sys.executable, "-m", "harness.cli", "run", *RUN, f"output={lab.folder}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run.folder / "inside" / "checkpoint.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (orphan,) = lab.engine.containers.list(filters={"label": f"{RUN_LABEL}={run.key}"})
    seen = []

    def stop_when_it_trains(message):
        if message["event"] == "progress":
            seen.append([each.id for each in lab.engine.containers.list(filters={"label": f"{RUN_LABEL}={run.key}"})])
            raise KeyboardInterrupt

    assert execute(run, stop_when_it_trains).status == "interrupted"
    assert len(seen[0]) == 1
    assert orphan.id not in seen[0]


def test_a_run_that_another_machine_has_taken_over_stops_and_leaves_the_folder_to_it(lab, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.1)
    (run,) = plan([config.resolve([*RUN, f"output={lab.folder}"])])
    name = run.folder.with_name(f"{run.key}.lease")
    taken = []

    def take_over(message):
        if message["event"] == "progress" and not taken:
            (mine,) = chain(name)
            far = {**holder.claim("f" * 16), "host": "far", "pid": 1, "space": "another machine"}
            taken.append(make(after(name, mine), far, 60))
            os.close(taken[0])

    with pytest.raises(LostError):
        execute(run, take_over)
    assert taken
    assert lab.containers() == []
    assert not (lab.folder / "records").exists()
    inside = UNPRIVILEGED if os.getuid() == 0 else os.getuid()  # whose container is there now may write
    assert (run.folder / "inside").stat().st_uid == inside
    assert chain(name)[-1].host == "far"


def test_a_workplace_that_is_a_link_is_refused(lab, tmp_path):
    (run,) = plan([config.resolve([*RUN, f"output={lab.folder}"])])
    (tmp_path / "elsewhere").mkdir()
    run.folder.mkdir(parents=True)
    (run.folder / "inside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link to"):
        execute(run, lambda message: None)
    assert os.listdir(tmp_path / "elsewhere") == []
