"""Runs of several processes: what each computes, that all agree, and how they end."""

import hashlib
import inspect
import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from runs import METHODS, small
from test_processes import gone

import methods
from harness import config, plugins
from harness.config import RunnerConfig, resolve
from harness.config.check import check
from harness.errors import UsageError
from harness.machine import gpus
from harness.plan.planned import settled
from harness.records.source import source_digest
from harness.reports.run import _made
from harness.runners import choose
from harness.runners.local import LocalRunner
from harness.runners.processes import Process, unfinished
from harness.tasks.data import Batches, Data
from harness.tasks.data.order import bounds, part
from harness.tasks.inputs import load_data
from harness.tasks.score import evaluate
from harness.training.checkpoint import BAD, Checkpoints
from harness.training.prepare import prepare
from harness.training.ranked import RankedTrainer
from harness.training.ranks import Averaging, Ranks, UnequalRanksError
from harness.training.trainer import Trainer
from methods import Event, Method

COUNT = 2
STEPS = 16
BATCH = 15  # 7 and 8 images; the last batch of an epoch holds 12
TOLERANCE = 1e-9  # of float64, in which sums of other orders choose the same masks


class Double(Batches):
    """The batches of another stream, in float64."""

    def __init__(self, batches):
        self._batches = batches
        self.samples, self.batch_size, self.training = batches.samples, batches.batch_size, batches.training

    def picks(self, index, start=0):
        self._batches.share = self.share
        return self._batches.picks(index, start)

    def batch(self, *pick):
        images, labels = self._batches.batch(*pick)
        return images.double(), labels


class Watched(Ranks):
    """Notes the masks that the processes are required to have in common."""

    def require_equal(self, masks, step, *, weights=False):
        self.seen.append((step, digest(masks)))
        super().require_equal(masks, step, weights=weights)


@dataclass
class Unequal(Method):
    """Draws other masks in each process."""

    interval: int = 4

    def event(self, moment):
        return None if moment.step % self.interval else Event()

    def update(self, masks, moment, target):
        masks.generator.manual_seed(os.getpid())
        masks.initialise(masks.active)


def digest(masks):
    return hashlib.sha256(b"".join(mask.numpy().tobytes() for _, mask in masks.tensors())).hexdigest()


def made(method):
    """Return a run on a net without batch statistics; cyclic training finds its mask by GraSP, which takes most."""
    fields = {"cyclic": {"init": "snip"}}.get(method, {})
    run = small(method, f"steps:{STEPS}", recipe={"batch_size": BATCH, "weight_decay": 1e-3}, **fields)
    run.model.name, run.graph = "mlp", False
    return run


def started(run, make=Trainer, *ranks):
    """Return a trainer at the start of a run, in float64."""
    task, splits = prepare(run), load_data(run)
    task.model.double()
    return make(run, task, Data(*(Double(each) for each in (splits.train, splits.val, splits.test))), *ranks)


def trained(run, make=Trainer, *ranks):
    """Return what a run in float64 comes to."""
    trainer = started(run, make, *ranks)
    assert trainer.train(lambda event: None, lambda: None, lambda: False)
    ledger = trainer.course.ledger
    score = evaluate(trainer.model, trainer._splits.test)
    return {
        "masks": digest(trainer.masks),
        "topology": trainer.history.topology,
        "ledger": (ledger.steps, ledger.samples, ledger.flops),
        "curve": [(point["step"], point["val_accuracy"]) for point in trainer.history.curve],
        "losses": [*(point["train_loss"] for point in trainer.history.curve), score.loss],
        "accuracy": score.accuracy,
        "violations": trainer.final_violations(),
    }


def be_one(outside, rank, folder):
    """Be one of two processes that train every method, then do what the tests below ask for."""
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    ranks = Watched(dist.FileStore(str(folder / "store"), COUNT), rank, COUNT, "cpu")
    found = {}
    for method in METHODS:
        ranks.seen = []
        found[method] = {**trained(replace(made(method), nproc=COUNT), RankedTrainer, ranks), "seen": ranks.seen}
    ranks.seen = []
    with pytest.raises(UnequalRanksError) as caught:
        trained(replace(made("static"), method=Unequal("unequal")), RankedTrainer, ranks)
    found["unequal"] = str(caught.value)
    found["seconds"] = of_seconds(ranks)
    found["stopped"] = stopped(ranks, rank)
    outside.send(found)


