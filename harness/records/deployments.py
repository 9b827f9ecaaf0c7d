"""Deployments: what ``sparsebench deploy`` measured of a kept network, one JSON file each in ``OUTPUT/deploy``.

A deployment is a plain dictionary, as a record is. It names the network by its hash and the run by its key, and says on
what it was measured: device, precision, threads, hardware, torch. The same network under other conditions is another
file; measured again under the same conditions, it replaces the old one.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.records.deployment_schema import DENSE, SCHEMA, TOLERANCES, VERSION
from harness.records.folder import Problem, problem, record_paths
from harness.records.store import LARGEST, decode, open_regular, write_atomic
from harness.records.validate import RecordError, one_line, refuse

if TYPE_CHECKING:
    import jsonschema_rs

FOLDER = "deploy"
"""Where deployments lie in an output, beside its ``records``."""

Deployment = dict[str, Any]

_APART = 10.0
"""By what factor the median of ratios may differ from the ratio of medians, on a machine that is fast by spells."""


def name(deployment: Deployment) -> str:
    """Return the file name: the run's key, and a digest of the network and of what it was measured on."""
    told = json.dumps([deployment["network"]["sha256"], deployment["conditions"]], sort_keys=True)
    return f"{deployment['key']}-{hashlib.sha256(told.encode()).hexdigest()[:8]}.json"


def conditions(deployment: Deployment) -> str:
    """Say on what a deployment was measured: ``AMD EPYC 9B45, 2 threads, float32, torch 2.11.0``.

    The board takes means over deployments that are worded alike.
    """
    on = deployment["conditions"]
    threads = f"{on['threads']} thread{'s' if on['threads'] != 1 else ''}"
    hardware = f"{on['cpu'] or 'unknown processor'}, {threads}"
    if on["device"] == "cuda":  # the processor launches the kernels, which is what a small network takes
        hardware = f"{on['gpu'] or 'unknown GPU'} beside {hardware}"
    return f"{hardware}, {on['precision']}, torch {on['torch']}"


def validate(deployment: Any) -> list[str]:
    """Return what is wrong with a deployment, as ``place: what is wrong``; empty if it keeps its schema."""
    version = deployment.get("deployment") if isinstance(deployment, dict) else None
    if version is not None and version != VERSION:
        return [one_line(f"deployment: {version!r} is not {VERSION}, which this version reads")]
    try:
        errors = list(_validator().iter_errors(deployment))
    except ValueError as error:  # not something that JSON can hold
        return [one_line(str(error))]
    if errors:
        found = [(".".join(map(str, error.instance_path)), error.message) for error in errors]
        return [one_line(f"{place}: {message}" if place else message) for place, message in sorted(found)]
    return _contradictions(deployment)


def _contradictions(deployment: Deployment) -> list[str]:
    """Return what a deployment says that cannot all be true."""
    found = []
    training = deployment["training"] or {}
    ratios = [*deployment["latency"], *(training.get("layers") or ()), *filter(None, [training.get("all")])]
    for ratio in ratios:
        low, high = ratio["low"], ratio["high"]
        if (low is None) != (high is None) or (low is not None and not low <= ratio["speedup"] <= high):
            found.append(f"a speed-up of {ratio['speedup']:.4g} is not in its interval")
        medians = ratio["dense_seconds"] / ratio["seconds"]
        if not medians / _APART <= ratio["speedup"] <= medians * _APART:
            found.append(f"a speed-up of {ratio['speedup']:.4g} is not that of its seconds, {medians:.4g}")
    batches = [each["batch"] for each in deployment["latency"]]
    if len(set(batches)) < len(batches):
        found.append("latency: a batch comes twice")
    for each in deployment["latency"]:
        if each["sparse_layers"] > len(deployment["layers"]):
            found.append(f"latency: {each['sparse_layers']} layers in sparse formats, of {len(deployment['layers'])}")
        if each["sparse_layers"] == 0 and each["speedup"] != 1:
            found.append(f"latency: a speed-up of {each['speedup']:.4g} without a layer in a sparse format")
    precision, tolerance = deployment["conditions"]["precision"], deployment["tolerance"]
    if tolerance > TOLERANCES[precision]:
        found.append(f"tolerance: {tolerance:g} is more than {TOLERANCES[precision]:g}, that of {precision}")
    if any(each["error"] > tolerance for each in deployment["latency"]):
        found.append("latency: outputs differ by more than the tolerance")
    for layer in deployment["layers"]:
        for at in layer["batches"]:
            measured = {each["name"] for each in at["formats"] if each["speedup"] is not None} | {DENSE}
            if at["chosen"] not in measured:
                found.append(one_line(f"layers: {layer['name']} has a format that was not measured, {at['chosen']!r}"))
    return found


def parse(content: bytes) -> Deployment:
    """Return the deployment that a file's content is.

    Raises:
        RecordError: It is not valid JSON or breaks the schema.
    """
    deployment: Deployment = decode(content)
    refuse(validate(deployment))
    return deployment


def load(path: Path | str) -> Deployment:
    """Read and check one deployment.

    Raises:
        RecordError: The file is something else, breaks the schema, or has another deployment's name.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        found = parse(file.read(LARGEST + 1))
    if name(found) != Path(path).name:
        raise RecordError(f"is named otherwise than its content, which is {name(found)}")
    return found


def load_folder(folder: Path | str) -> tuple[dict[str, Deployment], list[Problem]]:
    """Read every ``*.json`` of a folder of deployments.

    Returns:
        The deployments by file name, and the files that are none with the reason, named ``deploy/FILE``.
    """
    found: dict[str, Deployment] = {}
    problems = []
    for path in record_paths(folder):
        try:
            found[path.name] = load(path)
        except (RecordError, OSError) as error:
            problems.append(problem(f"{FOLDER}/{path.name}", error))
    return found, problems


def write(deployment: Deployment, output: Path | str) -> Path:
    """Check a deployment and write it to ``OUTPUT/deploy``, atomically; return its file.

    Raises:
        RecordError: It breaks the schema; nothing is written.
    """
    content = json.dumps(deployment, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    parse(content.encode())
    path = Path(output) / FOLDER / name(deployment)
    write_atomic(path, content)
    return path


@cache
def _validator() -> "jsonschema_rs.Draft202012Validator":
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(SCHEMA)
