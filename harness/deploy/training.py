"""A training step of linear layers with truly sparse storage, through SparseLab, against dense layers.

The runs of this project train with dense arithmetic and masks. Here the weights outside the masks are neither stored
nor multiplied: `sparselab.SparseLinear` keeps rows of active weights and computes output, weight gradient and input
gradient from these alone. SparseLab is optional (``pip install 'sparsebench[sparselab]'``).
"""

import math
import platform
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness import extras
from harness.deploy import timing
from harness.deploy.choice import difference
from harness.deploy.conditions import Conditions
from harness.deploy.formats import quiet
from harness.deploy.layers import Layer
from harness.errors import first_line
from harness.seeds import derive

BATCH = 128
"""Rows of the input of a layer."""

_LR = 0.01


class _Side:
    """A layer, trained on one batch: a step is forward, backward to weights, bias and input, and plain SGD.

    Gradients are zeroed in place. Fresh ones would be fresh memory at each step, whose page faults cost the dense
    layer more than its arithmetic.
    """

    def __init__(self, layer: Any, given: Tensor, above: Tensor) -> None:
        self.layer, self.given, self.above = layer, given.clone().requires_grad_(), above
        self.output = above
        self._optimizer = torch.optim.SGD([*layer.parameters()], lr=_LR)

    def step(self) -> None:
        """Take one step."""
        self._optimizer.zero_grad(set_to_none=False)
        if self.given.grad is not None:
            self.given.grad.zero_()
        self.output = self.layer(self.given)
        self.output.backward(self.above)
        self._optimizer.step()


def step(
    layers: Sequence[Layer], on: Conditions, device: torch.device, tell: Callable[[str, float], None]
) -> dict[str, Any] | None:
    """Measure a training step of the linear layers of a network; return the ``training`` of a deployment.

    Every layer is trained by itself on random rows, sparse and dense in turns. Before that, both take one step from the
    same weights, and output, input gradient and trained weights are compared.

    Args:
        layers: The masked layers of the network; convolutions are left out.
        on: On what to measure.
        device: Where the network is.
        tell: Is told how far it is.

    Returns:
        None if the network has no masked linear layer; with ``refused`` if the library is missing or cannot do it here.
    """
    linear = [layer for layer in layers if layer.kind == "linear"]
    if not linear:
        return None
    found: dict[str, Any] = {"library": None, "batch": BATCH, "layers": [], "all": None, "error": None, "refused": None}
    if why := _objection(on, device):
        return found | {"refused": why}
    try:
        import sparselab
    except ImportError:
        return found | {"refused": str(extras.missing("sparselab"))}
    found["library"] = f"sparselab {sparselab.__version__}"
    with quiet():
        try:
            _forget_transposes()
            checked = [_checked(layer) for layer in linear]
        except (ImportError, RuntimeError, ValueError, TypeError, AttributeError) as failure:
            return found | {"refused": f"{found['library']} fails: {first_line(failure)}"}
        for layer, (_, error) in zip(linear, checked, strict=True):
            if not error <= on.tolerance:
                apart = f"differs from dense by {error:.2g} of the largest value, more than {on.tolerance:g}"
                return found | {"refused": f"{layer.name} trained by {found['library']} {apart}"}
        found["error"] = max(error for _, error in checked)
        for number, (layer, (pair, _)) in enumerate(zip(linear, checked, strict=True)):
            tell(f"training step of {layer.name}", number / (len(linear) + 1))
            shape = list(layer.module.weight.shape)
            found["layers"].append({"name": layer.name, "shape": shape, **_timed([pair], on, device)})
        found["all"] = _timed([pair for pair, _ in checked], on, device)
    return found


def _objection(on: Conditions, device: torch.device) -> str | None:
    if device.type != "cpu" or on.precision != "float32":
        return "sparselab computes in float32 on a processor alone"
    if platform.machine() == "x86_64" and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "NO AVX"):
        return "sparselab needs a processor with AVX2"
    return None


def _checked(layer: Layer) -> tuple[tuple[_Side, _Side], float]:
    """Return a layer as a dense and a sparse side that have taken a step, and how far they are apart."""
    weight = layer.matrix().clone()
    draws = torch.Generator().manual_seed(derive(0, "deploy", "training", *weight.shape))
    given, above = (torch.randn(BATCH, side, generator=draws) for side in reversed(weight.shape))
    module = layer.module
    dense = nn.Linear(weight.shape[1], weight.shape[0], bias=module.bias is not None)
    with torch.no_grad():
        dense.weight.copy_(weight)
        if module.bias is not None:
            dense.bias.copy_(module.bias)
    sides = _Side(dense, given, above), _Side(_sparse(dense), given, above)
    for side in sides:
        side.step()
    one, other = sides
    assert one.given.grad is not None
    assert other.given.grad is not None
    trained = torch.where(weight != 0, dense.weight.detach(), 0.0)
    apart = [
        difference(other.output.detach(), one.output.detach()),
        difference(other.given.grad, one.given.grad),
        difference(other.layer._csr.to_dense(), trained),
    ]
    if dense.bias is not None:
        apart.append(difference(other.layer.bias.detach(), dense.bias.detach()))
    return sides, max(apart, key=lambda each: (math.isnan(each), each))


def _sparse(dense: nn.Linear) -> Any:
    """Return a layer of SparseLab with the non-zero weights of a dense one.

    It draws its own pattern where it is built; the library has no public way to give it one.
    """
    import sparselab

    layer = sparselab.SparseLinear(dense.in_features, dense.out_features, bias=dense.bias is not None)
    layer._csr = sparselab.PaddedCSR.from_dense(dense.weight.detach())
    layer._values = nn.Parameter(torch.from_numpy(layer._csr.values))
    with torch.no_grad():
        if dense.bias is not None:
            layer.bias.copy_(dense.bias)
    return layer


def _forget_transposes() -> None:
    """Clear what the library keeps by the ``id`` of matrices, which may since be that of another one."""
    from sparselab import ops

    ops._clear_transpose_cache()


def _timed(pairs: Sequence[tuple[_Side, _Side]], on: Conditions, device: torch.device) -> dict[str, float | None]:
    def steps(number: int) -> timing.Work:
        def work() -> None:
            for pair in pairs:
                pair[number].step()

        return work

    timed = timing.in_turns({"dense": steps(0), "sparse": steps(1)}, on.repeats, device)
    return timing.compared(timed["dense"], timed["sparse"])
