"""The price of a run before it is trained. Needs no data and trains nothing."""

from dataclasses import dataclass
from typing import Any

from harness import plugins
from harness.config import RunConfig
from harness.errors import UsageError
from harness.plan.forecast import forecast
from methods import Method
from methods.base import overrides


@dataclass(frozen=True)
class Price:
    """The costs of a run.

    Attributes:
        train_flops: Of the whole run; None under a budget whose number of steps only the machine knows.
        reference_flops: Training FLOPs of the dense run of the same task and number of epochs.
        inference_flops: Of one sample at the end of training.
        dense_forward_flops: Of one sample through the dense model; through the full one, for a narrower one.
        layers: Per masked layer ``name``, ``shape``, dense ``macs`` of one sample, and ``density`` at the end.
        estimated: Whether only training decides on the layer densities.
        notes: What the user of such a run should know, a line each.
    """

    train_flops: int | None
    reference_flops: int
    inference_flops: int
    dense_forward_flops: int
    layers: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
    estimated: bool = False

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
            "notes": list(self.notes),
            "estimated": self.estimated,
        }


def price(run: RunConfig, name: str) -> Price:
    """Work out what a run will cost; runs that differ in their seed alone are worked out once.

    Where global magnitude decides on layer densities, they are estimated from initial weights, whatever the seed.

    Args:
        run: The run.
        name: What the runs of its row share, and the code that trains them.

    Raises:
        UsageError: The run cannot be trained as configured.
    """
    if name not in _prices:
        try:
            _prices[name] = _price(run)
        except UsageError:
            raise
        except Exception as error:
            if not plugins.is_foreign(run.method):
                raise
            raise plugins.unusable(run.method, error) from None
    return _prices[name]


_prices: dict[str, Price] = {}


def _price(run: RunConfig) -> Price:
    # It imports torch, which a plan of finished runs may not need.
    from harness.training.architecture import initial_weights
    from harness.training.prepare import sized

    ready = sized(run)
    expected = forecast(
        run.method,
        run.sparsity,
        ready.budget,
        ready.costs,
        initial_weights(run) if run.method.prunes_globally else [],
        train_samples=ready.train_samples,
        batch_size=run.recipe.batch_size,
    )
    layers = zip(ready.costs.layers, expected.active, strict=True)
    return Price(
        expected.train_flops,
        ready.budget.reference_flops,
        ready.costs.forward(expected.active),
        ready.reference.dense,
        tuple(
            {"name": layer.name, "shape": list(layer.shape), "macs": layer.macs, "density": active / layer.weights}
            for layer, active in layers
        ),
        ready.notes,
        _is_estimated(run.method),
    )


def _is_estimated(method: Method) -> bool:
    """Whether a method places its weights itself: by global magnitude, or by initial masks of its own.

    A class with a `Method.start` of its own may state that layer counts do not follow the weights nevertheless.
    """
    stated = "prunes_globally" in vars(type(method))
    return method.prunes_globally or (overrides(method, "start") and not stated)
