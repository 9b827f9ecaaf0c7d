"""What a run will cost, before it is trained. Needs no data and trains nothing."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness.config import RunConfig, to_dict
from harness.plan.forecast import forecast
from harness.records.identity import row


@dataclass(frozen=True)
class Price:
    """The costs of a run.

    Attributes:
        train_flops: Of the whole run; None under a budget whose number of steps only the machine knows.
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs.
        inference_flops: Of one image at the end of training.
        dense_forward_flops: Of one image through the dense model.
        layers: Per masked layer ``name``, ``shape``, dense ``macs`` of one image, and ``density`` at the end.
    """

    train_flops: int | None
    reference_flops: int
    inference_flops: int
    dense_forward_flops: int
    layers: tuple[dict[str, Any], ...]

    @property
    def train_flops_ratio(self) -> float | None:
        """Training FLOPs as a multiple of the dense run's."""
        return None if self.train_flops is None else self.train_flops / self.reference_flops

    @property
    def inference_flops_ratio(self) -> float:
        """Inference FLOPs as a share of the dense model's."""
        return self.inference_flops / self.dense_forward_flops

    def entry(self) -> dict[str, Any]:
        """Return the values as ``plan --json`` prints them; the names are a contract."""
        return {
            "train_flops": self.train_flops,
            "train_flops_ratio": self.train_flops_ratio,
            "inference_flops": self.inference_flops,
            "inference_flops_ratio": self.inference_flops_ratio,
            "dense_forward_flops": self.dense_forward_flops,
            "layers": list(self.layers),
        }


def price(run: RunConfig) -> Price:
    """Work out what a run will cost; runs that differ in their seed alone are worked out once.

    Where global magnitude decides on layer densities, they are estimated from initial weights: those of the first seed
    that is priced.

    Raises:
        UsageError: The run cannot be trained as configured.
    """
    return _price(_Row(row(to_dict(run)), run))


class _Row:
    """A run that equals those of its row, for the cache."""

    def __init__(self, name: str, run: RunConfig) -> None:
        self._name, self.run = name, run

    def __hash__(self) -> int:
        return hash(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Row) and self._name == other._name


@lru_cache(maxsize=4096)
def _price(row: _Row) -> Price:
    # It imports torch, which a plan of finished runs may not need.
    from harness.training.prepare import prepare

    run = row.run
    task = prepare(run)
    expected = forecast(
        run.method,
        run.sparsity,
        task.budget,
        task.costs,
        [weight for _, weight in task.layers],
        train_samples=task.train_samples,
        batch_size=run.recipe.batch_size,
    )
    layers = zip(task.costs.layers, expected.active, strict=True)
    return Price(
        expected.train_flops,
        task.budget.reference_flops,
        task.costs.forward(expected.active),
        task.costs.dense,
        tuple(
            {"name": layer.name, "shape": list(layer.shape), "macs": layer.macs, "density": active / layer.weights}
            for layer, active in layers
        ),
    )
