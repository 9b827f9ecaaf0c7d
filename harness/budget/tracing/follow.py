"""A dispatch mode that follows parameters through a network to the products that they enter.

Values are followed by storage: views share it, and writing into one view changes what all of them hold. Of each storage
it is known whether it follows from the inputs, which parameters it was computed from, and whether it *is* a
parameter or a copy of one, so that masked weights in the parameter are masked weights in the product.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.budget.tracing import findings, operators
from harness.budget.tracing.findings import Findings
from harness.budget.tracing.meetings import UNKNOWN, Bearing, Operand, Operation
from harness.budget.tracing.operators import Product
from harness.budget.tracing.spans import Source, extent, run_of


@dataclass(frozen=True)
class Facts:
    """What is known of a storage.

    Attributes:
        data: Whether it follows from the inputs.
        origins: Parameters that its values were computed from since the last product with the inputs.
        source: The parameter that it is or copies, if it does nothing else.
        mixed: Parameters of several dimensions that the inputs scaled element by element or chose matrices from.
        bearing: Along which sides it varies with the inputs and with which weights.
    """

    data: bool = False
    origins: frozenset[str] = frozenset()
    source: Source | None = None
    mixed: frozenset[str] = frozenset()
    bearing: Bearing = UNKNOWN


class Follow(TorchDispatchMode):
    """Follows what happens to inputs and parameters while it is entered.

    Args:
        parameters: By name; they must lie contiguously in storages of their own.
        inputs: What the network is given.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], inputs: Tensor) -> None:
        super().__init__()
        self.found = Findings()
        self._dimensions = {name: parameter.dim() for name, parameter in parameters.items()}
        self._matrices = frozenset(name for name, parameter in parameters.items() if extent(parameter) > 1)
        self._samples = len(inputs)
        self._own = {_key(parameter): name for name, parameter in parameters.items()}
        self._facts: dict[int, Facts] = {}
        self._alive: dict[int, Any] = {}  # storages, so that no address is taken twice
        for name, parameter in parameters.items():
            row = parameter.numel() // max(len(parameter), 1) if parameter.dim() else 1
            source = Source(name, 0, parameter.numel(), row, outer=row)
            origins = frozenset([name])
            self._learn(
                parameter, Facts(origins=origins, source=source, bearing=Bearing(weights=origins & self._matrices))
            )
        self._learn(inputs, Facts(data=True))

    def follows_from_inputs(self, tensor: Tensor) -> bool:
        """Whether a tensor follows from the inputs by operators that were seen."""
        return self._of(tensor).data

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would wrap __torch_dispatch__ to keep torch.compile off it, for which it imports torch._dynamo: two
        # seconds at the first operator. Nothing is compiled here.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute an operator and learn about its results."""
        kwargs = kwargs or {}
        inputs = _arguments(args, kwargs)
        before = {_key(tensor) for tensor in inputs}
        result = operators.normalised_without_values(func, args) or func(*args, **kwargs)
        facts = self._after(func, args, kwargs, inputs, result)
        for tensor in _written(func, args, kwargs):
            self._write(tensor, facts)
        for tensor in _tensors(result):
            if _key(tensor) not in before:
                self._learn(tensor, facts)
        return result

    def _after(self, func: Any, args: Any, kwargs: Any, inputs: list[Tensor], result: Any) -> Facts:
        """Return what is known of an operator's result, having noted what it says of its arguments."""
        known = [self._of(tensor) for tensor in inputs]
        self.found.touched.update(*(facts.origins for facts in known if facts.source))
        formula = operators.PRODUCTS.get(func.overloadpacket)
        if formula is not None:
            if any(tensor.is_complex() for tensor in inputs):
                self.found.unknown.add(f"{operators.name_of(func)} of complex numbers")
            return self._product(formula(result, *args))
        if operators.depends_on_shapes_only(func):
            return Facts()
        operation = self._operation(func, args, kwargs, known, result=result)
        bearing = operation.bearing() if operation else UNKNOWN
        if func.overloadpacket in operators.COPIES and (copied := self._copied(inputs[0], result)):
            return replace(copied, bearing=bearing)
        data = any(facts.data for facts in known)
        if data and not operators.is_free(func):
            self.found.unknown.add(operators.name_of(func))
        self.found.decides |= func.overloadpacket is operators.VALUE
        if data and not func.is_view:
            chosen = self.found.looked_up if func.overloadpacket in operators.CHOICES else self.found.other_roles
            chosen.update(facts.source.parameter for facts in known if facts.source)
        if operation:
            self._reduce(func, operation, inputs, known)
        origins = frozenset().union(*(facts.origins for facts in known))
        mixed = self._mixed(func, inputs, known) if data else frozenset()
        if operation and data and operation.outer():
            mixed = mixed.union(*(facts.bearing.weights for facts in known))
        return Facts(data, origins, mixed=mixed, bearing=bearing)

    def _operation(self, func: Any, args: Any, kwargs: Any, known: list[Facts], *, result: Any) -> Operation | None:
        """Return an operation with what its operands vary with; None if it gives nothing new, or is of constants."""
        first = next(_tensors(result), None)
        if first is None or func.is_view or not any(facts.data or facts.bearing.weights for facts in known):
            return None
        inputs = zip(_arguments(args, kwargs), known, strict=True)
        operands = [Operand(tensor, facts.data, facts.bearing) for tensor, facts in inputs]
        return Operation(func, args, kwargs, operands, first)

    def _reduce(self, func: Any, operation: Operation, inputs: list[Tensor], known: list[Facts]) -> None:
        """Refuse the weights that met the inputs element by element where what they gave is summed."""
        meetings, macs = operation.by_hand()
        for each in meetings:
            self._refuse([each.parameter], findings.by_hand(each.operator, operators.name_of(func)))
        if func.overloadpacket in operators.SUMS and known[0].mixed:
            self._refuse(known[0].mixed, findings.by_hand("aten::mul", operators.name_of(func)))
            macs = inputs[0].numel()
        self.found.macs += macs

    def _mixed(self, func: Any, inputs: list[Tensor], known: list[Facts]) -> frozenset[str]:
        """Return the parameters that an operator mixes with the inputs, or passes on where they were mixed before."""
        times, chooses = operators.is_elementwise_product(func), func.overloadpacket in operators.CHOICES
        if not (func.is_view or times or chooses or func.overloadpacket in operators.COPIES):
            return frozenset()
        least = {times: 2, chooses: 3}.get(True, len(inputs[0].shape) + 1)  # of a vector nothing is a matrix
        pairs = zip(known, inputs, strict=True)
        new = (facts.source.parameter for facts, tensor in pairs if facts.source and extent(tensor) >= least)
        return frozenset(new).union(*(facts.mixed for facts in known))

    def _product(self, product: Product) -> Facts:
        """Note a product and return what is known of its result."""
        self.found.macs += product.macs
        known = [self._of(operand) for operand in product.operands]
        themselves = []
        for operand, facts, outputs in zip(product.operands, known, product.outputs, strict=True):
            self._refuse(facts.mixed, findings.MIXED)
            if facts.source is None:
                # Activations carry what was added to them; as a kernel they would stand for their parameters.
                if not facts.data or (operators.CONVOLUTION in product.role and operand is product.operands[-1]):
                    self._refuse(facts.origins, findings.RECOMPUTED)
                continue
            run = run_of(operand, facts.source)
            name = facts.source.parameter
            if product.role == operators.ATTENTION:
                self._refuse([name], findings.IN_ATTENTION)
            elif run is None:
                self._refuse([name], findings.IN_PARTS)
            elif self._dimensions[name] > 1:
                themselves.append(name)
                self.found.uses[name][run] += product.macs
                self.found.roles[name].add(product.role)
                if not facts.source.first_is(outputs, operand, run):
                    self.found.not_by_output.add(name)
            elif extent(operand) > 1:
                self._refuse([name], findings.FLAT)
        if len(themselves) > 1:
            self.found.pairs.add(frozenset(themselves))
        if any(facts.data for facts in known) or any(map(self._for_each_sample, product.operands, known)):
            return Facts(data=True)
        origins = frozenset().union(*(facts.origins for facts in known))
        return Facts(origins=origins, bearing=Bearing(weights=origins & self._matrices))

    def _for_each_sample(self, operand: Tensor, facts: Facts) -> bool:
        """Whether an operand is a parameter repeated for each sample, as learned queries are: an activation then."""
        if facts.source is None or (run := run_of(operand, facts.source)) is None:
            return False
        repeated = operand.numel() // (run[1] - run[0])
        return repeated > 1 and repeated % self._samples == 0

    def _refuse(self, names: Any, why: str) -> None:
        """Refuse parameters of several dimensions, or if there are none, all of them."""
        names = sorted(names)
        for name in [name for name in names if self._dimensions[name] > 1] or names:
            self.found.refused.setdefault(name, why)

    def _copied(self, original: Tensor, copy: Tensor) -> Facts | None:
        """Return what is known of a copy of a parameter or of a part of it; None if it is of something else."""
        facts = self._of(original)
        if facts.source is None or copy.layout is not torch.strided:
            return None
        run = run_of(original, facts.source)
        if run is None:
            return replace(facts, source=None)
        return replace(facts, source=facts.source.copied(original, copy, run))

    def _write(self, tensor: Tensor, facts: Facts) -> None:
        """Learn that something was written into a tensor, beside what its storage holds."""
        old = self._of(tensor)
        if (name := self._own.get(_key(tensor))) and self._dimensions[name] > 1:
            self.found.refused.setdefault(name, findings.WRITTEN)
        bearing = old.bearing.beside(facts.bearing, data=(old.data, facts.data))
        self._learn(tensor, Facts(old.data or facts.data, old.origins | facts.origins, None, facts.mixed, bearing))

    def _of(self, tensor: Tensor) -> Facts:
        return self._facts.get(_key(tensor), _CONSTANT)

    def _learn(self, tensor: Tensor, facts: Facts) -> None:
        key = _key(tensor)
        self._facts[key] = facts
        self._alive[key] = tensor.untyped_storage()


_CONSTANT = Facts()


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors that an operator writes into."""
    for place, name in operators.written_arguments(func):
        yield from _tensors(args[place] if place < len(args) else kwargs.get(name))


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    return [*_tensors(args), *_tensors(tuple(kwargs.values()))]


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in an operator's arguments or results, which are never nested deeper than a list."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)
