"""The Parquet tables of a publication."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from harness.publish.contents import Contents
from harness.records.frames import FRAMES, load

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "verified": "made in a container, done, and passed by `sparsebench check`",
    "check": "`passes`, or why `sparsebench check` refuses the record",
    "network_file": "the run's network in this folder; null where none is published",
}
"""The columns that the table of runs has besides those of `sparsebench.load`."""


def tables(contents: Contents, folder: Path) -> dict[str, bytes]:
    """Return the content of each table by its file's name.

    Args:
        contents: What is published.
        folder: Where its ``records`` have been written.
    """
    found = {}
    for name in FRAMES:
        frame = load(folder, name)
        if name == "runs":
            frame = _told(frame, contents)
        found[f"{name}.parquet"] = _parquet(frame)
    return found


def _told(runs: "pd.DataFrame", contents: Contents) -> "pd.DataFrame":
    files = {key: f"networks/{path.name}" for key, path in contents.networks.items()}
    return runs.assign(
        verified=runs["file"].map(contents.verified).astype(bool),
        check=runs["file"].map(contents.checks),
        network_file=runs["key"].map(files).astype(object),
    )


def _parquet(frame: "pd.DataFrame") -> bytes:
    """Return a table as Parquet; a column whose values are of several types holds text."""
    from pandas.api.types import is_object_dtype

    frame = frame.copy()
    frame.attrs.clear()
    for name in filter(lambda name: is_object_dtype(frame[name]), frame.columns):
        known = frame[name].notna()
        if frame[name][known].map(type).nunique() > 1:
            frame[name] = frame[name].map(str).where(known, None)
    target = io.BytesIO()
    frame.to_parquet(target, engine="pyarrow", compression="zstd", index=False)
    return target.getvalue()
