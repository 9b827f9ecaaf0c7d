"""Active neurons of the layers of a run whose pattern is a constant fan-in, as its record counts them."""

from typing import NamedTuple

from harness.records.record import Record


class Neurons(NamedTuple):
    """Neurons of a layer.

    Attributes:
        active: Those with an active weight.
        fan_in: Active weights of each of these.
        share: Share of the layer's neurons that they are.
    """

    active: int
    fan_in: int
    share: float


def by_layer(record: Record) -> dict[str, Neurons]:
    """Return the neurons of each layer that has active ones, by name; nothing where the record does not count them."""
    claimed = record["metrics"].get("active_neurons")
    if not claimed:
        return {}
    try:
        return {
            str(layer["name"]): Neurons(number, int(kept // number), number / int(layer["shape"][0]))
            for layer, kept in zip(record["config"]["layers"], record["topology"][-1]["active"], strict=False)
            if (number := claimed.get(layer["name"]))
        }
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return {}  # a config may hold anything
