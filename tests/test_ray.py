"""The Ray executor, on a real Ray of two nodes (raylets) that is started here; its options, without one."""

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import test_mnist
from runs import small
from site_pages import blocks, pages

import methods
from harness import plugins
from harness.audit import submission
from harness.errors import UsageError
from harness.executors import apart, choose, elsewhere, local
from harness.executors.base import Finished, Progressed, Started
from harness.executors.batch import Batch
from harness.executors.execute import execute
from harness.executors.owner import SUFFIX
from harness.machine.lease_files import chain
from harness.plan.planned import plan

if find_spec("ray") is None:  # not imported before the executor has set what it reads then
    pytest.skip("Ray is not installed: pip install 'sparsebench[ray]'", allow_module_level=True)
# Ray leaves sockets, files and processes to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning")]

LONG = "epochs:300"
PLUGIN = '''
from dataclasses import dataclass
from methods.baselines import Static


@dataclass
class Plain(Static):
    """Static under another name."""
'''
NODES = """
import json, sys
from ray.cluster_utils import Cluster
few = {"num_cpus": 1, "object_store_memory": 80 * 2**20}

def begun(start, tries=3):  # on a busy machine Ray may take longer than it waits
    while True:
        try:
            return start()
        except Exception:
            tries -= 1
            if not tries:
                raise

head = {**few, "include_dashboard": False}
cluster = begun(lambda: Cluster(True, head_node_args=head))
second = begun(lambda: cluster.add_node(**few))
print(json.dumps([cluster.address, second.all_processes["raylet"][0].process.pid]), flush=True)
sys.stdin.read()
cluster.shutdown()
"""


class Nodes(NamedTuple):
    """A cluster of two nodes with a CPU each."""

    address: str
    second: int

    def worker(self):
        """Return the process of a worker of the second node."""
        found = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        return next(pid for pid in found if parent(pid) == self.second and "Worker" in name(pid))


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def name(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Two nodes, which end when this process does."""
    folder = tempfile.mkdtemp(prefix="ray-")  # the paths of sockets have to be short
    Path(folder, "ray").mkdir()  # Ray writes the address of its cluster there before it makes the folder
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "RAY_agent_register_timeout_ms": "120000"}
    more = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "PYTHONPATH": os.pathsep.join(sys.path)}
    env = {**os.environ, **quiet, **more, "RAY_TMPDIR": folder}
    command = [sys.executable, "-c", NODES]
    with (
        open(Path(folder, "errors"), "w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=env
        ) as process,
    ):
        said = next((line for line in process.stdout if line.startswith("[")), None)
        assert said is not None, f"Ray does not start here: {Path(folder, 'errors').read_text()}"
        yield Nodes(*json.loads(said))
        process.communicate("")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def often(monkeypatch, tmp_path):
    """Look often and try again at once, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(elsewhere, "LISTEN_SECONDS", 0.1)
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(local, "RETRY_SECONDS", 0.01)


def planned(tmp_path, *seeds, source=None):
    made = [small("static", LONG, seed=seed) for seed in seeds]
    if source is not None:
        made.append(small("static", LONG))
        made[-1].method, made[-1].plugins = methods.build({"name": plugins.load("method", source)}), {"method": source}
    return plan([dataclasses.replace(run, output=str(tmp_path / "out"), checkpoint_seconds=0.5) for run in made])


def train(runs, at, **options):
    """Train runs; return the events. ``at`` is called with the executor and each progress until it returns true."""
    executor = choose.make(
        "ray",
        choose.options("ray", [f"executor.{name}={value}" for name, value in options.items()]),
        jobs=None,
        looks=None,
        bounds={"retries": 2, "max_failures": None, "wait": True},
        output=Path(runs[0].run.output),
    )
    executor.submit([[run] for run in runs])
    seen = []
    for event in executor.events():
        seen.append(event)
        if at is not None and isinstance(event, Progressed) and event.message["event"] == "progress":
            at = None if at(executor, event.planned) else at
    assert at is None
    return seen


def ended(events):
    found = [event for event in events if isinstance(event, Finished)]
    assert len({event.planned.key for event in found}) == len(found)
    return found


def said(events):
    return [event.message["text"] for event in events if isinstance(event, Progressed) and "text" in event.message]


def cancel(executor, planned):
    executor.cancel()
    return True


def test_options_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"unknown option of the ray executor 'adress': allowed are address, cpus"):
        choose.options("ray", ["executor.adress=auto"])
    with pytest.raises(UsageError, match=r"executor\.memory=much is not a size: write 512m or 4g"):
        choose.options("ray", ["executor.memory=much"])
    with pytest.raises(UsageError, match=r"executor\.cpus=0 is not more than 0"):
        choose.options("ray", ["executor.cpus=0"])
    with pytest.raises(UsageError, match=r"executor\.gpus=1\.5 is neither a share of a GPU nor a number of them"):
        choose.options("ray", ["executor.gpus=1.5"])


def test_a_cluster_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"a Ray cluster does not answer at 127\.0\.0\.1:9 \(executor\.address\)"):
        train(planned(tmp_path, 0), None, address="127.0.0.1:9")
    with pytest.raises(UsageError, match=r"executor\.address='ray://head' is neither HOST:PORT nor auto"):
        train(planned(tmp_path, 0), None, address="ray://head")


