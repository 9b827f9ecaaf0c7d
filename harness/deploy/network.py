"""A kept network, measured: each layer, the whole network, the file, and a training step with sparse storage."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.budget.inputs import Inputs
from harness.budget.measure import measure
from harness.deploy import packed, timing, training
from harness.deploy.choice import Choice, choose, difference
from harness.deploy.conditions import Conditions
from harness.deploy.layers import Forward, Layer, find, inputs, swapped
from harness.errors import UsageError, first_line
from harness.machine import provenance
from harness.machine.precision import placed
from harness.networks.keep import read
from harness.networks.load import SparseNetwork, load_network
from harness.records.deployment_schema import BATCHES, DENSE, VERSION
from harness.records.deployments import Deployment
from harness.seeds import derive

Tell = Callable[[str, float], None]
"""Takes what is measured next, and the share of the work that is done."""


def deploy(file: Path, plugin: str | None, on: Conditions, tell: Tell) -> Deployment:
    """Measure a kept network.

    Every number is a median over repeats in which the compared ways took turns, after a warm-up, on random inputs that
    follow from the run's seed: of mean 0 and standard deviation 1, or tokens that are all equally likely.

    Args:
        file: ``OUTPUT/networks/KEY.safetensors``.
        plugin: Where its model comes from; see `harness.networks.load.load_network`.
        on: On what to measure.
        tell: Is told how far it is.

    Raises:
        UsageError: The file is no such network, the device is missing, or dense outputs are not finite or differ from
            those with sparse formats; nothing is measured then.
    """
    content = _content(file)
    loaded = load_network(file, plugin)
    device = _device(on.device)
    about, masks = loaded.about, loaded.masks
    active = {name: int(mask.sum()) for name, mask in masks.items()}
    maskable = sum(mask.numel() for mask in masks.values())
    flops_ratio = _flops_ratio(loaded, active)
    size = packed.sizes(content)
    with timing.threads(on.threads), timing.exact():
        model = placed(loaded.model.to(getattr(torch, on.precision)), device)
        found = _measured(model, loaded, on, device, tell)
        trained = training.step(find(model, _pruned(masks))[0], on, device, tell)
        machine = provenance.machine(device.type)
    source = provenance.source()
    return {
        "deployment": VERSION,
        "key": str(about.get("key")),
        "network": size,
        "about": {
            **{name: about.get(name) for name in ("method", "dataset", "model", "sparsity", "seed")},
            "density": sum(active.values()) / maskable if maskable else 1.0,
        },
        "conditions": {
            "device": device.type,
            "precision": on.precision,
            "threads": on.threads,
            "cpu": machine["cpu"].rpartition(" x")[0] or None,
            "gpu": machine["gpu"] and machine["gpu"]["name"],
            "torch": str(machine["torch"]),
        },
        "flops_ratio": flops_ratio,
        "repeats": on.repeats,
        "tolerance": on.tolerance,
        **found,
        "training": trained,
        "provenance": {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_commit": source["git_commit"],
            "git_dirty": source["git_dirty"],
            "python": machine["python"],
        },
    }


@torch.inference_mode()
def _measured(
    model: nn.Module, loaded: SparseNetwork, on: Conditions, device: torch.device, tell: Tell
) -> dict[str, Any]:
    """Return ``latency`` and ``layers`` of a deployment."""
    pruned = _pruned(loaded.masks)
    layers, refused = find(model, pruned)
    refused |= {name: "every weight is active" for name in loaded.masks if name not in pruned}
    twin = _twin(model, pruned)
    chosen: dict[str, dict[int, Choice]] = {layer.name: {} for layer in layers}
    latency = []
    steps = len(BATCHES) * (len(layers) + 1)
    for number, batch in enumerate(BATCHES):
        noise = _noise(loaded.about, batch, getattr(torch, on.precision), device)
        given = _inputs(model, layers, noise)
        for place, layer in enumerate(layers):
            tell(f"{layer.name}, batch {batch}", (number * (len(layers) + 1) + place) / steps)
            if layer.name in given:
                chosen[layer.name][batch] = choose(layer, given[layer.name], on.repeats, on.tolerance)
            else:
                refused[layer.name] = "is not called as a module in evaluation mode"
        tell(f"the network, batch {batch}", ((number + 1) * (len(layers) + 1) - 1) / steps)
        forwards = {name: each[batch].forward for name, each in chosen.items() if batch in each}
        sparse = {name: forward for name, forward in forwards.items() if forward is not None}
        latency.append(_latency(model, twin, sparse, noise, on))
    return {"latency": latency, "layers": [*_layers(loaded, layers, chosen, refused)]}


def _inputs(model: nn.Module, layers: Sequence[Layer], noise: Tensor) -> dict[str, Tensor]:
    try:
        return inputs(model, layers, noise)
    except RuntimeError as error:
        where = f"in {str(next(model.parameters()).dtype).removeprefix('torch.')} on {noise.device.type}"
        raise UsageError(f"torch cannot compute the network {where}: {first_line(error)}") from None


def _latency(
    model: nn.Module, twin: "_Twin", sparse: Mapping[str, Forward], noise: Tensor, on: Conditions
) -> dict[str, Any]:
    """Time the network with sparse formats against itself without.

    Raises:
        UsageError: Outputs are not finite, or differ.
    """
    expected = model(noise)
    if not bool(torch.isfinite(expected).all()):
        raise UsageError(f"the network's outputs are not finite in {on.precision}: nothing can be compared with them")
    found = {"batch": len(noise), "sparse_layers": len(sparse)}
    ways: dict[str, timing.Work] = {DENSE: lambda: model(noise)}
    if not sparse:
        seconds = timing.in_turns(ways, on.repeats, noise.device)[DENSE].median
        one = {"dense_seconds": seconds, "seconds": seconds, "speedup": 1.0, "low": None, "high": None}
        return {**found, **one, "error": 0.0}
    with swapped(twin.layers, sparse):
        error = difference(twin.model(noise), expected)
        if not error <= on.tolerance:
            raise UsageError(
                f"with {len(sparse)} layers in sparse formats the outputs at batch {len(noise)} differ from dense by "
                f"{error:.2g} of the largest, more than {on.tolerance:g}: nothing is recorded"
            )
        ways["sparse"] = lambda: twin.model(noise)
        timed = timing.in_turns(ways, on.repeats, noise.device)
    return {**found, **timing.compared(timed[DENSE], timed["sparse"]), "error": error}


def _layers(
    loaded: SparseNetwork,
    layers: Sequence[Layer],
    chosen: Mapping[str, Mapping[int, Choice]],
    refused: Mapping[str, str],
) -> list[dict[str, Any]]:
    kinds = {layer.name: layer.kind for layer in layers}
    names = list(dict.fromkeys([*loaded.masks, *kinds, *refused]))
    shapes = {name: list(mask.shape) for name, mask in loaded.masks.items()}
    shapes |= {layer.name: list(layer.module.weight.shape) for layer in layers}
    told = []
    for name in names:
        if name not in kinds and name not in refused:  # another name of a weight that is listed
            continue
        mask = loaded.masks.get(name)
        told.append(
            {
                "name": name,
                "kind": kinds.get(name, "other"),
                "shape": shapes.get(name, []),
                "density": None if mask is None else float(mask.float().mean()),
                "batches": [each.described(batch) for batch, each in chosen.get(name, {}).items()],
                "refused": refused.get(name),
            }
        )
    return told


def _pruned(masks: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the masks that leave a weight out."""
    return [name for name, mask in masks.items() if not bool(mask.all())]


