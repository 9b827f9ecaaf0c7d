"""Runs of a fraction of a second, trained in this process: a small net on a few random 8x8 images."""

import argparse
import copy
import json
import signal
from functools import lru_cache

import torch

import methods
from harness import config
from harness.tasks.inputs import load_data
from harness.training import worker
from harness.training.prepare import prepare
from harness.training.trainer import Trainer

METHODS = sorted(methods.methods())
FIXED_DENSITY = ["dense", "static", "set", "set_itop", "rigl", "rigl_itop", "gmp_uniform"]
FIXED_DENSITY += ["random_init", "random_pruning", "cyclic", "mest", "sr_ste", "top_kast"]
BATCH, TRAIN, PER_EPOCH = 16, 72, 5  # the last batch of an epoch holds 8 images
EPOCHS = 8  # of the recipe, which FLOPs and seconds are sized by

# The papers' intervals belong to runs a thousand times as long.
_SHORT = {name: {"interval": 4} for name in METHODS if methods.methods()[name].interval}
_SHORT |= {"lth_rewind": {"rounds": 2}, "lr_rewind": {"rounds": 2}}
_SHORT |= {"grasp": {"per_class": 2}, "synflow": {"rounds": 5}, "cyclic": {"cycles": 2}}
_SHORT |= {"str": {"interval": 4, "init": -5.0, "decay": 0.02}}
_SPARSITY = {"sr_ste": 0.75}  # 0.9 is no N:M


@lru_cache
def _resolved():
    torch.set_num_threads(1)
    images = {"train_examples": 96, "val_examples": 24, "test_examples": 32, "shape": [1, 8, 8]}
    images |= {"mean": [0.5], "std": [0.3]}
    recipe = {"batch_size": BATCH, "epochs": EPOCHS, "warmup_epochs": 1, "augment": "none"}
    return config.resolve(
        [
            *("dataset=synthetic", "model=convnet", "recipe=digits", "device=cpu", "evaluations=2"),
            *(f"dataset.{name}={value}" for name, value in images.items()),
            *(f"recipe.{name}={value}" for name, value in recipe.items()),
        ]
    )


def small(
    method,
    budget="steps:40",
    *,
    budget_rounds="shared",
    sparsity=None,
    seed=0,
    recipe=None,
    dataset=None,
    evaluations=2,
    **fields,
):
    """Return a config without Hydra, which takes longer than the run; ``fields`` are the method's.

    ``budget`` is ``KIND:AMOUNT`` or ``KIND:AMOUNTxSTRETCH``, ``budget_rounds`` its ``rounds``; ``recipe`` and
    ``dataset`` change those groups.
    """
    run = copy.deepcopy(_resolved())
    run.runner.name = "local"
    kind, _, amount = budget.partition(":")
    amount, _, stretch = amount.partition("x")
    run.budget = config.BudgetConfig(kind, float(amount), float(stretch or 1), budget_rounds)
    run.method = methods.build({"name": method, **_SHORT.get(method, {}), **fields})
    if sparsity is None:
        sparsity = _SPARSITY.get(method, 0.9)
    run.sparsity = sparsity if run.method.masked else 0.0
    run.seed, run.evaluations = seed, evaluations
    for group, changes in ((run.recipe, recipe or {}), (run.dataset, dataset or {})):
        for name, value in changes.items():
            setattr(group, name, value)
    return run


def trainer(run):
    """Return a trainer at the start of a run."""
    return Trainer(run, prepare(run), load_data(run))


def train(run, until=lambda trainer: False):
    """Train a run, or until ``until(trainer)``, asked before each iteration, says stop; return the trainer."""
    made = trainer(run)
    go_on(made, until)
    return made


def go_on(made, until=lambda trainer: False):
    """Train on; see `train`."""
    return made.train(lambda event: None, lambda: None, lambda: until(made))


def at_step(step):
    """Return what stops `train` after ``step`` iterations."""
    return lambda made: made.course.ledger.steps == step


def everything(made):
    """Return what a trainer has trained, on the CPU: tensors of the model, of its optimiser, and masks."""
    state = [v for values in made.optimizer.state.values() for v in values.values() if isinstance(v, torch.Tensor)]
    return [v.cpu() for v in (*made.model.state_dict().values(), *state, *(mask for _, mask in made.masks.tensors()))]


def same(one, other):
    """Tell whether two trainers have trained the same, to the bit."""
    return all(torch.equal(a, b) for a, b in zip(everything(one), everything(other), strict=True))


def suite(name, overrides, jobs=1, until=None):
    """Train a suite as its command does, with ``until`` as a fraction of accuracy; return the exit status."""
    from harness.cli import suite as command

    more = {"wait": True, "detach": False}
    given = argparse.Namespace(suite=name, overrides=overrides, executor="local", jobs=jobs, until=until, **more)
    return command.call(given)


def record(run, folder, key="0" * 16, **more):
    """Train a run as the harness does, from a request (``more`` goes into it) to a record; return the record."""
    request = {"config": config.to_dict(run), "key": key, "runner": "local", "provenance": {}, **more}
    (folder / "request.json").write_text(json.dumps(request))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        worker.work(folder / "request.json", folder, lambda event: None)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.loads((folder / "record.json").read_text())
