"""The masks of a run: the one place where weights, gradients and optimiser state are kept sparse."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.parts.distributions import Shape
from methods.parts.rows import Rows, state_of
from methods.parts.select import count_each, exchange_each, top_k_each, top_k_jointly
from methods.parts.transfer import moved
from methods.parts.zero import zero_outside


class Masks:
    """Which weights of which layers are active.

    A method reads magnitudes, dense gradients and masks through it and changes masks by `initialise`, `prune_layers`,
    `prune_globally` and `drop_and_grow`. Tensors that a step uses keep their storage for the whole run. Layer counts
    are host integers, so no topology change waits for the device, except that global pruning reads the new ones once.

    Between events only gradients are masked (`mask_gradients`). That keeps weights and state exact: where weight,
    gradient and every moment are zero, SGD and AdamW leave all of them zero, weight decay and Nesterov included.

    Attributes:
        names: Layer names, in model order.
        shapes: Weight shapes, with the index of the model's first convolution.
        sizes: Weights of each layer.
        active: Active weights of each layer.
        generator: The source of all random topology, seeded by the run.
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
        # Same dtype and strides as the gradients: otherwise torch._foreach_mul_ takes its slow path.
        self._masks = [torch.ones_like(weight.detach()) for weight in self._weights]
        # Events read these copies of the masks: one byte per weight instead of four.
        self._alive = [torch.ones(weight.numel(), dtype=torch.bool, device=weight.device) for weight in self._weights]
        self._explored = [torch.ones_like(weight.detach(), dtype=torch.bool) for weight in self._weights]
        self._held: list[Tensor] = []
        self._holds = False
        self._optimizer: torch.optim.Optimizer | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def maskable(self) -> int:
        """Number of weights under masks, active or not."""
        return sum(self.sizes)

    @property
    def density(self) -> float:
        """Share of maskable weights that are active."""
        return sum(self.active) / self.maskable

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep this optimiser's state sparse too: every state tensor that has its weight's shape."""
        self._optimizer = optimizer

    # For methods to read.

    def alive(self, layer: int) -> Tensor:
        """Active weights of a layer, bool, shape (n,)."""
        return self._alive[layer].clone()

    def magnitude(self, layer: int) -> Tensor:
        """Magnitudes of a layer's weights, shape (n,)."""
        return self._flat(layer).abs()

    def gradient_magnitude(self, layer: int) -> Tensor:
        """Magnitudes of a layer's *dense* gradient, shape (n,); only during an event that requested it."""
        return self._flat_gradient(layer).abs()

    # For methods to change.

    def initialise(self, counts: Sequence[int]) -> None:
        """Draw ``counts[l]`` active weights in each layer, uniformly without replacement."""
        drawn = {}
        for layer, (count, size) in enumerate(zip(counts, self.sizes, strict=True)):
            if count < size:
                chosen = torch.zeros(size, dtype=torch.bool)
                chosen[torch.randperm(size, generator=self.generator)[:count]] = True
                drawn[layer] = chosen.to(self._weights[layer].device)
                self.active[layer] = count
        self._settle(drawn)
        self._explored = [alive.view(shape).clone() for alive, shape in zip(self._alive, self.shapes, strict=True)]

    def prune_layers(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest active magnitudes of each layer."""
        fewer = [layer for layer, count in enumerate(counts) if count < self.active[layer]]
        kept = [counts[layer] for layer in fewer]
        masks = top_k_each([self._flat(layer) for layer in fewer], kept, [self._alive[layer] for layer in fewer])
        for layer, count in zip(fewer, kept, strict=True):
            self.active[layer] = count
        self._settle(dict(zip(fewer, masks, strict=True)))

    def prune_globally(self, count: int) -> None:
        """Keep the ``count`` largest active magnitudes of all layers together; ties go to the first in model order."""
        if count >= sum(self.active):
            return
        layers = range(len(self))
        kept = top_k_jointly([self._flat(layer) for layer in layers], count, self._alive)
        self.active = count_each(kept)
        self._settle(dict(enumerate(kept)))

    def drop_and_grow(self, exchanged: Sequence[int], growth: str) -> None:
        """Exchange ``exchanged[l]`` active weights of each layer; layer counts do not change.

        Args:
            exchanged: Weights to drop and grow, at most the active ones.
            growth: ``"gradient"`` (largest dense gradient) or ``"random"`` (uniform).
        """
        sparse = [layer for layer, k in enumerate(exchanged) if k and self.active[layer] < self.sizes[layer]]
        score = self._flat_gradient if growth == "gradient" else self._random
        masks = exchange_each(
            [self._alive[layer] for layer in sparse],
            [self.active[layer] for layer in sparse],
            [self._flat(layer) for layer in sparse],
            [score(layer) for layer in sparse],
            [exchanged[layer] for layer in sparse],
        )
        for layer, mask in zip(sparse, masks, strict=True):
            self._explored[layer].logical_or_(mask.view(self.shapes[layer]))
        self._settle(dict(zip(sparse, masks, strict=True)))

    # For the harness.

    def mask_gradients(self) -> None:
        """Zero the gradients of inactive weights: the only cost of masking between events."""
        if present := self._gradients(self.sparse_layers):
            torch._foreach_mul_(list(present.values()), [self._masks[layer] for layer in present])

    @property
    def sparse_layers(self) -> tuple[int, ...]:
        """Indices of the layers with inactive weights."""
        layers = zip(self.active, self.sizes, strict=True)
        return tuple(layer for layer, (active, size) in enumerate(layers) if active < size)

    def hold_gradients(self) -> None:
        """Copy the dense gradients for the coming event.

        Masking and ``SGD(foreach=True, nesterov=True, weight_decay=0)`` change ``grad`` in place, hence a copy, whose
        memory is kept from event to event. The gradient of a layer that the model skipped in this step is zero.
        """
        present = self._gradients(range(len(self)))
        likes = (present.get(layer, weight).detach() for layer, weight in enumerate(self._weights))
        self._held = self._held or [torch.empty_like(like) for like in likes]
        torch._foreach_copy_([self._held[layer] for layer in present], [part.detach() for part in present.values()])
        for layer in set(range(len(self))).difference(present):
            self._held[layer].zero_()
        self._holds = True

    def release_gradients(self) -> None:
        """Discard the held gradients."""
        self._holds = False

    def nonzero(self) -> list[int]:
        """Non-zero weights of each layer, counted in the weights."""
        return torch.stack([torch.count_nonzero(weight.detach()) for weight in self._weights]).tolist()

    def counted(self) -> list[int]:
        """Active weights of each layer, counted in the masks."""
        return torch.stack([torch.count_nonzero(mask) for mask in self._masks]).tolist()

    def outside(self) -> int:
        """Number of non-zero entries of weights and optimiser state outside the masks; 0 when all is well."""
        escaped = [
            torch.count_nonzero((tensor.detach() != 0) & ~alive.view(weight.shape))
            for weight, alive in zip(self._weights, self._alive, strict=True)
            for tensor in (weight.detach(), *self._state(weight))
        ]
        return int(torch.stack(escaped).sum())

    def exploration_rate(self) -> float:
        """Share of maskable weights that were ever active (ITOP, Liu et al. 2021, section 3)."""
        return int(torch.stack([torch.count_nonzero(seen) for seen in self._explored]).sum()) / self.maskable

    def reapply(self) -> None:
        """Zero everything outside the masks, after weights or state were written from outside."""
        for layer, alive in enumerate(self._alive):
            self._zero(layer, alive)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Each layer's name and mask (bool)."""
        for name, mask in zip(self.names, self._masks, strict=True):
            yield name, mask.bool()

    def state_dict(self) -> dict[str, object]:
        """Return everything needed to resume."""
        return {
            "masks": [mask.bool() for mask in self._masks],
            "explored": self._explored,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Restore the result of `state_dict` into the same storage."""
        for mask, alive, saved in zip(self._masks, self._alive, state["masks"], strict=True):
            mask.copy_(saved)
            alive.copy_(saved.reshape(-1))
        for explored, saved in zip(self._explored, state["explored"], strict=True):
            explored.copy_(saved)
        self.generator.set_state(state["generator"])  # type: ignore[arg-type]
        self.active = self.counted()

    def _gradients(self, layers: Iterable[int]) -> dict[int, Tensor]:
        """Return gradients by layer; those that the model skipped in this step have none."""
        return {layer: gradient for layer in layers if (gradient := self._weights[layer].grad) is not None}

    def _flat(self, layer: int) -> Tensor:
        return self._weights[layer].detach().reshape(-1)

    def _flat_gradient(self, layer: int) -> Tensor:
        if not self._holds:
            raise RuntimeError("this event did not request dense gradients: return Event(dense_gradient=True)")
        return self._held[layer].reshape(-1)

    def _random(self, layer: int) -> Tensor:
        # Drawn on the CPU, so that one seed gives one topology on every device and rank.
        return moved(torch.rand(self.sizes[layer], generator=self.generator), self._weights[layer].device)

    @torch.no_grad()
    def _settle(self, changed: Mapping[int, Tensor]) -> None:
        """Set new masks (bool, flat) of some layers, and zero everything outside them."""
        for layer, new in changed.items():
            self._alive[layer] = new
            # From bool the copy would take six times as long on a CPU.
            self._masks[layer].copy_(new.view(self.shapes[layer]).view(torch.int8))
            self._zero(layer, new)

    def _zero(self, layer: int, alive: Tensor) -> None:
        """Zero a layer's weights and optimiser state where they are not alive."""
        weight = self._weights[layer]
        zero_outside(alive.view(weight.shape), (weight.detach(), *self._state(weight)))

    def _state(self, weight: nn.Parameter | Rows) -> Iterator[Tensor]:
        return iter(()) if self._optimizer is None else state_of(self._optimizer, weight)
