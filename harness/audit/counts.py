"""Checks of what can be recounted exactly: weights, steps, samples and FLOPs, and that the budget was kept."""

import bisect
import itertools
import math
from typing import Any

from harness.audit import declared, promised, recount, topology
from harness.budget import kinds
from harness.budget.kinds import Reference, Usage
from harness.records import Record, whole_budget
from methods.base import overrides


def refusals(record: Record) -> list[str]:
    """Return what does not add up in a record that is done.

    Args:
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    broken = _topology(record)
    if broken:
        return broken  # nothing can be recounted from it
    truth = recount.recount(record)
    checks = (_samples, _weights, _costs, _budget, _curve)
    told = declared.refusals(record["config"]) + topology.refusals(record)
    return told + [line for check in checks for line in check(record, truth)]


def _topology(record: Record) -> list[str]:
    layers, entries, steps = record["config"]["layers"], record["topology"], record["cost"]["steps"]
    if not layers or any(layer["weights"] != math.prod(layer["shape"]) for layer in layers):
        return ["layers: the weights of a layer must be the product of its shape"]
    for layer in layers:
        uses = (layer["uses"], layer.get("train_uses", layer["uses"]))
        if any(type(each) is not int or each < 0 for each in uses) or uses[1] < 1:
            return ["layers: uses, how often a weight is used per sample, must be 1 or more in training"]
    if not entries or entries[0]["step"] != 0 or entries[0]["dense_gradient"]:
        return ["topology: must begin with the start: step 0, no dense gradient"]
    found = []
    places = [entry["step"] for entry in entries]
    if any(after <= before for before, after in itertools.pairwise(places)):
        found.append("topology: steps must increase")
    if len(places) > 1 and (places[-1] > steps or (places[-1] == steps and _grows(record))):
        found.append(f"topology: an event at step {places[-1]} of {steps} leaves no step to train what it grew")
    for entry in entries:
        active = entry["active"]
        if len(active) != len(layers):
            found.append(f"topology: {len(active)} layers at step {entry['step']}, the config has {len(layers)}")
        elif any(kept > layer["weights"] for kept, layer in zip(active, layers, strict=True)):
            found.append(f"topology: more active weights than a layer has, at step {entry['step']}")
        elif "gradient" in entry and (why := _wrong_gradient(entry, layers)):
            found.append(f"topology: {why}, at step {entry['step']}")
    return found[:3]


def _wrong_gradient(entry: dict[str, Any], layers: list[dict[str, Any]]) -> str | None:
    """Say what is wrong with the weights whose gradient is charged: all active ones are, and none that is not there."""
    if len(entry["gradient"]) != len(layers):
        return f"gradients of {len(entry['gradient'])} layers"
    counts = zip(entry["active"], entry["gradient"], layers, strict=True)
    if all(active <= count <= layer["weights"] for active, count, layer in counts):
        return None
    return "gradients of fewer weights than are active, or of more than a layer has"


def _grows(record: Record) -> bool:
    """Return whether the last event has a layer grow; where sparsity is a result, the last masks are what it left."""
    before, after = record["topology"][-2:]
    counts = zip(before["active"], after["active"], strict=False)
    grown = any(old < new for old, new in counts) and record["config"].get("reaches") is not True
    return bool(after["dense_gradient"] or grown)


def _samples(record: Record, truth: recount.Recount) -> list[str]:
    """Check that the training split is what the data set's own counts leave."""
    data, size = record["config"]["dataset"], recount.train_samples(record["config"])
    left = data["train_examples"] - data["val_examples"]
    return [f"train_samples: {size}, but the data set's counts leave {left}"] if size != left else []


