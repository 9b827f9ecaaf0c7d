"""What makes two runs the same: the one place that says so, for plans, checks and the board.

What changes a result changes the key: settings, the results version of the code, data, and the environment (the
content of the image, or torch's version for a local run). What does not change a result does not: comments,
docstrings, the names and places of files, where data lie, how a run is scheduled, which machine built an image.

`RESULTS` is the version of everything the project itself computes. The golden runs of the tests fail when a change
alters a result; then the version is raised and `HISTORY` (`harness.records.changes`) describes the change and the
runs that it affects, and all others keep their keys. The digests of the sources that the golden runs passed with are
committed (`harness.records.lock`): code that differs from them, be it a method from outside or an experiment in a
checkout, is identified by its own digest as well.

Schema 1 records are carried over: see `harness.records.schema_1`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.records import lock, schema_1
from harness.records.changes import HISTORY
from harness.records.record import whole_budget

RESULTS = "4"
"""Version of the results of the project's own code."""

Settings = dict[str, Any]
Environment = dict[str, str | None]

_KEY_RULE = 2

#: What records lack that were made before a setting existed.
DEFAULTS: Settings = {"evaluations": 20, "loader": "auto", "dense_layers": []}
#: Later settings that are left out at these values, so that the keys of older runs stay.
LEFT_OUT: Settings = {"test": True, "nproc": 1, "budget_share": 1.0}
MODEL_LEFT_OUT: Settings = {"width": 1.0}


@dataclass(frozen=True)
class Identity:
    """What tells a run from every other.

    Attributes:
        settings: The settings that define the run (`settings`).
        code: ``results``, the version that last changed such a run, and the digests of ``method``, ``model`` and
            ``shared`` code where they are not the project's own as locked; else None.
        data: Fingerprint of the data; None where they are absent.
        environment: ``runner``, and ``image`` and ``base`` of a container or ``torch`` of a local run.
    """

    settings: Settings
    code: dict[str, str | None]
    data: str | None
    environment: Environment

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits."""
        return _digest([_KEY_RULE, self.settings, self.code, self.data, self.environment])

    @cached_property
    def row(self) -> str:
        """What the seeds of one row share, as text."""
        return _row(self.settings)

    @cached_property
    def locked(self) -> "Identity":
        """This identity with code that golden runs have passed with written as the project's own.

        Code that was not in the lock when it made a record has its digest there, and may be locked since.
        """
        names = {part: str((self.settings.get(part) or {}).get("name")) for part in ("method", "model")}
        parts = (*names, "shared")
        own = {part: None for part in parts if self.code[part] in lock.passed(part, names.get(part, ""))}
        return replace(self, code={**self.code, **own}) if own else self

    def differences(self, other: "Identity") -> list[str]:
        """Say why ``other``, a run of the same cell of a suite, is not this one; one line each, nothing if it is."""
        found = []
        if self.code["results"] != other.code["results"]:
            found.append(_version_difference(str(self.code["results"]), str(other.code["results"])))
        for part in ("method", "model", "shared"):
            if self.code[part] != other.code[part]:
                found.append(f"{part} code changed since")
        if self.data not in (None, other.data):
            found.append("other data")
        found += _environment_differences(self.environment, other.environment)
        return found + _setting_differences(self.settings, other.settings)


def settings(config: Mapping[str, Any]) -> Settings:
    """Return what of a resolved config defines the run.

    Args:
        config: As `harness.config.to_dict` or a record's ``config`` gives it; defaults fill what old records lack.
    """
    given = {name: value for name, value in config.items() if name not in schema_1.NOT_THE_RUN}
    found = {**DEFAULTS, **_but(given, LEFT_OUT)}
    if isinstance(found.get("model"), dict):
        found["model"] = _but(found["model"], MODEL_LEFT_OUT)
    found["dataset"] = {
        name: v for name, v in (found.get("dataset") or {}).items() if name not in schema_1.NOT_THE_DATA
    }
    found["budget"] = whole_budget(found.get("budget"))
    if config.get("graph") and (found.get("recipe") or {}).get("optimizer") in ("adam", "adamw"):
        found["graph"] = True  # recorded, they compute the step size in another precision
    return found


def results_version(run: Settings) -> str:
    """Return the version that last changed the result of a run with these `settings`."""
    return next((change.version for change in reversed(HISTORY) if change.affects(run)), "1")


def row(config: Mapping[str, Any]) -> str:
    """Return what the seeds of one row share, as text: all `settings` but the seed."""
    return _row(settings(config))


def of_record(record: Mapping[str, Any]) -> Identity:
    """Return the identity of a record under the present rule.

    A schema 1 record is carried over by the rule of `harness.records.schema_1`.

    Args:
        record: As `harness.records.load` returns it.

    Raises:
        KeyError: The config lacks a part that every run has.
    """
    made = record["provenance"]
    if record["schema"] == 1:
        code, image = schema_1.code(made), schema_1.image(made)
    else:
        code, image = dict(record["code"]), record["image"] or {}
    if record["runner"] == "local":
        environment = local_environment(made["torch"])
    else:
        environment = image_environment(image.get("content"), image.get("base"))
    return Identity(settings(record["config"]), code, made["data_sha256"], environment)


def local_environment(torch: str | None) -> Environment:
    """Return the environment of local runs under this version of torch; which build of it does not count."""
    return {"runner": "local", "torch": torch and torch.partition("+")[0]}


def image_environment(content: str | None, base: str | None) -> Environment:
    """Return the environment of runs in an image.

    Args:
        content: Hash over its Dockerfile and locks.
        base: Digest of its base; one made on some machine counts as ``local``, whichever machine it was.
    """
    return {"runner": "docker", "image": content, "base": "local" if (base or "").startswith("local") else base}


def recorded_key(record: Mapping[str, Any]) -> str:
    """Return the key that a record must have by the rule of its own schema.

    Raises:
        KeyError: The config lacks a part that every run has.
    """
    return schema_1.key(record) if record["schema"] == 1 else of_record(record).key


def canonical(value: Any) -> str:
    """Return a value as JSON text, the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _but(given: Settings, left_out: Settings) -> Settings:
    return {name: value for name, value in given.items() if name not in left_out or value != left_out[name]}


def _row(run: Settings) -> str:
    return canonical({name: value for name, value in run.items() if name != "seed"})


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def _version_difference(mine: str, theirs: str) -> str:
    since = [change.what for change in HISTORY if int(theirs) < int(change.version) <= int(mine)]
    return f"results version {theirs}, now {mine}" + (f" ({'; '.join(since)})" if since else "")


def _environment_differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    if mine["runner"] != theirs["runner"]:
        return [f"runner {theirs['runner']}, here {mine['runner']}"]
    if mine["runner"] == "local":
        return [] if mine == theirs else [f"torch {theirs['torch']}, here {mine['torch']}"]
    found = []
    if mine["image"] != theirs["image"]:
        found.append(f"image of other content ({str(theirs['image'])[:12]}, here {str(mine['image'])[:12]})")
    if mine["base"] != theirs["base"]:
        found.append("image on another base")
    return found


def _setting_differences(mine: Settings, theirs: Settings) -> list[str]:
    flat = [_flat(part) for part in (mine, theirs)]
    names = [name for name in sorted(flat[0].keys() | flat[1].keys()) if flat[0].get(name) != flat[1].get(name)]
    return [f"{name}={flat[1].get(name)}, here {flat[0].get(name)}" for name in names]


def _flat(settings: Settings) -> Settings:
    found: Settings = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": part for inner, part in value.items()}
        else:
            found[name] = value
    return found
