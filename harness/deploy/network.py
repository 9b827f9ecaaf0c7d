"""A kept network, measured: each layer, the whole network, the file, and a training step with sparse storage."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

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

    Every number is a median over repeats in which the compared ways took turns, after a warm-up, on random images of
    mean 0 and standard deviation 1 that follow from the run's seed.

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
        images = _images(loaded.about, batch).to(device, getattr(torch, on.precision), memory_format=_layout(device))
        given = _inputs(model, layers, images)
        for place, layer in enumerate(layers):
            tell(f"{layer.name}, batch {batch}", (number * (len(layers) + 1) + place) / steps)
            if layer.name in given:
                chosen[layer.name][batch] = choose(layer, given[layer.name], on.repeats, on.tolerance)
            else:
                refused[layer.name] = "is not called as a module in evaluation mode"
        tell(f"the network, batch {batch}", ((number + 1) * (len(layers) + 1) - 1) / steps)
        forwards = {name: each[batch].forward for name, each in chosen.items() if batch in each}
        sparse = {name: forward for name, forward in forwards.items() if forward is not None}
        latency.append(_latency(model, twin, sparse, images, on))
    return {"latency": latency, "layers": [*_layers(loaded, layers, chosen, refused)]}


def _inputs(model: nn.Module, layers: Sequence[Layer], images: Tensor) -> dict[str, Tensor]:
    try:
        return inputs(model, layers, images)
    except RuntimeError as error:
        where = f"in {str(images.dtype).removeprefix('torch.')} on {images.device.type}"
        raise UsageError(f"torch cannot compute the network {where}: {first_line(error)}") from None


def _latency(
    model: nn.Module, twin: "_Twin", sparse: Mapping[str, Forward], images: Tensor, on: Conditions
) -> dict[str, Any]:
    """Time the network with sparse formats against itself without.

    Raises:
        UsageError: Outputs are not finite, or differ.
    """
    expected = model(images)
    if not bool(torch.isfinite(expected).all()):
        raise UsageError(f"the network's outputs are not finite in {on.precision}: nothing can be compared with them")
    found = {"batch": len(images), "sparse_layers": len(sparse)}
    ways: dict[str, timing.Work] = {DENSE: lambda: model(images)}
    if not sparse:
        seconds = timing.in_turns(ways, on.repeats, images.device)[DENSE].median
        one = {"dense_seconds": seconds, "seconds": seconds, "speedup": 1.0, "low": None, "high": None}
        return {**found, **one, "error": 0.0}
    with swapped(twin.layers, sparse):
        error = difference(twin.model(images), expected)
        if not error <= on.tolerance:
            raise UsageError(
                f"with {len(sparse)} layers in sparse formats the outputs at batch {len(images)} differ from dense by "
                f"{error:.2g} of the largest, more than {on.tolerance:g}: nothing is recorded"
            )
        ways["sparse"] = lambda: twin.model(images)
        timed = timing.in_turns(ways, on.repeats, images.device)
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


def _images(about: Mapping[str, Any], batch: int) -> Tensor:
    draws = torch.Generator().manual_seed(derive(int(about["seed"]), "deploy", batch))
    try:
        return torch.randn(batch, *about["shape"], generator=draws)
    except RuntimeError as error:  # the metadata of a file may ask for any size
        raise UsageError(f"no {batch} images of shape {about['shape']} can be made here: {first_line(error)}") from None


def _layout(device: torch.device) -> torch.memory_format:
    """Return the layout of images in which dense convolutions run fastest; `placed` puts the weights into it too."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _flops_ratio(loaded: SparseNetwork, active: Mapping[str, int]) -> float | None:
    """Return the FLOPs of an image as a multiple of the same network's without masks; None if they are not known."""
    try:
        costs = measure(loaded.model, loaded.about["shape"])
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
