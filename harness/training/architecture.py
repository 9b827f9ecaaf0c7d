"""The architecture of a run, which all that differ in their seed share: measured once in a process."""

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from harness.budget.costs import Costs
from harness.budget.inputs import Inputs
from harness.budget.measure import measure
from harness.budget.parts import Layers, select
from harness.budget.tracing import is_small
from harness.config import RunConfig
from harness.errors import BuilderError, UsageError, file_of, reason
from harness.machine.oom import ran_out_of_memory
from harness.records.metrics import CLASSIFICATION
from harness.tasks import base, models


@dataclass(frozen=True)
class Architecture:
    """What costs depend on: everything about a model but its weights.

    Attributes:
        model: Its name.
        builder: What builds it, where that is known yet.
        classes: Width of the output.
        inputs: What it takes and returns.
        labelled: Whether the samples have a class each.
        dense_layers: Names of layers to leave out of the masks.
        options: What else its builder is given.
    """

    model: str
    builder: Callable[..., nn.Module] | None
    classes: int
    inputs: Inputs
    labelled: bool
    dense_layers: tuple[str, ...]
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, run: RunConfig) -> "Architecture":
        """Return the architecture of a run."""
        name, dataset, dense = run.model.name, run.dataset, tuple(run.dense_layers)
        options = tuple((key, _hashable(value)) for key, value in run.model.options().items())
        inputs, labelled = base.inputs(vars(dataset)), dataset.task == CLASSIFICATION
        return cls(name, models.MODELS.get(name), dataset.classes, inputs, labelled, dense, options)

    def build(self, seed: int = 0, device: str = "cpu") -> nn.Module:
        """Build a model; see `harness.tasks.models.registry.build`."""
        return models.build(self.model, self.classes, self.inputs.shape, seed, device, **dict(self.options))

    def measure(self, model: nn.Module) -> Costs:
        """Return the dense costs of a model of this architecture."""
        return measure(model, self.inputs, self.dense_layers, classes=self.classes if self.labelled else None)

    def measure_unbuilt(self) -> Costs:
        """Measure without values, of which large models have many, if the model can be built and run so."""
        with suppress(Exception):  # whatever a model raises without values; with values it tells the truth
            with warnings.catch_warnings(action="ignore"):  # as of weights that are loaded into nothing
                model = self.build(device="meta")
            # What makes the first passes without values slow for small ones (see `is_small`) may have happened already.
            if not is_small(model) or "torch._dynamo" in sys.modules:
                return self.measure(model)
        return self.measure(self._built())

    def _built(self) -> nn.Module:
        try:
            return self.build()
        except UsageError:
            raise
        except Exception as error:  # its author's code
            if ran_out_of_memory(error):
                raise
            what = f"model {self.model!r} cannot be built for {self.classes} outputs and inputs of {self.inputs.shape}"
            raise BuilderError(f"{what}: {reason(error, file_of(models.builder(self.model)))}") from error

    def prepared(self, seed: int, costs: Costs | None) -> tuple[nn.Module, Layers]:
        """Build a model and return it with its masked weights.

        Args:
            seed: Of its weights.
            costs: Its dense costs, if another process has measured them.
        """
        model = self.build(seed)
        if self not in _measured:
            _measured[self] = costs or self.measure(model)
        return model, self.layers(model)

    def layers(self, model: nn.Module) -> Layers:
        """Return the masked weights of a model that was measured."""
        return select(model, [layer.name for layer in _measured[self].layers])


_measured: dict[Architecture, Costs] = {}


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def measured(run: RunConfig) -> Costs:
    """Return the dense costs of a run's model: each architecture is measured once in a process.

    Raises:
        UsageError: The model cannot be built, measured, or masked.
    """
    architecture = Architecture.of(run)
    if architecture not in _measured:
        _measured[architecture] = architecture.measure_unbuilt()
    return _measured[architecture]


def initial_weights(run: RunConfig) -> list[torch.Tensor]:
    """Return the masked weights of a run's model as initialised from seed 0; built once for each architecture."""
    measured(run)
    return _initial_weights(Architecture.of(run))


@lru_cache(maxsize=8)
def _initial_weights(architecture: Architecture) -> list[torch.Tensor]:
    return [weight.detach() for _, weight in architecture.layers(architecture.build())]


@lru_cache(maxsize=256)
def single_sample_error(architecture: Architecture) -> str | None:
    """Return why a model cannot train on a batch of one sample, as batch normalisation of one value cannot."""
    model = architecture.build()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.train()(architecture.inputs.zeros(1))
    except ValueError as error:
        return str(error).splitlines()[0]
    return None
