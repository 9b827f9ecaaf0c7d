"""Numbers as people and machines read them; an unknown one is a dash, or empty."""

from collections.abc import Sequence


def exact(value: float | None) -> str:
    """Return a number with the digits that matter to a machine; nothing for an unknown one."""
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else f"{value:.10g}"


def flops(value: float | None) -> str:
    """Return a number of FLOPs in scientific notation."""
    return "–" if value is None else f"{value:.3g}".replace("e+", "e")


def ratio(value: float | None) -> str:
    """Return a multiple of the dense run's cost."""
    return "–" if value is None else f"{value:.3g}×"


def seconds(value: float | None) -> str:
    """Return a duration in the unit that a person would take."""
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.2f} h"


def memory(value: float | None) -> str:
    """Return bytes in MiB or GiB."""
    if value is None:
        return "–"
    return f"{value / 2**20:.0f} MiB" if value < 2**30 else f"{value / 2**30:.1f} GiB"


def energy(value: float | None) -> str:
    """Return joules in kJ, or in kWh where they are many."""
    if value is None:
        return "–"
    return f"{value / 1000:.3g} kJ" if value < 3.6e6 else f"{value / 3.6e6:.3g} kWh"


def latency(value: float | None) -> str:
    """Return the seconds of one pass through a network in the unit that suits them."""
    if value is None:
        return "–"
    return _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")))


def size(value: float | None) -> str:
    """Return bytes of a file in kB, MB or GB, decimal."""
    if value is None:
        return "–"
    return _scaled(value, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")))


def _scaled(value: float, steps: Sequence[tuple[float, str]]) -> str:
    """Return three digits of a value in the largest unit of which it is at least one, else in the smallest."""
    rounded = float(f"{value:.3g}")  # first: what rounds up to a thousand is one of the next unit
    factor, name = next((step for step in steps if rounded >= step[0]), steps[-1])
    return f"{rounded / factor:.3g} {name}"