def of_seconds(ranks):
    """Train under a budget of seconds, by clocks that differ; return the steps and what is spent."""
    run = small("rigl", "seconds:0.3", recipe={"batch_size": BATCH})
    run.model.name, run.graph = "mlp", False
    trainer = started(run, RankedTrainer, ranks)
    own = trainer._meetings.spend
    trainer.watch._own._spend = lambda seconds: own(seconds * (1 + 5 * ranks.rank))
    trainer.train(lambda event: None, lambda: None, lambda: False)
    return trainer.course.ledger.steps, trainer.course.clock.spent


def stopped(ranks, rank):
    """Tell only the second process to stop; return the step at which each has."""
    trainer = started(made("rigl"), RankedTrainer, ranks)
    assert not trainer.train(lambda event: None, lambda: None, lambda: rank == 1 and trainer.course.ledger.steps == 4)
    return trainer.course.ledger.steps


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes have found."""
    folder = tmp_path_factory.mktemp("pair")
    both = [Process(be_one, rank, folder).start() for rank in range(COUNT)]
    try:
        return [process.connection.recv() for process in both]
    finally:
        for process in both:
            process.stop(grace=5)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_have_equal_masks_at_each_event_and_do_what_one_does(pair, method):
    one, other = (found[method] for found in pair)
    assert one["seen"] == other["seen"]
    assert {step for step, _ in one["seen"]} >= {entry["step"] for entry in one["topology"]} - {STEPS}
    alone = trained(made(method))
    for name in ("masks", "topology", "ledger", "curve", "accuracy", "violations"):
        assert one[name] == other[name] == alone[name], name
    for found in (one, other):
        assert found["losses"] == pytest.approx(alone["losses"], rel=TOLERANCE)


def test_processes_whose_masks_differ_end_by_name(pair):
    assert [found["unequal"] for found in pair] == 2 * [
        "at step 4 the masks of process 2 of 2 are not those of the first: 1.weight, 3.weight, 5.weight"
    ]


def test_a_budget_of_seconds_is_spent_by_the_clock_of_the_leader(pair):
    one, other = (found["seconds"] for found in pair)
    assert one == other
    assert one[1] >= 0.3


def test_all_processes_stop_at_the_same_step_when_one_is_told_to(pair):
    assert [found["stopped"] for found in pair] == [4, 4]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_parts_of_a_batch_are_the_batch(count):
    for samples, size, training in ((72, 15, True), (76, 15, True), (24, 16, False)):
        cuts = bounds(samples, size, training=training)
        parts = [part(cuts, (number, count)) for number in range(count)]
        places = [[place for begin, end in cut for place in range(begin, end)] for cut in zip(*parts, strict=True)]
        assert places == [list(range(begin, end)) for begin, end in cuts]
        assert max(end - begin for each in parts for begin, end in each) <= size // count + 2


def run_locally(folder, run, on_event=lambda event: None, **more):
    """Train a run as its command does, with more in its request; return the record."""
    path = folder / "request.json"
    request = {"config": config.to_dict(run), "key": "0" * 16, "runner": "local", "provenance": {}, **more}
    path.write_text(json.dumps(request))
    LocalRunner().run(path, folder, RunnerConfig(name="local"), on_event, folder / "log.txt")
    assert unfinished() == []
    return json.loads((folder / "record.json").read_text())


def of_two(method="rigl", budget="steps:20000", **fields):
    run = small(method, budget, recipe={"threads": 1}, **fields)
    run.graph, run.nproc = False, COUNT
    return run


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_run_is_stopped_and_resumed_and_its_record_tells_of_its_processes(tmp_path):
    def interrupt(event):
        if event["event"] == "progress":
            raise KeyboardInterrupt

    ended = run_locally(tmp_path, of_two(), interrupt)
    assert (ended["status"], ended["provenance"]["ranks"]["count"]) == ("interrupted", COUNT)
    events = []
    ended = run_locally(tmp_path, of_two(budget=f"steps:{ended['cost']['steps'] + 5}"), events.append)
    assert (ended["status"], ended["reason"], ended["provenance"]["resumed"]) == ("done", None, True)
    assert ended["provenance"]["ranks"] == {"count": COUNT, "backend": "gloo", "batch_statistics": "per_process"}
    assert ended["config"]["nproc"] == COUNT
    assert _made(tmp_path / "record.json", ended).facts["processes"] == "2, gloo, batch statistics of each"
    assert ended["cost"]["peak_memory_bytes"] > 0
    assert [event["status"] for event in events if event["event"] == "done"] == ["done"]

    # The checkpoint is of no use to another number of processes.
    run, said = of_two(), []
    run.nproc = 1
    trainer = Trainer(run, prepare(run), load_data(run))
    checkpoints = Checkpoints(tmp_path, "0" * 16, trainer, None, started=0, emit=said.append)
    checkpoints.resume(lambda: trainer)
    assert not checkpoints.resumed
    assert "cannot be used (of a run with nproc=2, this one has nproc=1)" in said[0]["text"]
    assert (tmp_path / BAD).exists()


@pytest.mark.parametrize("rank", range(COUNT))
def test_a_run_of_which_a_process_is_killed_fails_by_name_and_leaves_nothing_behind(tmp_path, rank):
    killed = []

    def kill(event):
        if event["event"] == "progress" and not killed:
            killed.extend(sorted(children(unfinished()[0].pid))[-COUNT:])
            os.kill(killed[rank], signal.SIGKILL)

    ended = run_locally(tmp_path, of_two(), kill)
    assert (ended["status"], ended["reason"]) == ("failed", f"process {rank + 1} of {COUNT}: ended by SIGKILL")
    assert all(gone(pid) for pid in killed)


def test_a_refusal_of_every_process_is_the_reason_of_the_run(tmp_path):
    ended = run_locally(tmp_path, of_two(sparsity=0.9999999))
    assert ended["status"] == "failed"
    assert ended["reason"].startswith("sparsity 1 leaves none of the")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["nproc=0"], "nproc 0 is not in 1..."),
        (["nproc=100000"], "nproc 100000 is not in 1..."),
        (["nproc=two"], "nproc='two' is not a whole number"),
        (["nproc=2", "recipe.batch_size=1"], "nproc 2 is over recipe.batch_size 1"),
        (["nproc=2", "graph=true"], "graph=true records the steps of one process"),
        (["nproc=2", "runner.gpu=GPU-1"], "runner.gpu names one GPU, nproc=2 takes 2"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(overrides, said, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        resolve(overrides)


def test_a_run_whose_masks_differ_fails_by_name(tmp_path, forgotten):
    file = tmp_path / "unequal.py"
    imports = ("import os", "from dataclasses import dataclass", "from sparsebench import Event, Method")
    file.write_text("\n".join([*imports, inspect.getsource(Unequal)]))
    run = of_two("static")
    name = plugins.load("method", f"{file}:Unequal")
    run.method = methods.methods()[name]
    sources = {"method": source_digest(run.method)}
    ended = run_locally(tmp_path, run, plugins={"method": f"{file}:Unequal"}, sources=sources)
    assert (ended["status"], ended["cost"]["steps"]) == ("failed", 4)
    assert ended["reason"].startswith("at step 4 the masks of process 2 of 2 are not those of the first: ")


def test_a_batch_with_fewer_images_than_processes_is_refused():
    run = small("rigl", recipe={"batch_size": 16}, dataset={"val_examples": 77})  # 19 are left to train on
    with pytest.raises(UsageError, match="nproc=4: the smallest batch holds 3 samples, allowed are 1 to 3 processes"):
        prepare(replace(run, nproc=4))


def test_steps_of_several_processes_are_not_recorded_and_containers_have_one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    run = of_two()
    run.graph, run.device = None, "auto"
    check(run)
    run = settled(run)
    assert (run.device, run.graph) == ("cuda", False)
    run.runner.name = "docker"
    with pytest.raises(UsageError, match="nproc=2 takes 2 GPUs, and a container gets one: use runner=local"):
        choose.choose(run)


def test_a_gradient_that_every_process_lacks_stays_missing():
    class Alone:
        def reduce(self, tensor):
            """One process has the sum already."""

    used, unused = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    used.grad = torch.full((2,), 3.0)
    assert Averaging(Alone(), [used, unused])(torch.tensor(0.5), samples=4) == 0.5
    assert used.grad.tolist() == [3.0, 3.0]
    assert unused.grad is None


def test_one_process_is_the_run_that_it_always_was():
    assert "nproc" not in config.to_dict(small("rigl"))
    assert config.to_dict(of_two())["nproc"] == COUNT


def test_gpus_are_held_together_or_not_at_all(monkeypatch, tmp_path):
    three = [gpus.Gpu(f"GPU-{name}", "H100", "1") for name in "abc"]
    monkeypatch.setattr(gpus, "installed", lambda: three)
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpus, "POLL_SECONDS", 0.0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    said = []

    def give_up(event):
        said.append(event)
        raise KeyboardInterrupt

    with gpus.hold_several(2, give_up) as held:
        assert held == three[:2]
        with pytest.raises(KeyboardInterrupt), gpus.hold_several(2, give_up):
            pass
        with gpus.hold("cuda", None, give_up) as left:  # the other one was let go
            assert left == three[2]
    assert said[0]["text"] == "waiting for 2 GPUs: other runs hold GPU-a, GPU-b, GPU-c"
    with pytest.raises(UsageError, match="nproc=4 takes 4 GPUs, and this process sees 3"):
        gpus.hold_several(4, give_up).__enter__()
