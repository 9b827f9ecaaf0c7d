"""What a container sees: the request as read inside it, and the read-only mounts."""

import json
from pathlib import Path
from typing import Any

from harness.containers.box import SOURCE
from harness.places import ROOT, TREE
from harness.records.store import write_atomic
from harness.tasks import data

PARTS = ("methods", "harness", "sparsebench")
"""The packages that a container sees besides the settings; it sees no history and no results of other runs."""
REQUEST, LEFT, DATA, PLUGINS = "/request.json", "/left", "/data", "/plugins"


def prepare(requested: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[Path, str]]:
    """Write the request for the inside, where data and plug-ins lie elsewhere.

    Args:
        requested: The request.
        folder: The run's working folder.

    Returns:
        The request for the inside, and the read-only mounts: a path here to its place inside.
    """
    told = json.loads(json.dumps(requested))
    mounts = {ROOT / part: f"{SOURCE}/{part}" for part in PARTS}
    mounts[TREE] = f"{SOURCE}/benchmarks"
    place = data.directory(requested["config"]["dataset"])
    told["config"]["dataset"].update(root=DATA if place else None, download=False)
    if place:
        mounts[place.resolve()] = DATA
    for group, text in (requested.get("plugins") or {}).items():
        source, _, name = text.rpartition(":")
        there = mounts.setdefault(Path(source).resolve(), f"{PLUGINS}/{group}.py")
        told["plugins"][group] = f"{there}:{name}"
    path = folder / "request-inside.json"
    write_atomic(path, json.dumps(told, indent=1))
    path.chmod(0o644)
    mounts[path] = REQUEST
    return told, mounts
