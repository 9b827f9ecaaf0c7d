"""Chains: runs of which each begins as the one before it ends, so that one training serves them all.

Iterative pruning to 49 % sparsity, a fifth of the weights a round, is iterative pruning to 36 % and one round more.
Where every round has a budget of its own (``budget.rounds=each``), the shorter run is to the bit the beginning of the
longer one: it leaves its state of before the last step, from which the longer one resumes.
"""

import math
from collections import defaultdict
from collections.abc import Sequence

from harness.budget.kinds import KINDS
from harness.config import RunConfig
from harness.plan.planned import Planned
from harness.records.identity import canonical
from methods import Moment


def chains(planned: Sequence[Planned]) -> list[list[Planned]]:
    """Group runs into chains, in the order in which they are to be trained; most are alone in theirs.

    It is taken that a rewinding method's rounds depend on the sparsity through `Method.density` alone.
    """
    found: dict[str, list[list[Planned]]] = defaultdict(list)
    for number, one in sorted(enumerate(planned), key=lambda item: _rounds(item[1].run)):
        group = found[_all_but_sparsity(one) if _may_be_continued(one.run) else str(number)]
        chain = next((chain for chain in group if _continues(chain[-1].run, one.run)), None)
        if chain is None:
            group.append([one])
        else:
            chain.append(one)
    order = {one.key: number for number, one in enumerate(planned)}
    return sorted((chain for group in found.values() for chain in group), key=lambda chain: order[chain[0].key])


def _may_be_continued(run: RunConfig) -> bool:
    probed = run.method.probe(1 - run.sparsity) is not None  # its masks depend on the sparsity from the start
    return bool(_rounds(run)) and not probed and run.budget.rounds == "each" and KINDS[run.budget.kind].fixes_steps


def _continues(shorter: RunConfig, longer: RunConfig) -> bool:
    rounds = range(1, _rounds(shorter) + 1)
    densities = zip(_densities(shorter, rounds), _densities(longer, rounds), strict=True)
    return _rounds(shorter) < _rounds(longer) and all(math.isclose(*pair, rel_tol=1e-9) for pair in densities)


def _densities(run: RunConfig, rounds: Sequence[int]) -> list[float]:
    moments = [Moment(0, 1.0, 1.0, None, number) for number in rounds]
    found = [run.method.density(moment, 1 - run.sparsity) for moment in moments]
    return [run.method.initial_density(1 - run.sparsity), *(1.0 if each is None else each for each in found)]


def _rounds(run: RunConfig) -> int:
    again = run.method.rewinding(1 - run.sparsity)
    return again.rounds if again else 0


def _all_but_sparsity(planned: Planned) -> str:
    return canonical(planned.identity.settings | {"sparsity": None})
