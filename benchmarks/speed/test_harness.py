"""(b) What the harness costs around a step: its training loop against the best by hand, both dense (masks are (a))."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from bare_loop import shuffled, train
from conftest import CUDA, DEVICE, Compare
from workload import CIFAR, SHAPES

from harness import config
from harness.tasks.inputs import load_data
from harness.training.graph import WARM_UP
from harness.training.prepare import prepare
from harness.training.trainer import Trainer


class Case(NamedTuple):
    """A net, the steps of one timing (long enough for the clock) and timings."""

    net: str
    steps: int
    rounds: int


CASES = [
    Case("mlp", 20, 100),
    Case("convnet", 3, 60),
    pytest.param(Case("resnet20", 1, 60), marks=pytest.mark.slow),
]


def configured(net: str, *, method: str = "dense") -> config.RunConfig:
    """Return a run at 90 % sparsity that neither ends nor validates, by Fashion-MNIST's recipe or CIFAR's."""
    shape = list(SHAPES.get(net, CIFAR))
    channel = [0.5] * shape[0]
    recipe = "fashion_mnist" if net in ("mlp", "convnet") else "cifar"
    examples = 1280 if net == "resnet50" else 10240
    return config.resolve(
        [
            *("dataset=synthetic", f"dataset.shape={shape}", f"dataset.mean={channel}", f"dataset.std={channel}"),
            *(f"model={net}", f"recipe={recipe}", f"method={method}", "sparsity=0.9", "recipe.lr=0.001"),
            *("budget=steps:1000000000", "evaluations=1", "checkpoint_seconds=0", f"dataset.train_examples={examples}"),
            *(f"device={DEVICE}", f"graph={CUDA}"),
        ]
    )


def harness_steps(run: config.RunConfig, steps: int) -> Callable[[], None]:
    """Return a call that continues a run of the harness by so many steps."""
    trainer = Trainer(run, prepare(run), load_data(run))

    def go_on(by: int = steps) -> None:
        upto = trainer.course.ledger.steps + by
        trainer.train(lambda event: None, lambda: None, lambda: trainer.course.ledger.steps == upto)

    go_on(WARM_UP + 1 if run.graph else 1)
    return go_on


def bare_steps(run: config.RunConfig, steps: int) -> Callable[[], None]:
    """Return a call that takes so many steps of the same net on the same data, by hand: see `bare_loop`."""
    model = prepare(run).model.to(DEVICE).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = run.recipe
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    data = load_data(run).train
    if recipe.augment == "none":
        images, labels = (torch.cat(parts) for parts in zip(*data.epoch(0), strict=True))
        batches = shuffled(images.to(memory_format=torch.channels_last), labels, recipe.batch_size)
    else:  # nobody crops and flips faster by hand: the loader takes a hundredth of such a step
        batches = itertools.chain.from_iterable(data.epoch(i) for i in itertools.count())
    taken = train(model, batches, optimizer)

    def go_on() -> None:
        for _ in itertools.islice(taken, steps):
            pass

    return go_on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.net)
def test_harness_step(compare: Compare, case: Case) -> None:
    run = configured(case.net)
    compare(
        f"harness step / bare loop's step, {case.net}",
        harness_steps(run, case.steps),
        bare_steps(run, case.steps),
        rounds=case.rounds,
        times=case.steps,
        target=("at most", 1.05),
        threads=run.recipe.threads,
    )