def _weights(record: Record, truth: recount.Recount) -> list[str]:
    metrics, found = record["metrics"], []
    if metrics["maskable"] != truth.maskable:
        found.append(f"maskable: {metrics['maskable']} but the layers have {truth.maskable} weights")
    if metrics["active"] != truth.active:
        found.append(f"active: {metrics['active']} but the topology ends with {truth.active}")
    found += promised.refusals(record, record["config"]["layers"], record["topology"][-1]["active"])
    if not metrics["nonzero"] <= metrics["active"]:
        found.append(f"nonzero: {metrics['nonzero']}, more than the {metrics['active']} active weights")
    if metrics["nonzero"] == 0:
        found.append("nonzero: 0, a network of zeros, which has learnt nothing")
    if abs(metrics["sparsity"] - truth.sparsity) > 1e-9:
        found.append(f"sparsity: {metrics['sparsity']} but 1 - active/maskable is {truth.sparsity}")
    given = metrics["layer_density"] or {}
    if list(given) != list(truth.layer_density):
        found.append("layer_density: the layers must be those of the config, in order")
    elif wrong := [name for name, value in truth.layer_density.items() if abs((given[name] or 0) - value) > 1e-9]:
        name = wrong[0]
        found.append(f"layer_density: {name} has {given[name]} but the topology ends with {truth.layer_density[name]}")
    return found + _neurons(record) + _explored(record, truth)


def _neurons(record: Record) -> list[str]:
    """Check that active neurons share the weights of their layer evenly, as a constant fan-in says."""
    claimed, layers = record["metrics"].get("active_neurons"), record["config"]["layers"]
    if claimed is None:
        return []
    if list(claimed) != [layer["name"] for layer in layers]:
        return ["active_neurons: the layers must be those of the config, in order"]
    for layer, kept in zip(layers, record["topology"][-1]["active"], strict=True):
        neurons = claimed[layer["name"]]
        if neurons > layer["shape"][0] or (kept % neurons if neurons else kept):
            return [f"active_neurons: {neurons} in {layer['name']} cannot share {kept} active weights evenly"]
    return []


def _explored(record: Record, truth: recount.Recount) -> list[str]:
    rate = record["metrics"]["exploration_rate"]
    most = max(sum(entry["active"]) for entry in record["topology"]) / truth.maskable
    if rate is None or rate < most - 1e-9:
        return [f"exploration_rate: {rate}, less than {most:.6g}, the largest share active at once"]
    method = declared.built(record["config"]["method"])
    still = len(record["topology"]) == 1 and method is not None and not overrides(method, "forward_weight")
    if still and rate > most + 1e-9:
        return [f"exploration_rate: {rate}, but the masks never change, and {most:.6g} are active"]
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
    if cost.get("probe") != truth.probe:
        found.append(f"probe: {cost.get('probe')} but the config gives {truth.probe}")
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
    """Check what was spent against the budget: nothing overspends by more than one step, nothing stops early."""
    config, cost, budget = record["config"], record["cost"], whole_budget(record["config"]["budget"])
    kind = kinds.kind(budget["kind"])
    reference = Reference(recount.schedule_steps(record), truth.reference_flops)
    size = kind.size(budget["amount"], budget["stretch"] * recount.share(config), reference)
    amount = kind.whole(size * recount.schedules(config))
    seconds = (cost["seconds"]["train"] or 0) + (cost["seconds"]["topology"] or 0)
    spent = Usage(cost["steps"], truth.samples, truth.train_flops, seconds)
    missed = kind.miss(amount, spent, Usage(1, recount.largest_batch(record), truth.step_flops))
    return [missed] if missed else []


def _curve(record: Record, truth: recount.Recount) -> list[str]:
    """Compare the curve's densities with the topology at each step."""
    entries = record["topology"]
    places = [entry["step"] for entry in entries]
    ends = {training["step"] for training in record["rounds"]}  # evaluated before the pruning that follows
    for point in record["curve"]:
        until = point["step"] - (point["step"] in ends)
        active = entries[max(bisect.bisect_right(places, until) - 1, 0)]["active"]
        density = sum(active) / truth.maskable
        if point["density"] is None or abs(point["density"] - density) > 1e-6:
            return [f"curve: density {point['density']} at step {point['step']}, the topology has {density:.6g}"]
    return []
