"""Data sets: found, read, split and served in an order that depends on the seed alone.

`load` serves the batches of a run, `info` says how many samples it will have (also when the data are absent), `notes`
what was skipped, `fingerprint` names the content, `directory` says where it lies, `fetch` downloads it when the config
allows. A new data set is one function under ``@register`` in ``harness/tasks/data/sets`` and one YAML in
``benchmarks/dataset``.
"""

from harness.tasks.data.checks import recipe as check_recipe
from harness.tasks.data.loading import (
    ABSENT,
    DALI,
    Info,
    check_loader,
    decoded,
    directory,
    fetch,
    fingerprint,
    found,
    info,
    load,
    notes,
)
from harness.tasks.data.order import Batches
from harness.tasks.data.registry import DATASETS
from harness.tasks.data.serving import Data

__all__ = [
    "ABSENT",
    "DALI",
    "DATASETS",
    "Batches",
    "Data",
    "Info",
    "check_loader",
    "check_recipe",
    "decoded",
    "directory",
    "fetch",
    "fingerprint",
    "found",
    "info",
    "load",
    "notes",
]
