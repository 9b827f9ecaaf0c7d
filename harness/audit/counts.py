"""Checks of what can be counted again exactly: weights, steps, images, FLOPs, and that the budget was kept."""

import itertools
import math

from harness.audit import recount
from harness.records import Record, whole_budget

# A run on a clock ends with the iteration during which its time runs out.
_SECONDS_OVER = 1.0


def refusals(record: Record) -> list[str]:
    """Return what does not add up in a record that is done.

    Args:
        record: It keeps the schema.

    Raises:
        KeyError, TypeError: The config is not whole.
    """
    broken = _topology(record)
    if broken:
        return broken  # nothing can be counted from it
    truth = recount.recount(record)
    return [*_weights(record, truth), *_costs(record, truth), *_budget(record, truth), *_curve(record, truth)]


def _topology(record: Record) -> list[str]:
    layers, topology, steps = record["config"]["layers"], record["topology"], record["cost"]["steps"]
    if not layers or any(layer["weights"] != math.prod(layer["shape"]) for layer in layers):
        return ["layers: the weights of a layer are the product of its shape"]
    if any(type(layer["uses"]) is not int or layer["uses"] < 1 for layer in layers):
        return ["layers: uses is how often a weight is used for an image, 1 or more"]
    if not topology or topology[0]["step"] != 0 or topology[0]["dense_gradient"]:
        return ["topology: begins with the start, step 0, which costs nothing"]
    found = []
    places = [entry["step"] for entry in topology]
    if any(after <= before for before, after in itertools.pairwise(places)):
        found.append("topology: steps must grow from entry to entry")
    if places[-1] >= steps and len(places) > 1:
        found.append(f"topology: an event on step {places[-1]} of {steps}; nothing would train what it grew")
    for entry in topology:
        active = entry["active"]
        if len(active) != len(layers):
            found.append(f"topology: {len(active)} layers at step {entry['step']}, the config has {len(layers)}")
        elif any(kept > layer["weights"] for kept, layer in zip(active, layers, strict=True)):
            found.append(f"topology: more active weights than there are, at step {entry['step']}")
    return found[:3]


def _weights(record: Record, truth: recount.Recount) -> list[str]:
    metrics, found = record["metrics"], []
    asked = round((1 - record["sparsity"]) * truth.maskable)
    if metrics["maskable"] != truth.maskable:
        found.append(f"maskable: {metrics['maskable']} but the layers have {truth.maskable} weights")
    if metrics["active"] != truth.active:
        found.append(f"active: {metrics['active']} but the topology ends with {truth.active}")
    if abs(truth.active - asked) > 1:
        found.append(f"active: the topology ends with {truth.active} weights where {asked} were asked for")
    if not metrics["nonzero"] <= metrics["active"]:
        found.append(f"nonzero: {metrics['nonzero']}, more than the {metrics['active']} active weights")
    if abs(metrics["sparsity"] - (1 - truth.active / truth.maskable)) > 1e-9:
        found.append(f"sparsity: {metrics['sparsity']} but 1 - active/maskable is {1 - truth.active / truth.maskable}")
    given = metrics["layer_density"] or {}
    if list(given) != list(truth.layer_density):
        found.append("layer_density: its layers are not those of the config, in order")
    elif wrong := [name for name, value in truth.layer_density.items() if abs((given[name] or 0) - value) > 1e-9]:
        found.append(f"layer_density: {wrong[0]} is {given[wrong[0]]} but the topology ends with that layer otherwise")
    return found + _explored(record, truth)


def _explored(record: Record, truth: recount.Recount) -> list[str]:
    rate = record["metrics"]["exploration_rate"]
    most = max(sum(entry["active"]) for entry in record["topology"]) / truth.maskable
    if rate is None or rate < most - 1e-9:
        return [f"exploration_rate: {rate}, less than the share {most:.6g} that was active at once"]
    return []


def _costs(record: Record, truth: recount.Recount) -> list[str]:
    cost = record["cost"]
    exact: dict[str, int] = {
        "samples": truth.samples,
        "train_flops": truth.train_flops,
        "inference_flops": truth.inference_flops,
        "dense_forward_flops": truth.dense_forward_flops,
    }
    found = [
        f"{name}: {cost[name]} but topology and config give {value}"
        for name, value in exact.items()
        if cost[name] != value
    ]
    ratios = {
        "train_flops_ratio": truth.train_flops / truth.reference_flops,
        "inference_flops_ratio": truth.inference_flops / truth.dense_forward_flops,
    }
    return found + [
        f"{name}: {cost[name]} but topology and config give {value:.6g}"
        for name, value in ratios.items()
        if cost[name] is None or not math.isclose(cost[name], value, rel_tol=1e-6)
    ]


def _budget(record: Record, truth: recount.Recount) -> list[str]:
    """Hold what was spent against the budget: nothing overspends by more than one step, nothing stops early."""
    config, cost = record["config"], record["cost"]
    budget = whole_budget(config["budget"])
    kind, stretch = budget["kind"], budget["stretch"]
    times = recount.schedules(config)
    if kind in ("epochs", "steps"):
        steps = math.ceil(round(recount.schedule_steps(config) * stretch) * times * (1 - 1e-12))
        return [] if cost["steps"] == steps else [f"steps: {cost['steps']} where the budget is {steps}"]
    if kind == "flops":
        amount = budget["amount"] * stretch * times * truth.reference_flops
        if 0 <= truth.train_flops - amount <= truth.step_flops:
            return []
        return [f"budget: {truth.train_flops} training FLOPs where {amount:.6g} were to be spent"]
    amount = budget["amount"] * stretch * times
    seconds = cost["seconds"]
    spent = (seconds["train"] or 0) + (seconds["topology"] or 0)
    allowed = amount + _SECONDS_OVER + 2 * spent / max(cost["steps"], 1)
    return (
        [] if amount * 0.999 <= spent <= allowed else [f"budget: {spent:g} s of training where {amount:g} s were given"]
    )


def _curve(record: Record, truth: recount.Recount) -> list[str]:
    """Hold the curve's densities against the topology at each step."""
    topology = record["topology"]
    ends = {training["step"] for training in record["rounds"]}  # evaluated before the pruning that follows
    for point in record["curve"]:
        until = point["step"] - (point["step"] in ends)
        active = [entry for entry in topology if entry["step"] <= until][-1]["active"]
        density = sum(active) / truth.maskable
        if point["density"] is None or abs(point["density"] - density) > 1e-6:
            return [f"curve: density {point['density']} at step {point['step']}, the topology has {density:.6g}"]
    return []
