"""The ordinary step as one CUDA graph: recorded once, then replayed with no Python and no launches in between."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

# Steps taken as usual first: they choose kernels and make the optimiser's state, which a recording must not.
WARM_UP = 3


class RecordedStep:
    """A training step on batches of one shape.

    The graph reads each batch from tensors that never move; weights, masks, optimiser state, learning rate and loss
    keep their addresses anyway. On a CPU there is nothing to record and the step is called instead, on the same
    tensors: so a machine without a GPU can hold this path against the plain one.

    Args:
        step: Takes images and labels; waits for nothing, and does the same on every call.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], None]) -> None:
        self._step = step
        self._taken = 0
        self._variant: Hashable = None
        self._images: Tensor | None = None
        self._labels: Tensor | None = None
        self._replay: Callable[[], None] | None = None

    def __call__(self, images: Tensor, labels: Tensor, variant: Hashable) -> None:
        """Take a step.

        Args:
            images: Of the same shape on every call.
            labels: Theirs.
            variant: What the step's Python branches on: when it changes, the step is recorded anew.
        """
        if variant != self._variant:
            self._variant, self._taken, self._replay = variant, 0, None
        self._taken += 1
        if self._taken <= WARM_UP:
            self._step(images, labels)
            return
        if self._images is None or self._labels is None:
            self._images, self._labels = images.clone(), labels.clone()
        else:
            self._images.copy_(images)
            self._labels.copy_(labels)
        if self._replay is None:
            self._replay = self._record(self._images, self._labels)
        self._replay()

    def _record(self, images: Tensor, labels: Tensor) -> Callable[[], None]:
        if images.device.type != "cuda":
            return lambda: self._step(images, labels)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step(images, labels)
        return graph.replay
