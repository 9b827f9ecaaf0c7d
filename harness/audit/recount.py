"""Recomputes the ledger from a record alone: its topology, and what its config says about model and method.

Written independently of `harness.budget`, which charges a run while it trains, so that each checks the other. Beside
what every config has, it reads

- ``probe``: what the method computed before the first step, the fields of `methods.Probe`;
- ``reference``: the full model of a narrower one, which sparsity and ratios refer to
  (`harness.budget.costs.Costs.as_reference`);
- ``budget_share``: the share of the budget that the run spends.
"""

from dataclasses import dataclass
from typing import Any

from harness.budget.kinds import kind
from harness.errors import UsageError, unknown
from harness.records import Record, whole_budget


@dataclass(frozen=True)
class Recount:
    """What a record's counts must be.

    Attributes:
        maskable: Weights that a mask may remove.
        active: Weights active at the end.
        sparsity: Share of the weights that are gone at the end; of the full model's, for a narrower one.
        layer_density: The share active at the end, by layer.
        samples: Training samples that the steps take, and what was computed before them.
        train_flops: Exact.
        probe: ``samples`` and ``flops`` of what was computed before the first step; None if nothing was.
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs.
        inference_flops: For one sample, with the final masks.
        dense_forward_flops: For one sample, without masks.
        step_flops: The most that one iteration costs.
    """

    maskable: int
    active: int
    sparsity: float
    layer_density: dict[str, float]
    samples: int
    train_flops: int
    probe: dict[str, int] | None
    reference_flops: int
    inference_flops: int
    dense_forward_flops: int
    step_flops: int


def recount(record: Record) -> Recount:
    """Recount everything that topology and config determine.

    The rule: iteration i uses the masks of the last topology entry before it and costs three forward passes per
    sample, as in training mode: two at the active weights, one at those whose gradient is computed. If an event with
    dense gradients falls on it, that one is dense.

    Args:
        record: A record with at least one topology entry, whose entries have one number per layer.

    Raises:
        KeyError: The config lacks a part.
        UsageError: A part of the config is not what it can be.
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

    dense = training(weights)
    passes = [training(entry["active"]) for entry in topology]
    thirds = [
        training(entry["gradient"]) if "gradient" in entry else cost
        for entry, cost in zip(topology, passes, strict=True)
    ]
    until = [entry["step"] for entry in topology[1:]] + [steps]
    flops = 0
    for entry, cost, third, end in zip(topology, passes, thirds, until, strict=True):
        flops += (2 * cost + third) * (samples(record, end) - samples(record, entry["step"]))
    for entry, third in zip(topology[1:], thirds, strict=False):
        if entry["dense_gradient"]:
            event = samples(record, entry["step"]) - samples(record, entry["step"] - 1)
            flops += (dense - third) * event
    before = probe(record, 3 * dense)
    ending, full = topology[-1]["active"], reference(config)
    own = {"maskable": sum(weights), "forward_flops": forward(weights), "training_flops": 3 * dense}
    compared = full or own
    return Recount(
        maskable=own["maskable"],
        active=sum(ending),
        sparsity=1 - sum(ending) / compared["maskable"],
        layer_density={layer["name"]: kept / layer["weights"] for layer, kept in zip(layers, ending, strict=True)},
        samples=samples(record, steps) + (before["samples"] if before else 0),
        train_flops=flops + (before["flops"] if before else 0),
        probe=before,
        reference_flops=compared["training_flops"] * samples(record, round(schedule_steps(record))),
        inference_flops=forward(ending),
        dense_forward_flops=compared["forward_flops"],
        step_flops=3 * dense * largest_batch(record),
    )


def probe(record: Record, sample: int) -> dict[str, int] | None:
    """Return what was computed before the first step, as ``cost.probe`` has it; None if nothing was.

    Args:
        record: Its config says what it was.
        sample: FLOPs of a dense training sample.

    Raises:
        UsageError: The config asks for what cannot be.
    """
    asked = record["config"].get("probe")
    if asked is None:
        return None
    batches, per_class, flows = (_count("probe", asked, name) for name in ("batches", "per_class", "flows"))
    count = per_class * record["config"]["dataset"]["classes"] if per_class else samples(record, batches)
    second = 3 if count <= record["config"]["recipe"]["batch_size"] else 4  # what is more has its gradient twice
    gradients = second if asked.get("hessian") else 1
    passes = gradients * count + flows
    return {"samples": count, "flops": sample * passes} if passes else None


def reference(config: dict[str, Any]) -> dict[str, int] | None:
    """Return the full model that a narrower one is compared with; None where the model is compared with itself.

    Raises:
        UsageError: It is not larger than the model.
    """
    full = config.get("reference")
    if full is None:
        return None
    found = {name: _count("reference", full, name) for name in ("maskable", "forward_flops", "training_flops")}
    if found["maskable"] < sum(layer["weights"] for layer in config["layers"]):
        raise UsageError(f"reference.maskable: {found['maskable']}, fewer weights than the model has")
    return found


def share(config: dict[str, Any]) -> float:
    """Return the share of the budget that a run spends.

    Raises:
        UsageError: It is not a share.
    """
    found = config.get("budget_share", 1.0)
    if type(found) not in (int, float) or not 0 < found <= 1:
        raise UsageError(f"budget_share: {found!r} is not in (0, 1]")
    return float(found)


def samples(record: Record, steps: int) -> int:
    """Return the samples in the first iterations; the last batch of an epoch holds what remains.

    Args:
        record: Its config says how large splits and batches are.
        steps: How many iterations.
    """
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    epochs, rest = divmod(steps, per_epoch(record))
    return epochs * size + min(rest * batch, size)


def per_epoch(record: Record) -> int:
    """Return the iterations of an epoch.

    Since results version 2 a rest of one sample, or of less than an eighth of a batch, joins the batch before it.
    """
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    whole, rest = divmod(size, batch)
    joins = record["code"]["results"] != "1" and whole > 0 and (rest == 1 or 8 * rest < batch)
    return whole if joins or not rest else whole + 1


def largest_batch(record: Record) -> int:
    """Return the most samples of an iteration."""
    size, batch = train_samples(record["config"]), record["config"]["recipe"]["batch_size"]
    return max(min(batch, size), size - batch * (per_epoch(record) - 1))


def train_samples(config: dict[str, Any]) -> int:
    """Return the samples of the training split; an image folder may hold another number than the data set's config."""
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


def _count(part: str, values: dict[str, Any], name: str) -> int:
    found = values.get(name, 0)
    if type(found) is not int or found < 0:
        raise UsageError(f"{part}.{name}: {found!r} is not a number of 0 or more")
    return found
