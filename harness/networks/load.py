"""Makes a model of a kept network."""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor, nn

from harness import plugins
from harness.budget.parts import parts, select
from harness.config import ModelConfig
from harness.config.check_model import check_model
from harness.errors import UsageError, first_line
from harness.networks import masks as codes
from harness.networks.keep import read
from harness.networks.packing import Kept, unpack
from harness.networks.tensors import content
from harness.records.source import source_digest
from harness.tasks import models


class SparseNetwork(NamedTuple):
    """A trained sparse network.

    Attributes:
        model: With the weights of the last step, in evaluation mode, on the CPU. It takes inputs as the run's data
            loader serves them: images as (batch, channels, height, width), scaled to [0, 1], less ``about["mean"]`` and
            divided by ``about["std"]``, channel by channel; values as float32; tokens as int64.
        masks: Boolean tensors by the names of the weights that they belong to, in model order. A name such as
            ``in_proj_weight.q`` is a third of the rows of a packed parameter.
        about: Which run it is of: ``key``, ``method``, ``paper``, ``task``, ``dataset``, ``model``, ``width``,
            ``sparsity``, ``seed``, ``classes``, ``shape``, ``mean``, ``std``, ``plugins``.
    """

    model: nn.Module
    masks: dict[str, Tensor]
    about: dict[str, Any]

    @torch.no_grad()
    def apply_masks(self) -> None:
        """Set the weights outside the masks to zero, in place; to fine-tune, call it after each optimiser step."""
        for name, weight in select(self.model, list(self.masks)):
            values = weight.detach()
            values.mul_(self.masks[name].to(values.device))


def load_network(path: Path | str, model: str | None = None) -> SparseNetwork:
    """Load a network that a run has left, ready to evaluate, transfer or fine-tune.

    Args:
        path: ``OUTPUT/networks/KEY.safetensors``. Nothing that it holds is run.
        model: The plug-in that its model comes from, ``path/file.py:function``; models of this project and of installed
            packages need none.

    Raises:
        UsageError: It cannot be read, is not such a file, or its model is not available here as it was trained.
    """
    try:
        kept = unpack(read(Path(path)))
        kept.counts()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"{path}: {first_line(error)}") from None
    try:
        built = _built(path, kept, model)
        return SparseNetwork(built.eval(), _filled(built, kept), kept.about)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{path}: {first_line(error)}") from None
    except RuntimeError as error:
        raise UsageError(f"{path}: does not fit model {kept.about['model']!r}: {first_line(error)}") from None
    except MemoryError:
        raise UsageError(f"{path}: takes more memory than there is") from None


def _filled(built: nn.Module, kept: Kept) -> dict[str, Tensor]:
    """Give a model the weights that were kept; return the masks in its order.

    Raises:
        RuntimeError: It is not the model that they are of.
        ValueError: The file contradicts itself.
    """
    shapes = {part.name: tuple(part.weight.shape) for part in parts(built)}
    for name, mask in kept.masks.items():  # before they take their memory
        if shapes.get(name) != mask.shape:
            raise RuntimeError(f"{name} has shape {list(shapes.get(name, ()))}, its mask {list(mask.shape)}")
    built.load_state_dict(load(content(kept.state())))
    return {name: torch.from_numpy(codes.decoded(kept.masks[name])) for name in shapes if name in kept.masks}


def _built(path: Path | str, kept: Kept, plugin: str | None) -> nn.Module:
    """Build the model that a network is of.

    Raises:
        UsageError: There is no such model, it is not the one that was trained, or the metadata are wrong.
    """
    name = plugins.load("model", plugin) if plugin else None
    try:
        about = kept.about
        wanted, digest = str(about["model"]), about["plugins"].get("model")
        sizes = int(about["classes"]), [int(side) for side in about["shape"]]
        seed, model = int(about["seed"]), ModelConfig(wanted, float(about["width"]), **about.get("options", {}))
        check_model(model)
    except (KeyError, AttributeError, TypeError, ValueError):
        raise UsageError(f"{path}: its metadata do not say which model it is of") from None
    if name not in (wanted, None):
        raise UsageError(f"{path}: is of model {wanted!r}, and {plugin} is {name!r}")
    if wanted not in models.MODELS:
        models.registry.load_installed()
    if wanted not in models.MODELS:
        raise UsageError(
            f"{path}: model {wanted!r} comes from a plug-in: name it, --model path/file.py:{wanted} or "
            f"load_network(path, model='path/file.py:{wanted}')"
        )
    if digest is not None and digest != source_digest(models.builder(wanted)):
        raise UsageError(f"{path}: the code of model {wanted!r} has changed since the network was trained")
    weights = 0
    with suppress(Exception):  # not every plug-in can be built without values
        empty = models.build(wanted, *sizes, seed, "meta", **model.options())
        weights = sum(weight.numel() for weight in empty.parameters())
    if weights > kept.size:
        raise UsageError(f"{path}: has {kept.size:,} weights, and model {wanted!r} of its metadata {weights:,}")
    return models.build(wanted, *sizes, seed, **model.options())
