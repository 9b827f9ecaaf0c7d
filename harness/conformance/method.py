"""What must hold of a method."""

from typing import Any

from harness.conformance import checks
from harness.conformance.errors import ConformanceError
from harness.conformance.study import Study
from harness.conformance.trained import differences, outcome

_COMPARED = ("model", "optimizer", "masks", "topology", "course")
"""What ends the same without data; evaluations and statistics of batches do not."""


def no_data(study: Study) -> str:
    """What a method does follows from weights, gradients and progress alone.

    The run is trained again in a process that has black images in place of the data: each step takes its gradients from
    a recording. There the code of the method may open nothing but code and start nothing. A method that looks at
    inputs or targets, wherever it finds them, does something else there.
    """
    try:
        state = study.blind()
    except ConformanceError as error:
        raise ConformanceError(f"in a process without data, on recorded gradients: {error}") from None
    first, ended, _ = study.recorded
    kept = {name for name, _ in first.model.named_parameters()}
    if found := differences(_told(ended, kept), _told(state, kept)):
        raise ConformanceError(f"in a process without data, on recorded gradients, the run ends with other {found}")
    steps = first.course.ledger.steps
    return (
        f"a process without inputs, targets or files, on the recorded gradients of {steps} steps, ends with the same "
        f"masks and weights to the bit"
    )


def _told(state: dict[str, Any], parameters: set[str]) -> dict[str, Any]:
    model = {name: tensor for name, tensor in state["model"].items() if name in parameters}
    return outcome({name: state[name] for name in _COMPARED if name in state} | {"model": model})


CHECKS: dict[str, checks.Check] = {
    "trains": checks.trains,
    "exact counts": checks.exact_counts,
    "outside masks": checks.nothing_outside,
    "pattern": checks.pattern,
    "FLOPs": checks.flops,
    "plan is run": checks.plan_is_run,
    "deterministic": checks.deterministic,
    "resumable": checks.resumable,
    "no data seen": no_data,
    "network": checks.network,
}
"""By name, in the order in which they are shown."""
