"""SparseBench: every sparse-training method on one budget, on one board.

This is the public face: everything else may change between versions. A method from outside the project needs nothing
but these names, and a notebook little more::

    import sparsebench as sb

    record = sb.run(["method=rigl", "dataset=digits", "sparsity=0.95"])
    frame = sb.load("results")

Importing it takes no time: each name is imported when it is first used, and torch only by what trains or plans.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.networks.load import load_network
    from harness.records.frames import load
    from harness.records.metrics import Metric
    from harness.tasks.base import Score, Task
    from methods import Event, Learned, Look, Masks, Method, Moment, Pattern, Probe, Rewinding, register
    from sparsebench.runs import load_test_images, plan, resolve, run

__all__ = [
    "Event",
    "Learned",
    "Look",
    "Masks",
    "Method",
    "Metric",
    "Moment",
    "Pattern",
    "Probe",
    "Rewinding",
    "Score",
    "Task",
    "load",
    "load_network",
    "load_test_images",
    "plan",
    "register",
    "resolve",
    "run",
]

_HOMES = {
    "methods": ("Event", "Learned", "Look", "Masks", "Method", "Moment", "Pattern", "Probe", "Rewinding", "register"),
    "harness.networks.load": ("load_network",),
    "harness.records.frames": ("load",),
    "harness.records.metrics": ("Metric",),
    "harness.tasks.base": ("Score", "Task"),
    "sparsebench.runs": ("load_test_images", "plan", "resolve", "run"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    Raises:
        AttributeError: There is no such name.
        harness.extras.MissingExtraError: It needs a library that is not installed.
    """
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness.extras import explained

    with explained():
        found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, used or not."""
    return sorted({*globals(), *__all__})
