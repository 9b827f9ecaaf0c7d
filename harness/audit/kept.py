"""Recounts a record from the network that was kept of its run."""

from pathlib import Path

from harness.networks.keep import differences, path_of, read, seal
from harness.networks.packing import unpack
from harness.records import Record


def refusals(output: Path, record: Record) -> list[str]:
    """Return where a record and the network in its output disagree; nothing where none was kept, or none is there.

    Args:
        output: The folder with ``records`` and ``networks``.
        record: A record that keeps its schema.

    Raises:
        KeyError, TypeError: The config lacks a part, or one is of the wrong type.
    """
    told = record.get("network")
    if told is None or record["status"] != "done":
        return []
    path = path_of(output, record["key"])
    try:
        content = read(path)
        found = seal(content)
        if found != (told["bytes"], told["sha256"]):
            return [f"network: {path.name} is not the file that the record names: its size or its hash differs"]
        return [f"network: {line}" for line in differences(unpack(content), record)]
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"network: {path.name} cannot be read ({error.strerror})"]
    except ValueError as error:
        return [f"network: {path.name}: {error}"]
