"""Layers under masks, as a step needs them: what of weights, gradients and optimiser state is kept sparse."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from methods.declarations import Learned
from methods.parts.distributions import Shape
from methods.parts.forward import ForwardWeights
from methods.parts.gradients import Gradients, Probed
from methods.parts.rows import Rows, state_of
from methods.parts.zero import zero_outside

Function = Callable[[Tensor, Tensor, int], Tensor]
"""Takes stored weights, mask and index of a layer and returns its forward weights."""


class MaskedLayers:
    """The state behind `methods.Masks`, which has its attributes.

    Between events only gradients are masked (`mask_gradients`). That keeps weights and state exact: where weight,
    gradient and every moment are zero, SGD, Adam and AdamW leave all of them zero, weight decay and Nesterov included.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, nn.Parameter | Rows]],
        generator: torch.Generator,
        shapes: Sequence[Shape] | None = None,
    ) -> None:
        self.names = tuple(name for name, _ in layers)
        self._weights = [weight for _, weight in layers]
        self.shapes = shapes or [tuple(weight.shape) for weight in self._weights]
        self.sizes = [weight.numel() for weight in self._weights]
        self.active = list(self.sizes)
        self.generator = generator
        self.memory: dict[str, list[Tensor]] = {}
        self.weight_decay = 0.0
        self._gradients = Gradients(self._weights)
        self._charged: Sequence[int] | None = None
        self._forward: ForwardWeights | None = None
        # Same dtype and strides as the gradients: otherwise torch._foreach_mul_ takes its slow path.
        self._masks = [torch.ones_like(weight.detach()) for weight in self._weights]
        # Events read these copies of the masks: one byte per weight instead of four.
        self._alive = [torch.ones(weight.numel(), dtype=torch.bool, device=weight.device) for weight in self._weights]
        self._explored = [torch.ones_like(weight.detach(), dtype=torch.bool) for weight in self._weights]
        self._in_place = False  # whether recorded steps may read _alive, which must then keep its storage too
        self._learned: dict[str, list[nn.Parameter]] = {}
        self._optimizer: torch.optim.Optimizer | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def forward(self) -> ForwardWeights | None:
        """Forward weights other than the stored ones, for the harness; None where both are the same."""
        return self._forward

    @property
    def charged(self) -> Sequence[int] | None:
        """Weights of each layer whose gradient every step computes, for the ledger; None for the active ones."""
        return self._charged

    def charge(self, counts: Sequence[int] | None) -> None:
        """Take note of `charged`."""
        self._charged = counts

    @property
    def trained(self) -> list[int]:
        """Weights of each layer that steps update: the active ones and those of `methods.Masks.train_also`."""
        return self.active if self.forward is None else self.forward.trained

    @property
    def _trains(self) -> list[Tensor]:
        """1 where a weight is trained and 0 elsewhere, of the shapes and types of the weights."""
        return self._masks if self.forward is None else self.forward.trains

    @property
    def sparse_layers(self) -> tuple[int, ...]:
        """Indices of the layers with inactive weights."""
        return _below(self.active, self.sizes)

    @property
    def frozen_layers(self) -> tuple[int, ...]:
        """Indices of the layers with weights that steps do not update."""
        return _below(self.trained, self.sizes)

    @property
    def variant(self) -> Hashable:
        """What the Python of a step branches on: when it changes, the step has to be recorded anew."""
        if self.forward is None and self.charged is None:
            return self.frozen_layers
        also = () if self.forward is None else tuple(self.forward.also)
        return self.frozen_layers, self.sparse_layers, also, _below(self.charged or self.trained, self.sizes)

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep this optimiser's state sparse too: every state tensor that has its weight's shape."""
        self._optimizer = optimizer

    def learn(self, learned: Learned) -> None:
        """Have the optimiser train other tensors too.

        Raises:
            ValueError: There is not one tensor of real numbers of each name for each layer.
        """
        assert self._optimizer is not None
        if not isinstance(learned, Learned):
            raise ValueError(f"learned returns a {type(learned).__name__}, not a Learned")
        for name, values in learned.values.items():
            if len(values) != len(self):
                raise ValueError(f"learned: {name!r} has {len(values)} tensors for {len(self)} masked layers")
            if not all(isinstance(value, Tensor) and value.is_floating_point() for value in values):
                raise ValueError(f"learned: {name!r} has something other than tensors of real numbers")
            on = zip(values, self._weights, strict=True)
            self._learned[name] = [nn.Parameter(value.detach().to(weight.device, copy=True)) for value, weight in on]
        self._optimizer.add_param_group({"params": self._all_learned(), "weight_decay": learned.weight_decay})

    def keep_storage(self) -> None:
        """Have masks keep their storage, because recorded steps may read them (`methods.Method.each_step`)."""
        self._in_place = True

    def use(self, function: Function) -> None:
        """Have the network use a function of the stored weights; see `methods.Method.forward_weight`."""
        self.keep_storage()
        self._forward = ForwardWeights(
            self._weights, lambda layer, weight: function(weight, self._masks[layer], layer), self._all_learned()
        )

    def used(self) -> AbstractContextManager[None]:
        """Return a context in which the parameters hold the weights that the network uses."""
        return nullcontext() if self.forward is None else self.forward.evaluating()

    def begin(self) -> None:
        """Count exploration from here, where the initial masks are set."""
        for layer, explored in enumerate(self._explored):
            explored.copy_(self._kept(layer).view(explored.shape))

    def finish(self) -> None:
        """Make the forward weights the weights for good; from now on nothing outside the masks is trained."""
        if self.forward is not None:
            self.forward.settle()
            self._forward = None
            for alive, weight in zip(self._alive, self._weights, strict=True):
                zero_outside(alive.view(weight.shape), self._state(weight))

    def mask_gradients(self) -> None:
        """Zero the gradients of weights that are not trained: the only cost of masking between events."""
        if present := self._gradients.present(self.frozen_layers):
            torch._foreach_mul_(list(present.values()), [self._trains[layer] for layer in present])

    def freeze(self) -> None:
        """Undo what weight decay did in a step to stored weights that are not trained, and to their state."""
        if self.forward is not None:
            for layer in self.frozen_layers:
                self.forward.freeze(layer)
                self._zero(layer)

    @property
    def probed(self) -> Probed | None:
        """What was computed before the first step, while `methods.Method.start` may read it."""
        return self._gradients.probed

    @probed.setter
    def probed(self, found: Probed | None) -> None:
        self._gradients.probed = found

    def reading_gradients(self) -> AbstractContextManager[None]:
        """Return a context in which a method may read the gradients of the present step."""
        return self._gradients.of_this_step()

    def hold_gradients(self, *, dense: bool = True) -> None:
        """Copy the gradients for the coming event: all, or those of trained weights alone."""
        self._gradients.hold()
        if not dense:
            self._gradients.mask_held({layer: self._trains[layer] for layer in self.frozen_layers})

    def release_gradients(self) -> None:
        """Discard them."""
        self._gradients.release()

    def reapply(self) -> None:
        """Zero everything outside the masks, after weights or state were written from outside."""
        for layer in range(len(self)):
            self._zero(layer)

    @torch.no_grad()
    def _settle(self, changed: Mapping[int, Tensor], *, grown: bool = False) -> None:
        """Set new masks (bool, flat) of some layers and zero everything outside; ``grown``: weights became active."""
        for layer, new in changed.items():
            if self._in_place:
                self._alive[layer].copy_(new)
            else:
                self._alive[layer] = new
            # From bool the copy would take six times as long on a CPU.
            self._masks[layer].copy_(new.view(self.shapes[layer]).view(torch.int8))
            if self.forward is not None:
                self.forward.follow(layer, new)
                self.forward.recount()
            if grown:
                self._explore(layer)
            self._zero(layer)

    @torch.no_grad()
    def _move(self, layer: int, new: Tensor) -> None:
        """Set a new mask of as many weights as before; nothing here waits, and all storage stays."""
        all_trained = self.trained[layer] == self.sizes[layer]
        self._in_place = True
        self._alive[layer].copy_(new)
        self._masks[layer].copy_(new.view(self.shapes[layer]))
        if all_trained and self.forward is not None:  # whatever moves, nothing is frozen or zeroed
            return
        if self.forward is not None:
            self.forward.follow(layer, new)
        self._explore(layer)
        self._zero(layer)

    def _explore(self, layer: int) -> None:
        self._explored[layer].logical_or_(self._kept(layer).view(self._explored[layer].shape))

    def _zero(self, layer: int) -> None:
        """Zero a layer's weights and optimiser state outside the mask; where stored weights differ, state alone."""
        weight = self._weights[layer]
        weights = (weight.detach(),) if self.forward is None else ()
        zero_outside(self._kept(layer).view(weight.shape), (*weights, *self._state(weight)))

    def _kept(self, layer: int) -> Tensor:
        """Which weights of a layer are trained and may have a state: bool, flat."""
        return self._alive[layer] if self.forward is None else self.forward.trains[layer].reshape(-1) != 0

    def _state(self, weight: nn.Parameter | Rows) -> Iterator[Tensor]:
        return iter(()) if self._optimizer is None else (value for _, value in state_of(self._optimizer, weight))

    def _all_learned(self) -> list[nn.Parameter]:
        return [tensor for tensors in self._learned.values() for tensor in tensors]


def _below(counts: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(layer for layer, (count, size) in enumerate(zip(counts, sizes, strict=True)) if count < size)
