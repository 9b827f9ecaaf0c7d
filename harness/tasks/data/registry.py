"""Data sets by name."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.errors import unknown
from harness.tasks.data.contents import Contents
from harness.tasks.data.locate import Config, Layout
from methods import entry_points

ENTRY_POINTS = "sparsebench.datasets"

Reader = Callable[[Config], Contents]
"""Finds and reads a data set; raises a one-line `UsageError` if it is absent, damaged or something else."""


@dataclass(frozen=True)
class Dataset:
    """One registered data set.

    Attributes:
        read: Reads it.
        layout: Where its files are; None for data that come with a library or are made.
        published: For a folder of image files, the counts of the published set, which stand in a config until there is
            a folder to count; None for data held in memory.
        source: The function or the task of a plug-in (`harness.tasks.data.plugin`); None for a data set of this
            project.
        digest: Of the source of a plug-in's task, whose loss and metric identify a run as its data do.
        counts: Returns the counts of what is there, for a data set whose settings file leaves them out; else None.
        notes: Returns what a person should know of the files that are there, a line each; None if there is nothing.
    """

    read: Reader
    layout: Layout | None
    published: Mapping[str, int] | None = None
    source: Callable[..., Any] | None = None
    digest: str | None = None
    counts: Callable[[Config], dict[str, int]] | None = None
    notes: Callable[[Config], list[str]] | None = None

    @property
    def decoded(self) -> bool:
        """Whether images are decoded from files while a run trains."""
        return self.published is not None

    def fingerprint(self, contents: Contents) -> str:
        """Return the sha256 (hex) of what was read, and of the source of a plug-in's task.

        Raises:
            OSError: A file cannot be read.
        """
        found = contents.digest()
        return found if self.digest is None else hashlib.sha256(f"{found} {self.digest}".encode()).hexdigest()


DATASETS: dict[str, Dataset] = {}


def register(
    name: str,
    *,
    layout: Layout | None = None,
    published: Mapping[str, int] | None = None,
    counts: Callable[[Config], dict[str, int]] | None = None,
    notes: Callable[[Config], list[str]] | None = None,
) -> Callable[[Reader], Reader]:
    """Make a reader available as ``dataset=NAME``; see `Dataset` for the arguments."""

    def add(read: Reader) -> Reader:
        DATASETS[name] = Dataset(read, layout, published, counts=counts, notes=notes)
        return read

    return add


def dataset(config: Config) -> Dataset:
    """Return the data set that a config names.

    Raises:
        UsageError: If there is none of that name.
    """
    if config["name"] not in DATASETS:
        load_installed()
    if config["name"] not in DATASETS:
        raise unknown("dataset", config["name"], DATASETS)
    return DATASETS[config["name"]]


@cache
def load_installed() -> None:
    """Load the data sets of installed packages; see `methods.entry_points.load`."""
    from harness.tasks.data import plugin

    entry_points.load(ENTRY_POINTS, plugin.add)