def test_a_run_too_large_for_every_node_is_refused(tmp_path, nodes):
    with pytest.raises(UsageError, match=r"no node .* can take a run: it takes CPU 64, and the most are CPU 1"):
        train(planned(tmp_path, 0), None, address=nodes.address, cpus=64, shared="false")


def test_a_worker_is_used_again_unless_its_node_is_avoided(tmp_path, nodes):
    """And tells the last message of each call to that call, although a batch that is refused is over at once."""
    from harness.executors.ray_cluster import Cluster  # once `ray.make` has set what Ray reads

    cluster = Cluster(nodes.address)
    refused = Batch([[{"plugins": {"method": f"{tmp_path}/none.py:None"}}]], str(tmp_path))

    def done(avoid=()):
        call, told = cluster.begin("train", refused, (("CPU", 1.0),), avoid), []
        while not call.over:
            told += call.look(1.0)
        cluster.end(call)
        assert [message["event"] for message in told] == ["node", "refused"]
        return call.worker, call.node

    try:
        worker, node = done()
        assert {done() for _ in range(20)} == {(worker, node)}
        assert done({node})[1] != node
    finally:
        cluster.close()


def test_a_run_trained_apart_finds_data_of_a_relative_folder(tmp_path):
    test_mnist.write(tmp_path / "data")
    run = dataclasses.replace(small("static", "steps:2"), output="out")
    run.dataset = dataclasses.replace(run.dataset, name="mnist", root="data", classes=10, mean=[0.5], std=[0.3])
    run.dataset = dataclasses.replace(run.dataset, **test_mnist.SMALL)
    (tmp_path / "worker").mkdir()

    def send(planned, parcel, on_event):
        with contextlib.chdir(tmp_path / "worker"):
            return apart.train(parcel, on_event)

    assert execute(apart.distant(*plan([run]), send), lambda message: None).status == "done"


def test_without_a_shared_folder_all_comes_back(tmp_path, nodes, forgotten):
    """Checkpoints of runs that are stopped, and records and networks; a worker that is killed loses no run."""
    (tmp_path / "plain.py").write_text(PLUGIN)
    source = f"{tmp_path}/plain.py:Plain"
    options = {"address": nodes.address, "shared": "false"}
    stopped = ended(train(planned(tmp_path, 0, source=source), cancel, **options))
    assert {event.status for event in stopped} == {"interrupted"}
    assert [event for event in stopped if (event.planned.folder / "checkpoint.pt").exists()]

    def kill(executor, planned):
        os.kill(nodes.worker(), signal.SIGKILL)
        return True

    runs = planned(tmp_path, 0, 1, source=source)
    events = train(runs, kill, **options)
    assert {(event.status, event.trained) for event in ended(events)} == {("done", True)}
    assert any("its Ray worker was lost" in text and text.endswith("trying again, 1 of 2") for text in said(events))
    paths = [event.path for event in ended(events)]
    reasons = {reason.partition(":")[0] for found in submission.check(paths).values() for reason in found}
    assert reasons <= {"git_commit", "git_dirty", "seeds"}
    assert sorted(path.stem for path in (tmp_path / "out" / "networks").iterdir()) == sorted(run.key for run in runs)
    assert any(event.record["provenance"]["resumed"] for event in ended(events))
    assert not list((tmp_path / "out" / "runs").iterdir())


def test_a_lost_node_loses_no_run(tmp_path, nodes):
    """With a folder that all nodes see; the second node is gone afterwards."""
    stopped = ended(train(planned(tmp_path, 0, 1), cancel, address=nodes.address))
    assert {event.status for event in stopped} == {"interrupted"}
    assert [event for event in stopped if (event.planned.folder / "checkpoint.pt").exists()]

    def kill(executor, planned):
        owners = chain(planned.folder.with_name(planned.key + SUFFIX))
        if not owners or parent(owners[-1].pid) != nodes.second:
            return False
        for pid in (nodes.second, owners[-1].pid):
            os.kill(pid, signal.SIGKILL)
        return True

    events = train(planned(tmp_path, *range(5)), kill, address=nodes.address)
    assert {(event.status, event.trained) for event in ended(events)} == {("done", True)}
    assert len({event.path for event in ended(events)}) == len(list((tmp_path / "out" / "records").iterdir())) == 5
    assert any("its Ray worker was lost" in text and text.endswith("submitted again, 1 of 2") for text in said(events))
    started = [event.planned.key for event in events if isinstance(event, Started)]
    assert len(started) == len(set(started))
    assert not list((tmp_path / "out" / "runs").iterdir())


def test_the_command_of_the_page_starts_a_cluster_and_ends_it(tmp_path):
    (command,) = [
        line
        for block in blocks(pages()["cluster.md"])
        if block.language == "console"
        for line in block.commands
        if "--executor ray" in line and "address" not in line
    ]
    words = [sys.executable, "-m", "harness.cli", *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": tempfile.mkdtemp(prefix="ray-")}
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "ray" not in done.stdout.lower()
    statuses = [json.loads(path.read_bytes())["status"] for path in (tmp_path / "shared" / "records").iterdir()]
    assert statuses == ["done", "done"]
    assert not list(Path(environment["TMPDIR"]).glob("ray-*"))
    deadline = time.monotonic() + 60
    while left := [pid for pid in os.listdir("/proc") if pid.isdecimal() and environment["TMPDIR"] in name(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    shutil.rmtree(environment["TMPDIR"])
