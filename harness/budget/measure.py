"""Measuring what a network costs and which of its weights may be masked, from traced passes in both modes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import chain

from torch import nn

from harness.budget.costs import Costs, LayerCost
from harness.budget.inputs import Inputs
from harness.budget.parts import Part, parts
from harness.budget.tracing import Mode, Survey, survey
from harness.budget.tracing.operators import CONVOLUTION
from harness.errors import NAMED, UsageError, listed, unknown


def measure(
    model: nn.Module, inputs: Inputs | Sequence[int], dense: Sequence[str] = (), *, classes: int | None = None
) -> Costs:
    """Count a network's products for one sample, and find which of its weights may be masked.

    Maskable are the parameters of two or more dimensions that enter a product (convolution, linear, matrix product,
    einsum) as themselves, wherever it is written. Training is measured in training mode and inference in evaluation
    mode. A weight that multiplies something and cannot be masked or charged is an error, unless it is to be dense. A
    table in which tokens are looked up costs nothing there; where it is the head's matrix as well, it stays dense.

    Args:
        model: A network; it stays as it is. On the meta device, see `harness.budget.tracing.survey`.
        inputs: What it takes and returns; or the shape of an input of floats, such as (channels, height, width).
        dense: Names of weights that stay dense, or patterns such as ``"head.*"``.
        classes: How many classes the labels of the data have; None if they have none, or that is not known. It is what
            the network returns for a sample unless ``inputs`` says so.

    Raises:
        UsageError: An operator's cost is not known, a weight can be neither masked nor charged, or ``dense`` matches
            none; the message names it.
        harness.budget.tracing.ValuesNeededError: See `harness.budget.tracing.survey`.
    """
    given = Inputs.of(inputs)
    if given.outputs is None and classes is not None:
        given = replace(given, outputs=(classes,))
    seen = survey(model, given)
    if operators := sorted(set().union(*(found.unknown for found in seen.findings))):
        raise UsageError(
            f"{type(model).__name__} uses operators of unknown cost: {', '.join(operators)}; give each a formula in "
            f"harness/budget/tracing/operators.py or, if it multiplies no matrices, list it there as free"
        )
    names = _Names(model, seen, tokens=given.tokens is not None)
    kept_dense = names.matching(dense)
    masked = [part for part in names.maskable if part.name not in kept_dense]
    names.refuse_all_but(kept_dense, {part.parameter for part in masked})
    if not masked:
        what = "leave one to mask" if names.maskable else "it has none that a mask can reach"
        raise UsageError(f"dense_layers: they are all maskable weights of {type(model).__name__}; {what}")
    return _costs(seen, masked, names.stem, _notes(seen, names.tied), classes)


class _Names:
    """The weights of a network by what may be done with them.

    Attributes:
        maskable: What enters products as itself, in definition order.
        tied: Names of what tokens are looked up in and what enters products as well.
        refused: By name, why a weight can be neither masked nor charged.
        stem: Name of the first convolution's kernel, in definition order.
    """

    def __init__(self, model: nn.Module, seen: Survey, *, tokens: bool) -> None:
        self._seen, self._tokens, self._every = seen, tokens, list(parts(model))
        self._looked_up = set().union(*(found.looked_up for found in seen.findings))
        self._roles = {
            name: set().union(*(found.roles[name] for found in seen.findings if name in found.roles))
            for found in seen.findings
            for name in found.roles
        }
        self._pairs = set().union(*(found.pairs for found in seen.findings))
        self.refused: dict[str, str] = {}
        self.maskable: list[Part] = []
        self.tied: list[str] = []
        for part in self._every:
            if why := self._objection(part):
                self.refused[part.name] = why
            elif part.parameter in self._roles and part.parameter in self._looked_up:
                self.tied.append(part.name)
            elif part.parameter in self._roles:
                self.maskable.append(part)
        self.stem = next(
            (part.name for part in self._every if CONVOLUTION in self._roles.get(part.parameter, ())), None
        )

    def matching(self, patterns: Sequence[str]) -> set[str]:
        """Return the names that the patterns of ``dense_layers`` match.

        Raises:
            UsageError: One matches nothing.
        """
        known = {part.name for part in self.maskable} | self.refused.keys() | set(self.tied)
        allowed = {part.name: part for part in self._every if part.name in known}
        found = set()
        for pattern in patterns:
            hits = {
                name
                for name, part in allowed.items()
                if pattern in (name, part.parameter)
                or fnmatchcase(name, pattern)
                or fnmatchcase(part.parameter, pattern)
            }
            if not hits:
                raise UsageError(f"{unknown('layer', pattern, allowed)}{_shapes(list(allowed.values()))}")
            found |= hits
        return found

    def refuse_all_but(self, dense: set[str], masked: set[str]) -> None:
        """Raise a `UsageError` that names what can be neither masked nor charged and is not to be dense."""
        refused = {name: why for name, why in self.refused.items() if name not in dense}
        for pair in self._pairs:
            if pair <= masked:
                first, *others = sorted(pair)
                refused[first] = f"is multiplied with {others[0] if others else 'itself'}, not with the inputs"
        if not refused:
            return
        reasons: dict[str, list[str]] = {}
        for name, why in refused.items():
            reasons.setdefault(why, []).append(name)
        first = next(iter(refused))
        raise UsageError(
            f"cannot mask {'; '.join(f'{listed(names)}, which {why}' for why, names in reasons.items())}. What shall "
            f"stay dense must be named: dense_layers=[{first}], or by patterns such as '{first.partition('.')[0]}*'"
        )

    def _objection(self, part: Part) -> str | None:
        """Say why a weight can be neither masked nor charged, if so."""
        name, findings = part.parameter, self._seen.findings
        for found in findings:
            if name in found.refused:
                return found.refused[name]
        roles = self._roles.get(name, set())
        if not roles:
            unused = len(part.weight.shape) > 1 and not any(name in found.touched for found in findings)
            return "is never used" if unused else None
        if any(name in found.other_roles for found in findings) or (name in self._looked_up and not self._tokens):
            roles = {*roles, "values looked up or combined element by element"}
        if len(roles) > 1:
            return f"is shared by layers of different kinds ({', '.join(sorted(roles))})"
        return self._objection_to_uses(part)

    def _objection_to_uses(self, part: Part) -> str | None:
        if not _requires_grad(part):
            return "is frozen (requires_grad=False)"
        modes = (self._seen.training, self._seen.evaluation)
        if any(part.parameter in one.shared for mode in modes for one in mode.passes):
            return "enters a product that is computed once for all samples"
        levels = [[one.level(part.parameter, part.start, part.stop) for one in mode.passes] for mode in modes]
        if any(level is None or level.denominator > 1 for level in chain(*levels)):
            return "has rows that are used more often than others"
        return self._objection_to_training(part, trained=any(levels[0]))

    def _objection_to_training(self, part: Part, *, trained: bool) -> str | None:
        training = self._seen.training
        if not trained:  # unless no traced pass happened to run it
            return None if training.random else "is used in evaluation mode alone: nothing would train it"
        if any(found.reached is None or part.parameter in found.reached for found in training.findings):
            return None
        return "receives no gradient (it is detached, or used under no_grad)"


def _shapes(few: Sequence[Part]) -> str:
    """Return the shapes of few weights, which tell layers apart whose names are numbers."""
    shapes = [f"{part.name} {'x'.join(map(str, part.weight.shape))}" for part in few]
    return f" ({', '.join(shapes)})" if len(few) <= 2 * NAMED else ""


def _requires_grad(part: Part) -> bool:
    return part.weight.requires_grad if isinstance(part.weight, nn.Parameter) else part.weight.parameter.requires_grad


@dataclass(frozen=True)
class _Charge:
    """What the masked layers and all else cost in one mode, in the costliest of its passes."""

    uses: list[int]
    fixed: int


def _charge(mode: Mode, masked: Sequence[Part]) -> _Charge:
    per_pass = [[int(one.level(part.parameter, part.start, part.stop) or 0) for part in masked] for one in mode.passes]
    fixed = [
        2 * (one.macs - sum(uses * (part.stop - part.start) for uses, part in zip(levels, masked, strict=True)))
        for one, levels in zip(mode.passes, per_pass, strict=True)
    ]
    return _Charge([max(levels) for levels in zip(*per_pass, strict=True)], max(fixed))


def _costs(seen: Survey, masked: Sequence[Part], stem: str | None, notes: Iterator[str], classes: int | None) -> Costs:
    training, evaluation = _charge(seen.training, masked), _charge(seen.evaluation, masked)
    layers = []
    for part, trained, uses in zip(masked, training.uses, evaluation.uses, strict=True):
        # A layer that no traced training pass ran is one that is skipped at random: it is charged as it is evaluated.
        train_uses = None if trained in (0, uses) else trained
        by_output = not any(part.parameter in found.not_by_output for found in seen.findings)
        shape = tuple(part.weight.shape)
        layers.append(LayerCost(part.name, shape, part.stop - part.start, uses, train_uses, by_output))
    names = [part.name for part in masked]
    return Costs(
        tuple(layers),
        evaluation.fixed,
        names.index(stem) if stem in names else None,
        None if training.fixed == evaluation.fixed else training.fixed,
        seen.training.drawn,
        tuple(notes),
        classes,
    )


def _notes(seen: Survey, tied: Sequence[str]) -> Iterator[str]:
    if tied:
        yield f"{listed(tied)} stays dense: tokens are looked up in it, and it is the matrix of a product as well"
    for mode, name in ((seen.training, "training"), (seen.evaluation, "evaluation")):
        if mode.random:
            yield (
                f"the model does not do the same in every {name} pass: each layer is charged as in the costliest of "
                f"the traced ones"
            )
