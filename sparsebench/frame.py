"""Records as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.records import load_files

if TYPE_CHECKING:
    import pandas as pd

#: Groups whose names are clear without that of the group.
_PLAIN = ("metrics", "cost")


def load(folder: str | Path = "results") -> pd.DataFrame:
    """Read a folder of records into a tidy frame, one row per run; needs no torch.

    Columns are the record's names: ``method``, ``sparsity``, ``seed``, ``status``, those of its metrics and costs
    (``test_accuracy``, ``train_flops``, ``seconds.total``), and with the name of their group all others
    (``budget.kind``, ``provenance.git_commit``, ``config.recipe.lr``). Lists and densities of single layers stay in the
    records, whose names are in the column ``file``.

    Args:
        folder: A folder of records, or one that holds a folder ``records``.

    Returns:
        The frame; ``frame.attrs["problems"]`` names the files that are not records, each with the reason.

    Raises:
        UsageError: There is no such folder.
    """
    import pandas as pd

    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"{folder} is not a folder")
    inner = place / "records"
    records, problems = load_files(inner if inner.is_dir() else place)
    frame = pd.DataFrame([{**_row(record), "file": name} for name, record in records.items()])
    frame.attrs["problems"] = [f"{problem.file}: {problem.reason}" for problem in problems]
    return frame


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a record; ``sparsity`` is the requested one, ``metrics.sparsity`` the measured one."""
    row = dict(_flat(record))
    for name in list(row):
        group, _, last = name.partition(".")
        if group in _PLAIN and last not in row:
            row[last] = row.pop(name)
    return row


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the single values of nested dictionaries under dotted names."""
    for name, value in values.items():
        if name == "layer_density":  # null where there was nothing to count
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value
