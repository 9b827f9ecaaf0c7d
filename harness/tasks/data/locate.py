"""Where the files of a data set are looked for, and what is said when they are not there."""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.places import cache

Config = Mapping[str, Any]
"""A resolved ``dataset`` group: name, root, download, shape, classes, *_examples, mean, std."""


class MissingDataError(UsageError):
    """The files of a data set are nowhere where they are looked for."""


@dataclass(frozen=True)
class Layout:
    """How to recognise a data set on disk.

    Attributes:
        markers: Names, relative to the folder that holds the data; if one exists, the data set is there.
        remedy: How a person gets the data, as the end of an error message.
        inner: Folders below a looked-at place that may hold the data; ``""`` is the place itself.
        system: Places looked at last, for data that a system package installs.
        fetch: Downloads the data into a folder; called only when the config says ``download: true``.
        needed: Whether there are no data without the folder; else it is used where ``root`` names one.
    """

    markers: tuple[str, ...]
    remedy: str
    inner: tuple[str, ...] = ("",)
    system: tuple[str, ...] = ()
    fetch: Callable[[Path], None] | None = None
    needed: bool = True

    def applies(self, config: Config) -> bool:
        """Return whether the data come from a folder."""
        return self.needed or bool(config.get("root"))

    def find(self, config: Config) -> Path:
        """Return the folder that holds the data, downloading them first if asked to and they are not there.

        Raises:
            MissingDataError: If they are nowhere; the message says where they were looked for.
            UsageError: If ``root`` exists but is not this data set, or the download failed.
        """
        places = self._places(config)
        folder = self._search(places)
        if folder is None and config.get("download") and self.fetch is not None:
            self._download(config["name"], places[0])
            folder = self._search(places)
        if folder is not None:
            return folder
        name, root = config["name"], config.get("root")
        if root and places[0].exists():
            kind = "folder" if places[0].is_dir() else "file"
            wanted = " or ".join(self.markers)
            near = self._near(places[0])
            remedy = self.remedy if near is None else f"did you mean dataset.root={near}?"
            raise UsageError(f"dataset.root={root} is a {kind} without {wanted}, so not {name}; {remedy}")
        looked = ", ".join(str(place) for place in places)
        raise MissingDataError(f"data set {name!r} is missing: looked for {self.markers[0]} in {looked}; {self.remedy}")

    def _places(self, config: Config) -> list[Path]:
        """A given root is the only place: falling back to other data would silently ignore what was asked."""
        name, root = config["name"], config.get("root")
        if root:
            return [Path(os.path.expanduser(root))]
        shared = os.environ.get("SPARSEBENCH_DATA")
        first = [Path(os.path.expanduser(shared)) / name] if shared else []
        return [*first, cache() / name, *map(Path, self.system)]

    def _search(self, places: list[Path]) -> Path | None:
        for place in places:
            for inner in self.inner:
                folder = place / inner
                try:
                    if any((folder / marker).exists() for marker in self.markers):
                        return folder
                except OSError as error:  # no permission, or a name that is too long
                    raise UsageError(f"cannot look for data in {folder}: {error.strerror}") from None
        return None

    def _near(self, place: Path) -> Path | None:
        """Return the folder with the data that is one level above or below a place, if there is one."""
        below = []
        if place.is_dir():
            with contextlib.suppress(OSError):
                below = sorted(child for child in place.iterdir() if child.is_dir())
        return self._search([*below, place.absolute().parent])

    def _download(self, name: str, place: Path) -> None:
        assert self.fetch is not None
        try:
            place.mkdir(parents=True, exist_ok=True)
            with contextlib.redirect_stdout(sys.stderr):  # a worker's standard output carries its events
                self.fetch(place)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(f"cannot download {name} to {place}: {reason}; {self.remedy}") from error
