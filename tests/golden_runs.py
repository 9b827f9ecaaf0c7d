"""Golden runs: short trainings whose masks and weights are committed, so that a change of results is noticed.

Each file of ``tests/golden/runs`` holds the config of one run of a few dozen steps and what came of it. The run goes
through the harness's own trainer, in float64 and on one thread; its data and initial weights are made of integers
or of NumPy's PCG64. So masks are equal on every machine, and weights to 1e-9.

``python tests/golden_runs.py [NAME ...]`` rewrites the files whose outcome changed. It refuses where the results
version of the run is still the same: whoever changes results first raises `harness.records.identity.RESULTS` and adds
to its ``HISTORY`` what changed and which runs that affects.
"""

import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden_cases import cases
from torch import Tensor, nn

from harness.config import from_dict
from harness.records import identity
from harness.tasks import data, models
from harness.tasks.data import Batches
from harness.tasks.inputs import load_data
from harness.tasks.score import evaluate
from harness.training.prepare import prepare
from harness.training.trainer import Trainer

FOLDER = Path(__file__).parent / "golden" / "runs"
CHANGED = "results changed: raise the results version (harness/records/identity.py RESULTS)"

TOLERANCES = {"values": 1e-9, "learning_rates": 1e-9, "losses": 1e-5, "initial": 1e-5}
"""Absolute and relative; all else is equal. Weights and optimiser state are float64; losses and initial weights are
float32 in the harness."""

SHOWN = 8  # differences in a message


class _Double(Batches):
    """The batches of another stream, in float64; bytes normalised in float32 are the same on every machine."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self.samples, self.batch_size = batches.samples, batches.batch_size

    def picks(self, index, start=0):
        return self._batches.picks(index, start)

    def batch(self, *pick):
        images, labels = self._batches.batch(*pick)
        return images.double(), labels


def outcome(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a golden run comes to, as its file holds it: trained in this process, in less than a second."""
    if "models" in config:
        return {"initial": {name: _initial(name, config) for name in config["models"]}}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = from_dict(config)
        task = prepare(run)
        _initialise(task.model.double(), run.seed)
        splits = load_data(run)
        splits = data.Data(*(_Double(part) for part in (splits.train, splits.val, splits.test)))
        trainer = Trainer(run, task, splits)
        trainer.train(lambda event: None, lambda: None, lambda: False)
        test = evaluate(trainer.model, splits.test)
    finally:
        torch.set_num_threads(threads)
    return {**_counts(trainer, test.accuracy), **_figures(trainer, test.loss)}


def _initial(name: str, config: dict[str, Any]) -> dict[str, list[float]]:
    model = models.build(name, config["classes"], config["shape"], config["seed"])
    return {layer: _spread(tensor, 8) for layer, tensor in model.named_parameters() if tensor.ndim > 1}


