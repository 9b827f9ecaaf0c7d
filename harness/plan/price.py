"""The plan: which runs, what each will cost, which exist already. Trains nothing and needs no data."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.config import compose as config
from harness.config.compose import RunConfig
from harness.plan.forecast import forecast
from harness.tasks.vision import data
from harness.training.prepare import prepare
from methods import source_sha256

SCHEMA = 1

#: Settings that say where and how a run happens, not what it is.
_NOT_IN_KEY = (
    *("output", "runner", "workers", "packed", "checkpoint_seconds", "graph"),
    *("layers", "fixed_flops", "train_samples", "rules"),
)


def key_of(settings: dict[str, Any], method_sha256: str, data_sha256: str | None, image_id: str | None) -> str:
    """Return the key of a run: 16 hexadecimal digits that change with anything that can change its result.

    Args:
        settings: The resolved config, as `harness.config.compose.to_dict` or a record's ``config`` gives it.
        method_sha256: Of the method's source.
        data_sha256: The data's fingerprint.
        image_id: Of the container image; None for a local run.
    """
    what = {name: value for name, value in settings.items() if name not in _NOT_IN_KEY}
    what["dataset"] = {k: v for k, v in what["dataset"].items() if k not in ("root", "download")}
    text = json.dumps([SCHEMA, what, method_sha256, data_sha256, image_id], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Identity:
    """What tells a run from every other."""

    key: str
    method_sha256: str
    data_sha256: str | None


def identify(run: RunConfig, image_id: str | None = None) -> Identity:
    """Return the run's key and the hashes it is made of; it must be settled (`settle`)."""
    source = source_sha256(run.method)
    settings = config.to_dict(run)
    found = data.fingerprint(settings["dataset"])
    fingerprint = None if found == data.ABSENT else found
    return Identity(key_of(settings, source, fingerprint, image_id), source, fingerprint)


def settle(run: RunConfig) -> None:
    """Decide what is left to the machine: the device, the loader of image folders, whether steps are recorded."""
    if run.device == "auto":
        run.device = "cuda" if torch.cuda.is_available() else "cpu"
    if run.loader == "auto" and data.decoded(vars(run.dataset)):
        run.loader = "dali" if run.device == "cuda" and data.DALI else "torchvision"
    if run.graph is None:
        run.graph = run.device == "cuda"


def record_path(folder: Path, key: str) -> Path | None:
    """Return the record of that key in ``folder``, if there is one."""
    return next(iter(sorted(folder.glob(f"*{key}.json"))), None)


def status_of(folder: Path, key: str) -> str | None:
    """Return the status in the record of that key, None if there is no readable one."""
    path = record_path(folder, key)
    if path is None:
        return None
    try:
        return str(json.loads(path.read_text())["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def entry(run: RunConfig, image_id: str | None = None) -> dict[str, Any]:
    """Describe one run before it is trained; the keys are a contract (DESIGN.md, "Commands").

    Raises:
        UsageError: The run cannot be trained as configured.
    """
    settle(run)
    task = prepare(run)
    expected = forecast(
        run.method,
        run.sparsity,
        task.budget,
        task.costs,
        [weight for _, weight in task.layers],
        train_samples=task.train_samples,
        batch_size=run.recipe.batch_size,
    )
    identity = identify(run, image_id)
    inference = task.costs.forward(expected.active)
    flops = expected.train_flops
    return {
        "key": identity.key,
        "method": run.method.name,
        "dataset": run.dataset.name,
        "model": run.model.name,
        "sparsity": run.sparsity,
        "seed": run.seed,
        "budget": vars(run.budget),
        "done": status_of(Path(run.output) / "records", identity.key) == "done",
        "train_flops": flops,
        "train_flops_ratio": None if flops is None else flops / task.budget.reference_flops,
        "inference_flops": inference,
        "inference_flops_ratio": inference / task.costs.dense,
        "dense_forward_flops": task.costs.dense,
        "layers": [
            {
                "name": layer.name,
                "shape": list(layer.shape),
                "macs": layer.macs,
                "density": active / layer.weights,
            }
            for layer, active in zip(task.costs.layers, expected.active, strict=True)
        ],
    }
