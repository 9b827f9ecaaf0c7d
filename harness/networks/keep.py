"""Keeps the network of a run: ``OUTPUT/networks/KEY.safetensors``, whole or not there."""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from harness.networks.packing import Kept, pack, unpack
from harness.records import Record
from harness.records.store import open_regular, sync_folder
from harness.records.validate import RecordError

FOLDER = "networks"
"""Where networks lie in an output, beside its ``records``."""

LARGEST = 16 * 1024**3
"""Bytes of the largest network that is kept or read."""


class Seal(NamedTuple):
    """What a record says of the network that is kept of its run: the size and the SHA-256 of the file."""

    bytes: int
    sha256: str


def path_of(output: Path | str, key: str) -> Path:
    """Return the file of the network of a run."""
    return Path(output) / FOLDER / f"{key}.safetensors"


def keep(left: Path, path: Path, record: Record, about: dict[str, Any]) -> Seal:
    """Pack the network that a run left, and write it.

    Args:
        left: The file that the run left; it must be a regular one, for whoever trains may write there.
        path: The file to write.
        record: Of the run; the network must have its counts.
        about: Which run it is of, as plain values.

    Raises:
        ValueError: What is there is not the network of the record.
        OSError: It cannot be read or written; nothing is left of it.
    """
    if left.is_symlink():
        raise ValueError(f"{left.name} is a link")
    content = pack(read(left), about)
    if problems := differences(unpack(content), record):
        raise ValueError("; ".join(problems))
    _write(content, path)
    return seal(content)


def read(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ValueError: It is a pipe that never ends or the like, or too large.
        OSError: It cannot be read.
    """
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise ValueError(f"it is larger than {LARGEST >> 30} GiB")
            return file.read(LARGEST)
    except RecordError as error:
        raise ValueError(str(error)) from None


def seal(content: bytes) -> Seal:
    """Return what identifies the content of a kept file."""
    return Seal(len(content), hashlib.sha256(content).hexdigest())


def differences(kept: Kept, record: Record) -> list[str]:
    """Return how the counts of a kept network differ from those of a record, a line each.

    Raises:
        ValueError: The file contradicts itself.
    """
    layers = record["config"]["layers"]
    counts = kept.counts()
    shapes = {name: list(mask.shape) for name, mask in kept.masks.items()}
    if kept.about.get("key") != record["key"]:
        return [f"it is of the run {kept.about.get('key')!r}"]
    if shapes != {layer["name"]: layer["shape"] for layer in layers}:
        return ["its masks are not those of the record's layers"]
    ended = zip(layers, record["topology"][-1]["active"], strict=True)
    found = [
        f"{layer['name']} has {counts[layer['name']][0]} active weights, the topology ends with {active}"
        for layer, active in ended
        if counts[layer["name"]][0] != active
    ]
    for number, name in enumerate(("active", "nonzero")):
        counted = sum(each[number] for each in counts.values())
        if counted != record["metrics"][name]:
            found.append(f"{name} is {record['metrics'][name]}, the network has {counted}")
    return found[:3]


def _write(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
