"""On what a network is measured."""

from dataclasses import dataclass, field

import torch

from harness.records.deployment_schema import TOLERANCES


@dataclass(frozen=True)
class Conditions:
    """On what a network is measured.

    Attributes:
        device: ``cpu`` or ``cuda``.
        precision: One of `harness.records.deployment_schema.PRECISIONS`, of weights and activations.
        threads: Of the processor that torch uses.
        repeats: Samples of each way to compute a layer or the network.
    """

    device: str = "cpu"
    precision: str = "float32"
    threads: int = field(default_factory=torch.get_num_threads)
    repeats: int = 21

    @property
    def tolerance(self) -> float:
        """How far an output may be from dense, as a fraction of the largest dense output."""
        return TOLERANCES[self.precision]
