"""An engine that goes away under a run. The tests stop engines of their own, beside the one that others use."""

import io
import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness import config
from harness.containers.content import SUITE, ImageFiles, tag
from harness.containers.engine import NoEngineError, connect
from harness.containers.image import BASE_LABEL, CONTENT_LABEL
from harness.executors.execute import execute
from harness.plan.planned import plan
from harness.runners.base import Choice
from harness.runners.docker import DockerRunner

pytestmark = pytest.mark.docker


class PrivateEngine:
    """A dockerd with data, sockets and network settings of its own."""

    def __init__(self, root):
        self.root = root
        self.address = f"unix://{root}/docker.sock"

    def start(self):
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        command = [
            "dockerd",
            "-H",
            self.address,
            *(f"--{option}={self.root / name}" for option, name in places.items()),
        ]
        command += ["--bridge=none", "--iptables=false", "--ip-forward=false"]
        with open(self.root / "log", "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            assert self.process.poll() is None, (self.root / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            try:
                return connect()
            except NoEngineError:
                time.sleep(0.3)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def private(engine, image, monkeypatch):
    """A started engine with a stand-in for the suite's image: the base alone, under the suite's labels."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("only root with dockerd installed can start a second engine")
    base = engine.images.list("sparsebench-base:local")
    if not base:
        pytest.skip("the image's base was not made here, so there is no small image to run")
    # Not pytest's own folder: the path of a socket may have no more than 108 characters.
    root = Path(tempfile.mkdtemp(prefix="sparsebench-"))
    private = PrivateEngine(root)
    monkeypatch.setenv("DOCKER_HOST", private.address)
    client = private.start()
    with tempfile.TemporaryFile() as archive:
        for piece in base[0].save():
            archive.write(piece)
        archive.seek(0)
        (loaded,) = client.images.load(archive)
    labels = {CONTENT_LABEL: ImageFiles(SUITE).content(), BASE_LABEL: image.base}
    dockerfile = io.BytesIO(f"FROM {loaded.id}\nWORKDIR /sparsebench\n".encode())
    client.images.build(fileobj=dockerfile, tag=tag(labels[CONTENT_LABEL]), labels=labels)
    yield private
    if private.process.poll() is None:
        private.stop()
    # What the killed engine had mounted for its container, the deepest first.
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(root)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_run_whose_engine_goes_away_is_failed(private, tmp_path, how):
    settings = ["method=static", "device=cpu", "budget=steps:10", "runner=docker", f"output={tmp_path}"]
    (planned,) = plan([config.resolve(settings)])
    runner = DockerRunner(connect(), command=["python3", "-u", "-c", "import time; print('up'); time.sleep(600)"])
    end_it = private.process.terminate if how == "stopped" else private.process.kill

    def end_the_engine(event):
        if event == {"event": "log", "text": "up"}:
            threading.Timer(0.5, end_it).start()

    record = execute(replace(planned, choice=Choice(runner)), end_the_engine).record
    assert record["status"] == "failed"
    assert "engine went away during the run" in record["reason"] or "stopped from outside" in record["reason"]
    assert record["metrics"]["test_accuracy"] is None
    private.process.wait(timeout=60)
    # An engine that was killed left its container running; the next one finds it, and so can `sparsebench clean`.
    client = private.start()
    left = client.containers.list(all=True, filters={"label": "org.sparsebench.run"})
    for container in left:
        container.remove(force=True)
    assert len(left) == 1
