"""The referee: counts and scores what a run left, without importing its method.

``python -m harness.audit.referee REQUEST.json NETWORK`` reads weights and masks (tensors only, never code), counts
them, measures the score on the test set, by the run's task, and the model's dense costs, and prints one JSON object.
The container runner runs it in a second container, made from the suite's own image and unable to write anywhere, and
compares the run's claims with what it finds (`harness.audit.claims`).
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness import generators, plugins
from harness.audit.claims import MARK
from harness.audit.second_count import require_agreement
from harness.budget.measure import measure
from harness.budget.parts import select
from harness.config import RunConfig, from_dict
from harness.errors import UsageError
from harness.machine.precision import placed
from harness.records import reliability
from harness.records.metrics import field
from harness.seeds import derive
from harness.tasks import base, data, models
from harness.tasks.inputs import load_data
from harness.tasks.reliability import measured
from harness.tasks.score import evaluate, recorded
from harness.training.determinism import require_deterministic
from harness.training.network import read
from methods.parts.patterns import Pattern, active_neurons


def main() -> int:
    """Judge the request and file named on the command line and print the findings."""
    request = json.loads(Path(sys.argv[1]).read_text())
    try:
        plugins.load_requested(request, ("model", "dataset"))
        found = judge(request["config"], Path(sys.argv[2]))
    except (UsageError, MemoryError, torch.OutOfMemoryError):
        # Not the run's fault: no data, or not enough memory.
        raise
    except Exception as error:  # whatever reading a hostile file raises
        found = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
    print(MARK + json.dumps(found), flush=True)
    return 0


def judge(plain: dict[str, Any], left: Path) -> dict[str, Any]:
    """Count and score what a run left.

    Args:
        plain: The resolved config.
        left: The network (`harness.training.network`).

    Returns:
        What a record adds to its config (``layers``, ``fixed_flops``, ``train_samples``); per layer, in model order,
        ``active``, ``nonzero`` and ``outside`` (weights that are not zero where the mask is), under a pattern
        ``violations``, with a constant fan-in ``active_neurons`` by name; and what a record says of the test set
        (`harness.tasks.score.recorded`) with ``reliability``, None for a trial of tuning and where there is none.

    Raises:
        UsageError: Two independent counts of the model's products differ.
        ValueError: Masks or weights are not those of the model.
    """
    run = from_dict(plain, method=False)
    if run.recipe.threads:
        torch.set_num_threads(run.recipe.threads)
    network = read(left)
    model = models.build(run.model.name, run.dataset.classes, run.dataset.shape, run.seed, **run.model.options())
    model.load_state_dict(network.state)
    inputs = base.inputs(vars(run.dataset))
    costs = measure(model, inputs, run.dense_layers)
    require_agreement(run.model.name, model, inputs, costs.dense)
    layers = select(model, [layer.name for layer in costs.layers])
    masks = network.masks
    if list(masks) != sorted(name for name, _ in layers):
        raise ValueError(f"masks of {list(masks)}, not of the model's layers")
    for name, weight in layers:
        if masks[name].dtype != torch.bool or masks[name].shape != weight.shape:
            raise ValueError(f"the mask of {name} is not a boolean tensor of shape {tuple(weight.shape)}")
    kept = [(weight.detach().cpu(), masks[name]) for name, weight in layers]
    counted = {
        **costs.described(data.info(plain["dataset"]).train_samples),
        "active": [int(mask.sum()) for _, mask in kept],
        "nonzero": [int(weight.count_nonzero()) for weight, _ in kept],
        "outside": [int((weight[~mask] != 0).sum()) for weight, mask in kept],
    }
    if plain.get("pattern"):
        pattern = Pattern.of(plain["pattern"])
        counted["violations"] = [pattern.violations(mask) for _, mask in kept]
        if pattern.kind == "fan_in":
            counted["active_neurons"] = {name: active_neurons(masks[name]) for name, _ in layers}
    return counted | _score(run, model, plain)


def _score(run: RunConfig, model: nn.Module, plain: dict[str, Any]) -> dict[str, Any]:
    task = base.of(plain["dataset"])
    names = (field(task.metric, "test"), "test_top5", "test_loss", "test_right", "reliability")
    found: dict[str, Any] = dict.fromkeys(names)
    if plain.get("test") is False:
        return found
    if run.device == "cuda":
        require_deterministic()  # as the run did: other kernels round differently
    test = load_data(run).test
    generators.seed(derive(run.seed, "test"))  # as the run did
    score = evaluate(placed(model, torch.device(run.device)), test, task, each=True)
    if score.calibration is not None and not reliability.of_config(plain):
        corruptions = bool(plain.get("corruptions"))
        found["reliability"] = measured.group(score, model, test, plain, corruptions=corruptions)
    return found | dict(recorded(score, task))


if __name__ == "__main__":
    sys.exit(main())
