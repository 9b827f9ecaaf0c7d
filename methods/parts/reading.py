"""What is read of masks: by methods, and by the harness to check what a method and its record say."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from methods.parts.layers import MaskedLayers
from methods.parts.rows import state_of
from methods.parts.transfer import moved


class ReadableMasks(MaskedLayers):
    """The part of `methods.Masks` that changes nothing."""

    @property
    def maskable(self) -> int:
        """Number of weights under masks, active or not."""
        return sum(self.sizes)

    @property
    def density(self) -> float:
        """Share of maskable weights that are active."""
        return sum(self.active) / self.maskable

    # For methods.

    def alive(self, layer: int) -> Tensor:
        """Active weights of a layer, bool, shape (n,)."""
        return self._alive[layer].clone()

    def weight(self, layer: int) -> Tensor:
        """Weights of a layer, signed, shape (n,)."""
        return self._flat(layer)

    def magnitude(self, layer: int) -> Tensor:
        """Magnitudes of a layer's weights, shape (n,)."""
        return self._flat(layer).abs()

    def gradient(self, layer: int) -> Tensor:
        """The *dense* gradient of a layer, signed, shape (n,).

        It can be read in `methods.Method.start` after a probe of batches, at an event that requested it, and in
        `methods.Method.each_step`. There it is 0 where no step computes it: a layer that is not charged for all of its
        weights (`methods.Method.gradient_counts`) has the gradient of the trained ones.
        """
        gradient = self._gradients.flat(layer)
        if self._gradients.live and (self.charged or self.trained)[layer] < self.sizes[layer]:
            return torch.where(self._kept(layer), gradient, 0)
        return gradient

    def gradient_magnitude(self, layer: int) -> Tensor:
        """Magnitudes of `gradient`, shape (n,)."""
        return self.gradient(layer).abs()

    def hessian_gradient(self, layer: int) -> Tensor:
        """The Hessian of the loss times its gradient, signed, shape (n,); in `methods.Method.start` after a probe."""
        return self._gradients.hessian(layer)

    def flow(self) -> list[Tensor]:
        """SynFlow's scores under the present masks, float64, shape (n,) each; in `methods.Method.start` after a probe.

        They are w dR/dw, R being the sum of the outputs for an input of ones with all weights replaced by their
        magnitudes (Tanaka et al. 2020, section 5).
        """
        return self._gradients.flow()

    def state(self, layer: int, name: str) -> Tensor | None:
        """A tensor of the optimiser's state, such as ``momentum_buffer`` or ``exp_avg``, shape (n,); None if absent."""
        found = {} if self._optimizer is None else dict(state_of(self._optimizer, self._weights[layer]))
        return found[name].reshape(-1) if name in found else None

    def learned(self, name: str) -> list[nn.Parameter]:
        """The learned tensors of a name (`methods.Method.learned`), one for each layer."""
        return self._learned[name]

    def random(self, layer: int) -> Tensor:
        """Scores drawn uniformly from [0, 1), shape (n,): on the CPU, so that a seed gives one topology everywhere."""
        return moved(torch.rand(self.sizes[layer], generator=self.generator), self._weights[layer].device)

    # For the harness; the host waits for the device in each count.

    def nonzero(self) -> list[int]:
        """Non-zero weights of each layer, counted in the weights that the network uses."""
        with self.used():
            return torch.stack([torch.count_nonzero(weight.detach()) for weight in self._weights]).tolist()

    def counted(self) -> list[int]:
        """Active weights of each layer, counted in the masks."""
        return torch.stack([torch.count_nonzero(mask) for mask in self._masks]).tolist()

    def outside(self) -> int:
        """Number of non-zero entries of weights and optimiser state outside the masks; 0 when all is well.

        Weights are those that the network uses. A weight that is trained although inactive may have a state.
        """
        with self.used():
            state = [(self._kept(layer), part) for layer, w in enumerate(self._weights) for part in self._state(w)]
            return _nonzero_outside([*self._masked(), *state])

    def uncharged(self) -> int:
        """Number of weights that steps train beyond those whose gradient is charged; 0 when all is well."""
        if self.forward is None:
            return 0
        trained = torch.stack([torch.count_nonzero(mask) for mask in self.forward.trains]).tolist()
        return sum(max(count - most, 0) for count, most in zip(trained, self.charged or self.active, strict=True))

    def exploration_rate(self) -> float:
        """Share of maskable weights that were ever active or trained (ITOP, Liu et al. 2021, section 3)."""
        return int(torch.stack([torch.count_nonzero(seen) for seen in self._explored]).sum()) / self.maskable

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Each layer's name and mask (bool)."""
        for name, mask in zip(self.names, self._masks, strict=True):
            yield name, mask.bool()

    def learned_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the learned tensors, with a name each."""
        for name, tensors in self._learned.items():
            for layer, tensor in enumerate(tensors):
                yield f"{name}.{layer}", tensor.detach()

    def _flat(self, layer: int) -> Tensor:
        return self._weights[layer].detach().reshape(-1)

    def _masked(self) -> Iterator[tuple[Tensor, Tensor]]:
        for alive, weight in zip(self._alive, self._weights, strict=True):
            yield alive, weight.detach()


def _nonzero_outside(tensors: Iterable[tuple[Tensor, Tensor]]) -> int:
    """Count the non-zero entries of tensors that a mask (flat, bool) does not keep."""
    counts = [torch.count_nonzero((tensor != 0) & ~kept.view(tensor.shape)) for kept, tensor in tensors]
    return int(torch.stack(counts).sum())
