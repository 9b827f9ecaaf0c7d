"""The masks of a run: the one place where weights, gradients and optimiser state are kept sparse."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from methods.parts.checks import check_count, whole
from methods.parts.reading import ReadableMasks
from methods.parts.rows import gradient_of
from methods.parts.select import (
    count_each,
    exchange_each,
    highest_each,
    highest_jointly,
    top_k_each,
    top_k_jointly,
)


class Masks(ReadableMasks):
    """Which weights of which layers are active.

    A method reads weights, gradients, optimiser state and masks through it (`methods.parts.reading`) and changes masks.
    Tensors that a step uses keep their storage for the whole run. Layer counts are host integers, so no topology change
    waits for the device, except that `prune_globally`, `keep`, `keep_layers`, `set_all` and `train_also` read numbers.

    Scores and masks are taken flat, (n,), or in the weight's shape. A weight that becomes active starts at 0, with an
    optimiser state of 0; where a method has forward weights of its own, it starts at the value that is stored.

    Attributes:
        names: Layer names, in model order.
        shapes: Weight shapes, with the index of the model's first convolution.
        sizes: Weights of each layer.
        active: Active weights of each layer.
        generator: The source of all random topology, seeded by the run.
        weight_decay: The recipe's.
        memory: The method's own tensors by name, on the weights' device. They are saved in checkpoints and restored;
            rewinding leaves them as they are.
    """

    def initialise(self, counts: Sequence[int]) -> None:
        """Draw ``counts[l]`` active weights in each layer, uniformly without replacement."""
        drawn = {}
        for layer, (count, size) in enumerate(zip(whole("initialise", counts), self.sizes, strict=True)):
            if count < size:
                chosen = torch.zeros(size, dtype=torch.bool)
                chosen[torch.randperm(size, generator=self.generator)[:count]] = True
                drawn[layer] = chosen.to(self._weights[layer].device)
                self.active[layer] = count
        self._settle(drawn)
        self.begin()

    def prune_layers(self, counts: Sequence[int]) -> None:
        """Keep the ``counts[l]`` largest active magnitudes of each layer."""
        counts = whole("prune_layers", counts)
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
        score = self.gradient if growth == "gradient" else self.random
        masks = exchange_each(
            [self._alive[layer] for layer in sparse],
            [self.active[layer] for layer in sparse],
            [self._flat(layer) for layer in sparse],
            [score(layer) for layer in sparse],
            [exchanged[layer] for layer in sparse],
        )
        self._settle(dict(zip(sparse, masks, strict=True)), grown=True)

    def keep(self, scores: Sequence[Tensor], count: int) -> None:
        """Make the ``count`` highest signed scores of all layers together active; ties go to the first in model order.

        Inactive weights take part and may return. NaN comes last.

        Raises:
            ValueError: There is not one score for each weight, or ``count`` is out of range.
        """
        (count,) = whole("keep", [count])
        check_count("keep", count, self.maskable, "the network")
        kept = highest_jointly(self._flat_scores(scores, "keep"), count)
        self.active = count_each(kept)
        self._settle(dict(enumerate(kept)), grown=True)

    def keep_layers(self, scores: Sequence[Tensor], counts: Sequence[int]) -> None:
        """Make the ``counts[l]`` highest signed scores of each layer active; see `keep`.

        Raises:
            ValueError: There is not one score for each weight, or a count is out of range.
        """
        counts = whole("keep_layers", counts)
        if len(counts) != len(self):
            raise ValueError(f"keep_layers: {len(counts)} counts for {len(self)} layers")
        for name, count, size in zip(self.names, counts, self.sizes, strict=True):
            check_count("keep_layers", count, size, name)
        kept = highest_each(self._flat_scores(scores, "keep_layers"), counts)
        self.active = counts
        self._settle(dict(enumerate(kept)), grown=True)

    def set(self, layer: int, mask: Tensor) -> None:
        """Set the mask of a layer; see `set_all`."""
        self.set_all({layer: mask})

    def set_all(self, masks: Mapping[int, Tensor]) -> None:
        """Set the masks, bool, of some layers.

        Raises:
            ValueError: A mask is not bool or not of its layer's size.
        """
        flat = {layer: self._flat_mask(layer, mask, "set") for layer, mask in masks.items()}
        for layer, count in zip(flat, count_each(list(flat.values())) if flat else [], strict=True):
            self.active[layer] = count
        self._settle(flat, grown=True)

    def move(self, layer: int, mask: Tensor) -> None:
        """Set the mask of a layer without waiting, also in `methods.Method.forward_weight` or ``each_step``.

        It has to have as many active weights as before, which is checked at evaluations.

        Raises:
            ValueError: See `set_all`.
        """
        self._move(layer, self._flat_mask(layer, mask, "move"))

    def train_also(self, masks: Mapping[int, Tensor] | None) -> None:
        """Train weights of some layers although they are inactive; None for the active ones alone.

        Only a method with forward weights of its own can: they keep inactive weights out of the network.

        Args:
            masks: Bool by layer, with the active weights among them.

        Raises:
            ValueError: A mask leaves active weights out, or the method has no forward weights.
        """
        if self.forward is None:
            raise ValueError("train_also: without forward_weight, inactive weights would take part in the network")
        flat = {layer: self._flat_mask(layer, mask, "train_also") for layer, mask in (masks or {}).items()}
        left_out = [self._alive[layer] & ~mask for layer, mask in flat.items()]
        for layer, count in zip(flat, count_each(left_out) if flat else [], strict=True):
            if count:
                raise ValueError(f"train_also: its mask of {self.names[layer]} leaves {count} active weights out")
        self.forward.train_also(flat, self._alive)
        for layer in range(len(self)):
            self._explore(layer)
            self._zero(layer)

    def add_to_gradient(self, layer: int, tensor: Tensor) -> None:
        """Add to the gradient of a layer, in `methods.Method.each_step`; a missing gradient counts as 0."""
        gradient = gradient_of(self._weights[layer])
        gradient.add_(tensor.detach().reshape(gradient.shape))

    @torch.no_grad()
    def decay(self, layer: int, rates: Tensor) -> None:
        """Decay the trained weights of a layer at these rates, in `methods.Method.each_step`, as the optimiser would.

        AdamW takes the learning rate times the rates from the weights: in the gradient they would outweigh the loss.
        """
        weight, group = self._weights[layer].detach(), self._optimizer.param_groups[0] if self._optimizer else {}
        rates = rates.reshape(weight.shape)
        if group.get("decoupled_weight_decay"):
            weight.mul_(1 - group["lr"] * rates * self._trains[layer])
        else:
            self.add_to_gradient(layer, weight * rates)

    @torch.no_grad()
    def reset_state(self) -> None:
        """Set the optimiser's state to 0 for all parameters, as before the first step."""
        for state in [] if self._optimizer is None else self._optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.zero_()

    @torch.no_grad()
    def remember(self, name: str, tensors: Sequence[Tensor]) -> None:
        """Write tensors of the method to `memory`, in place where their shapes stay: a recorded step may hold them."""
        present = self.memory.get(name, [])
        if [each.shape for each in present] == [each.shape for each in tensors]:
            for kept, tensor in zip(present, tensors, strict=True):
                kept.copy_(tensor)
        else:
            device = self._weights[0].device
            self.memory[name] = [tensor.detach().to(device, copy=True) for tensor in tensors]

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume."""
        also = {} if self.forward is None else self.forward.also
        extras = {"memory": self.memory, "learned": dict(self.learned_tensors()), "also": also}
        return {
            "masks": [mask.bool() for mask in self._masks],
            "explored": self._explored,
            "generator": self.generator.get_state(),
            "finished": self.forward is None,
            **{name: value for name, value in extras.items() if value},
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict` into the same storage."""
        for mask, alive, saved in zip(self._masks, self._alive, state["masks"], strict=True):
            mask.copy_(saved)
            alive.copy_(saved.reshape(-1))
        for explored, saved in zip(self._explored, state["explored"], strict=True):
            explored.copy_(saved)
        self.generator.set_state(state["generator"])
        self.active = torch.stack([torch.count_nonzero(mask) for mask in self._masks]).tolist()
        for name, tensor in self.learned_tensors():
            tensor.copy_(state["learned"][name])
        for name, tensors in state.get("memory", {}).items():
            self.remember(name, tensors)
        if state.get("finished", True):
            self._forward = None
        if self.forward is not None:
            also = {layer: mask.to(self._alive[layer].device) for layer, mask in state.get("also", {}).items()}
            self.forward.train_also(also, self._alive)

    def _flat_scores(self, scores: Sequence[Tensor], where: str) -> list[Tensor]:
        real = all(isinstance(score, Tensor) and not score.is_complex() for score in scores)
        if not real or [score.numel() for score in scores] != self.sizes:
            raise ValueError(
                f"{where}: there must be one score for each weight, a real number, in a tensor for each layer"
            )
        return [score.detach().reshape(-1) for score in scores]

    def _flat_mask(self, layer: int, mask: Tensor, where: str) -> Tensor:
        if mask.dtype != torch.bool or mask.numel() != self.sizes[layer]:
            raise ValueError(f"{where}: the mask of {self.names[layer]} must be bool, of {self.sizes[layer]} weights")
        return mask.detach().reshape(-1).clone()  # what a method changes later is its own
