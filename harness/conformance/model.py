"""What must hold of a model."""

import torch
from torch import nn

from harness.conformance import checks
from harness.conformance.errors import ConformanceError
from harness.conformance.study import Study
from harness.errors import UsageError
from harness.records.metrics import CLASSIFICATION
from harness.tasks import base, models
from harness.training import contract, reproducible
from harness.training.prepare import prepare


def builds(study: Study) -> str:
    """Initial weights follow from the seed alone, and samples give outputs of the task's shape."""
    run = study.main.run
    inputs = base.inputs(vars(run.dataset))

    def build(seed: int) -> nn.Module:
        return models.build(run.model.name, run.dataset.classes, run.dataset.shape, seed, **run.model.options())

    first, again, other = build(0), build(0), build(1)
    states = zip(first.state_dict().items(), again.state_dict().values(), strict=True)
    differing = [name for (name, one), two in states if not torch.equal(one, two)]
    if differing:
        raise ConformanceError(f"two models of one seed differ in {differing[0]}: draw from torch's global generator")
    pairs = zip(first.parameters(), other.parameters(), strict=True)
    if all(torch.equal(one, two) for one, two in pairs):
        raise ConformanceError("models of two seeds have the same weights")
    with torch.no_grad():
        found = tuple(first.eval()(inputs.zeros(2)).shape)
    if found != (wanted := (2, *(inputs.outputs or ()))):
        raise ConformanceError(f"two samples give {found}, not {wanted}")
    causal = base.of(vars(run.dataset)).causal
    try:
        reproducible.require(run)
        if causal:
            contract.require_causal(run, again)
    except UsageError as error:
        raise ConformanceError(str(error)) from None
    size = sum(parameter.numel() for parameter in first.parameters())
    labelled = run.dataset.task == CLASSIFICATION
    what = f"{run.dataset.classes} scores" if labelled else f"outputs of {list(wanted[1:])}"
    ahead = ", none of which depends on a later token" if causal else ""
    return f"{size:,} parameters from the seed alone; {what} for inputs of {list(inputs.shape)}{ahead}"


def maskable(study: Study) -> str:
    """Every weight that multiplies something is masked, or was named as dense."""
    task = prepare(study.main.run)
    masked, every = len(task.layers), sum(parameter.numel() for parameter in task.model.parameters())
    notes = "".join(f"; {note}" for note in task.notes)
    weights = sum(layer.weights for layer in task.costs.layers)
    fixed = f"; {task.costs.fixed:,} FLOPs of a sample are of no mask" if task.costs.fixed else ""
    return f"{weights:,} of {every:,} parameters, in {masked} layers{fixed}{notes}"


CHECKS: dict[str, checks.Check] = {
    "builds": builds,
    "maskable": maskable,
    "trains": checks.trains,
    "exact counts": checks.exact_counts,
    "outside masks": checks.nothing_outside,
    "FLOPs": checks.flops,
    "plan is run": checks.plan_is_run,
    "deterministic": checks.deterministic,
    "resumable": checks.resumable,
    "network": checks.network,
}
"""By name, in the order in which they are shown."""