def _initialise(model: nn.Module, seed: int) -> None:
    """Draw He-uniform weights from PCG64, of which every machine makes the same float64 values."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            bound = math.sqrt(6 / math.prod(parameter.shape[1:]))
            drawn = (2 * generator.random(tuple(parameter.shape)) - 1) * bound
            parameter.data.copy_(torch.from_numpy(drawn))
        elif parameter.ndim == 1 and not torch.all(parameter == 1):  # biases, not the scales of batch norm
            parameter.data.zero_()


def _counts(trainer: Trainer, test_accuracy: float) -> dict[str, Any]:
    """Return what has to be equal."""
    ledger = trainer.course.ledger
    exact = ("step", "progress", "val_accuracy", "density")
    return {
        "steps": ledger.steps,
        "samples": ledger.samples,
        "flops": ledger.flops,
        "active": list(trainer.masks.active),
        "masks": {name: _sha256(mask) for name, mask in trainer.masks.tensors()},
        "exploration_rate": trainer.masks.exploration_rate(),
        "violations": len(trainer.final_violations()),
        "topology": trainer.history.topology,
        "rounds": trainer.history.rounds,
        "curve": [{name: point[name] for name in exact} for point in trainer.history.curve],
        "test_accuracy": test_accuracy,
    }


def _figures(trainer: Trainer, test_loss: float) -> dict[str, Any]:
    """Return what has to be equal within a tolerance."""
    masks = dict(trainer.masks.tensors())
    state = {name: tensor for name, tensor in trainer.model.state_dict().items() if tensor.is_floating_point()}
    values = {name: _sample(tensor, masks.get(name)) for name, tensor in state.items()}
    for name, parameter in trainer.model.named_parameters():
        for what, tensor in trainer.optimizer.state[parameter].items():
            if isinstance(tensor, Tensor) and tensor.shape == parameter.shape:
                values[f"{name} {what}"] = _sample(tensor, masks.get(name))
    return {
        "learning_rates": [point["lr"] for point in trainer.history.curve],
        "losses": [*(point["train_loss"] for point in trainer.history.curve), test_loss],
        "values": values,
    }


def _sample(tensor: Tensor, mask: Tensor | None) -> list[float]:
    """Return the sum and the sum of squares of a tensor, then values spread over what its mask keeps of it."""
    kept = tensor if mask is None else tensor[mask]
    return [float(tensor.sum()), float(tensor.square().sum()), *_spread(kept, 24)]


def _spread(tensor: Tensor, count: int) -> list[float]:
    """Return up to ``count`` values at even distances."""
    flat = tensor.detach().flatten()
    count = min(count, len(flat))
    return flat[[index * len(flat) // count for index in range(count)]].tolist()


def _sha256(mask: Tensor) -> str:
    return hashlib.sha256(np.packbits(mask.numpy()).tobytes()).hexdigest()


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Compare two outcomes of a golden run, as `outcome` returns them.

    Returns:
        One line for each number, hash or text that differs; empty if all agree.
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{path}: {old.get(path)!r} before, {new.get(path)!r} now"
        for path in dict.fromkeys((*old, *new))
        if not _agree(old.get(path), new.get(path), TOLERANCES.get(path.partition(".")[0], 0.0))
    ]


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is neither dict nor list, with the dotted path to it."""
    if isinstance(tree, dict | list):
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path, tree


def _agree(before: Any, now: Any, tolerance: float) -> bool:
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=tolerance, abs_tol=tolerance)
    return before == now


def complaint(name: str, found: list[str]) -> str:
    """Say that a golden run changed, and what of it first."""
    rest = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n  ".join([f"{name}: {CHANGED}", *found[:SHOWN], *rest])


def path(name: str) -> Path:
    """Return the file of a golden run."""
    return FOLDER / f"{name}.json"


def read(name: str) -> dict[str, Any]:
    """Return what the file of a golden run holds: config, outcome, and ``results``, the version of this outcome."""
    return json.loads(path(name).read_text())


def write(name: str) -> bool:
    """Compute a golden run, and write its file if the outcome is new; return whether it was.

    Raises:
        SystemExit: The outcome changed, and the history of results says nothing of it.
    """
    known = read(name) if path(name).exists() else None
    config = known["config"] if known else cases()[name]
    version, now = results_version(config), outcome(config)
    if known:
        found = differences(known["outcome"], now)
        if not found:
            return False
        if version == known["results"]:
            raise SystemExit(f"{complaint(name, found)}\n  and say in its HISTORY which runs are affected")
    text = json.dumps({"results": version, "config": config, "outcome": now}, indent=1)
    # Lists of numbers on one line each.
    text = re.sub(r"\[[^\[\]{}]+\]", lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
    path(name).write_text(text + "\n")
    return True


def results_version(config: dict[str, Any]) -> str:
    """Return the version that last changed the results of a golden run, by the history of results."""
    return "1" if "models" in config else identity.results_version(identity.settings(config))


def main(names: list[str]) -> None:
    """Write the golden runs of these names, or all; a run that is no longer wanted is deleted by hand."""
    for name in names or cases():
        print(f"{name}: {'written' if write(name) else 'unchanged'}")


if __name__ == "__main__":
    main(sys.argv[1:])
