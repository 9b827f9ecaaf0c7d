"""How many runs share a job: a suite of a thousand short ones is not a thousand entries of a queue."""

from collections.abc import Callable, Iterable, Sequence

from harness.budget.kinds import KINDS
from harness.plan.planned import Planned

_FLOPS_PER_SECOND = {"cpu": 5e10, "cuda": 5e12}
_START_SECONDS = 5.0
"""Of starting a run and of judging it."""


def batches(
    chains: Iterable[Sequence[Planned]],
    seconds: Callable[[Planned], float],
    *,
    at_least: int,
    per_job: float,
    most: int,
) -> list[list[Sequence[Planned]]]:
    """Pack chains into jobs, in their order: short ones share a job, as long as there are jobs enough.

    Args:
        chains: What is to be trained.
        seconds: Returns about how long a run takes.
        at_least: Jobs that there is room for at a time; fewer are made only of fewer chains.
        per_job: Seconds that a job should take.
        most: Runs in a job.
    """
    waiting = [(chain, sum(map(seconds, chain))) for chain in chains]
    share_of_each = min(per_job, sum(took for _, took in waiting) / max(1, at_least))
    found: list[list[Sequence[Planned]]] = []
    left, runs = 0.0, 0
    for chain, took in waiting:
        if not found or runs + len(chain) > most or left < took / 2:
            found.append([])
            left, runs = share_of_each, 0
        found[-1].append(chain)
        left, runs = left - took, runs + len(chain)
    return found


def expected_seconds(planned: Planned) -> float:
    """Return about how long a run takes: what its budget says, or a guess from its FLOPs that is good to a factor.

    Raises:
        UsageError: It cannot be trained as configured.
    """
    budget = planned.run.budget
    if KINDS[budget.kind].timed:
        return _START_SECONDS + budget.amount * budget.stretch
    flops = planned.price.train_flops or 0
    return _START_SECONDS + flops / _FLOPS_PER_SECOND[planned.run.device]
