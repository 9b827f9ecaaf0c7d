"""Recomputes the ledger from a record alone: its topology, and what its config says about the model.

Written independently of `harness.budget`, which charges a run while it trains, so that each checks the other.
"""

from dataclasses import dataclass
from typing import Any

from harness.budget.kinds import kind
from harness.errors import unknown
from harness.records import Record, whole_budget


@dataclass(frozen=True)
class Recount:
    """What a record's counts must be.

    Attributes:
        maskable: Weights that a mask may remove.
        active: Weights active at the end.
        layer_density: The share active at the end, by layer.
        samples: Training images that the steps take.
        train_flops: Exact.
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs.
        inference_flops: For one image, with the final masks.
        dense_forward_flops: For one image, without masks.
        step_flops: The most that one iteration costs.
    """

    maskable: int
    active: int
    layer_density: dict[str, float]
    samples: int
    train_flops: int
    reference_flops: int
    inference_flops: int
    dense_forward_flops: int
    step_flops: int


def recount(record: Record) -> Recount:
    """Recount everything that topology and config determine.

    The rule: iteration i uses the masks of the last topology entry before it and costs three forward passes per
    image, as in training mode; if an event with dense gradients falls on it, one of the three is dense.

    Args:
        record: A record with at least one topology entry, whose entries have one number per layer.

    Raises:
        KeyError: The config lacks a part.
    """
    config, topology, steps = record["config"], record["topology"], record["cost"]["steps"]
    layers, fixed = config["layers"], config["fixed_flops"]
    weights = [layer["weights"] for layer in layers]

    def forward(active: list[int]) -> int:
        return 2 * sum(layer["uses"] * kept for layer, kept in zip(layers, active, strict=True)) + fixed

    def training(active: list[int]) -> int:
        uses = (layer.get("train_uses", layer["uses"]) for layer in layers)
        products = sum(each * kept for each, kept in zip(uses, active, strict=True))
        return 2 * products + config.get("train_fixed_flops", fixed)

    dense_training = training(weights)
    costs = [training(entry["active"]) for entry in topology]
    until = [entry["step"] for entry in topology[1:]] + [steps]
    flops = 0
    for entry, cost, end in zip(topology, costs, until, strict=True):
        flops += 3 * cost * (samples(record, end) - samples(record, entry["step"]))
    for entry, before in zip(topology[1:], costs, strict=False):
        if entry["dense_gradient"]:
            event = samples(record, entry["step"]) - samples(record, entry["step"] - 1)
            flops += (dense_training - before) * event
    ending = topology[-1]["active"]
    return Recount(
        maskable=sum(weights),
        active=sum(ending),
        layer_density={layer["name"]: kept / layer["weights"] for layer, kept in zip(layers, ending, strict=True)},
        samples=samples(record, steps),
        train_flops=flops,
        reference_flops=3 * dense_training * samples(record, round(schedule_steps(record))),
        inference_flops=forward(ending),
        dense_forward_flops=forward(weights),
        step_flops=3 * dense_training * largest_batch(record),
    )


def samples(record: Record, steps: int) -> int:
    """Return the images in the first iterations; the last batch of an epoch holds what remains.

    Args:
        record: Its config says how large splits and batches are.
        steps: How many iterations.
    """
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    epochs, rest = divmod(steps, per_epoch(record))
    return epochs * size + min(rest * batch, size)


def per_epoch(record: Record) -> int:
    """Return the iterations of an epoch.

    Since results version 2 a rest of one image, or of less than an eighth of a batch, joins the batch before it.
    """
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    whole, rest = divmod(size, batch)
    joins = record["code"]["results"] != "1" and whole > 0 and (rest == 1 or 8 * rest < batch)
    return whole if joins or not rest else whole + 1


def largest_batch(record: Record) -> int:
    """Return the most images of an iteration."""
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    return max(min(batch, size), size - batch * (per_epoch(record) - 1))


def train_samples(config: dict[str, Any]) -> int:
    """Return the images of the training split; an image folder may hold another number than the data set's config."""
    if "train_samples" in config:
        return int(config["train_samples"])
    return config["dataset"]["train_examples"] - config["dataset"]["val_examples"]


def schedule_steps(record: Record) -> float:
    """Return the iterations of one training at the budget's length, before it is stretched.

    Raises:
        UsageError: There is no such kind of budget.
    """
    budget, epochs = record["config"]["budget"], record["config"]["recipe"]["epochs"]
    return kind(budget["kind"]).reference_steps(budget["amount"], per_epoch(record), epochs)


def schedules(config: dict[str, Any]) -> float:
    """Return how many budgets a run spends: more than one where the rounds of a rewinding method get one each.

    Raises:
        UsageError: The method is not registered here, so that its rounds are not known.
    """
    if whole_budget(config["budget"])["rounds"] == "shared":
        return 1.0
    from harness.budget.schedule import Schedule
    from methods import build, methods

    if config["method"]["name"] not in methods():
        raise unknown("method", config["method"]["name"], methods())
    return Schedule(build(config["method"]).rewinding(1 - config["sparsity"])).length