class _Twin(NamedTuple):
    """A copy of a network that shares its parameters and buffers, and the copy's layers by name."""

    model: nn.Module
    layers: Mapping[str, Layer]


def _twin(model: nn.Module, masked: Sequence[str]) -> _Twin:
    shared = [*model.parameters(), *model.buffers()]
    twin = copy.deepcopy(model, {id(tensor): tensor for tensor in shared})
    return _Twin(twin, {layer.name: layer for layer in find(twin, masked)[0]})


def _noise(about: Mapping[str, Any], batch: int, precision: torch.dtype, device: torch.device) -> Tensor:
    """Return random inputs on a device: tokens as they are, all else in a precision.

    Images are laid out as dense convolutions are fastest on them; `placed` puts the weights into that layout too.
    """
    try:
        noise = _described(about).noise(batch, derive(int(about["seed"]), "deploy", batch)).to(device)
    except (RuntimeError, TypeError, ValueError) as error:  # the metadata of a file may ask for anything
        raise UsageError(f"no {batch} inputs of shape {about['shape']} can be made here: {first_line(error)}") from None
    if not noise.is_floating_point():
        return noise
    last = device.type == "cuda" and noise.dim() == 4
    return noise.to(precision, memory_format=torch.channels_last if last else torch.contiguous_format)


def _described(about: Mapping[str, Any]) -> Inputs:
    """Return the inputs of the run that a network is of; ``tokens`` is in the metadata where inputs are tokens."""
    return Inputs(tuple(about["shape"]), about.get("tokens"))


def _flops_ratio(loaded: SparseNetwork, active: Mapping[str, int]) -> float | None:
    """Return the FLOPs of a sample as a multiple of the same network's without masks; None if they are not known."""
    try:
        costs = measure(loaded.model, _described(loaded.about))
    except UsageError:
        return None
    return costs.forward([active.get(layer.name, layer.weights) for layer in costs.layers]) / costs.dense


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no NVIDIA GPU here; --device cpu uses the processor")
    return torch.device(name)


def _content(file: Path) -> bytes:
    try:
        return read(file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"{file}: {first_line(error)}") from None
