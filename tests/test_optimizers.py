"""Optimisers, for weights of every type."""

import copy

import pytest
import torch
from networks import CLASSES
from runs import small, train
from torch import nn

from harness.tasks import models
from harness.training import optimizers
from harness.training.prepare import prepare

PLAIN = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Narrow(nn.Module):
    """A layer of bfloat16 below one of float32."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(192, 16).bfloat16(), nn.Linear(16, CLASSES)

    def forward(self, images):
        return self.head(self.body(images.flatten(1).bfloat16()).relu().float())


def run_of(monkeypatch, method, optimizer, **more):
    monkeypatch.setitem(models.MODELS, "network", lambda classes, shape: Narrow())
    images = {"train_examples": 40, "val_examples": 8, "test_examples": 16, "classes": CLASSES, "shape": [3, 8, 8]}
    images |= {"mean": [0.5] * 3, "std": [0.3] * 3}
    run = small(method, "steps:8", dataset=images, recipe={"batch_size": 8, "optimizer": optimizer}, **more)
    run.model.name = "network"
    return run


@pytest.mark.parametrize("optimizer", PLAIN)
def test_steps_of_bfloat16_weights_are_those_of_the_plain_optimiser(monkeypatch, optimizer):
    run = run_of(monkeypatch, "dense", optimizer)
    task = prepare(run)
    other = copy.deepcopy(task.model)
    made = optimizers.build(run, task)
    kept = ("lr", "weight_decay", "momentum", "nesterov", "betas", "eps")
    settings = {name: value for name, value in made.param_groups[0].items() if name in kept}
    plain = PLAIN[optimizer](other.parameters(), foreach=False, **settings)
    draw = torch.Generator().manual_seed(0)
    for _ in range(4):
        for one, two in zip(task.model.parameters(), other.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=draw).to(one.dtype)
            two.grad = one.grad.clone()
        made.step()
        plain.step()
    for one, two in zip(task.model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one.float(), two.float(), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("method", ["rigl", "granet", "snip"])
def test_nothing_is_left_outside_the_masks_of_bfloat16_weights(monkeypatch, method):
    fields = {} if method == "snip" else {"interval": 2}
    made = train(run_of(monkeypatch, method, "sgd", **fields))
    assert made.final_violations() == []
