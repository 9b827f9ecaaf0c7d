"""The ordinary step as one CUDA graph: recorded once, then replayed with no Python and no launches in between."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from harness.machine.oom import ran_out_of_memory

# Steps taken as usual first: they choose kernels and make the optimiser's state, which a recording must not.
WARM_UP = 3


class RecordedStep:
    """A training step on batches of one shape.

    The graph reads what makes a batch from tensors that never move, augments, goes forward and back, and takes the
    optimiser's step; data held on the device, weights, masks, optimiser state, learning rate and loss
    keep their addresses anyway. On a CPU there is nothing to record and the step is called instead, on the same
    tensors: so a machine without a GPU can hold this path against the plain one.

    Args:
        step: Takes the tensors of a pick (`Batches.picks`); waits for nothing, and does the same on every call.
        name: What it is, for an error.
    """

    def __init__(self, step: Callable[..., None], name: str = "the step") -> None:
        self._step, self._name = step, name
        self._taken = 0
        self._variant: Hashable = None
        self._inputs: tuple[Tensor, ...] = ()
        self._replay: Callable[[], None] | None = None

    def __call__(self, *inputs: Tensor, variant: Hashable) -> None:
        """Take a step.

        Args:
            inputs: What the step takes, of the same shapes on every call.
            variant: What the step's Python branches on: when it changes, the step is recorded anew.
        """
        if variant != self._variant:
            self._variant, self._taken, self._replay = variant, 0, None
        self._taken += 1
        if self._taken <= WARM_UP:
            self._step(*inputs)
            return
        if not self._inputs:
            self._inputs = tuple(tensor.clone() for tensor in inputs)
        else:
            for kept, tensor in zip(self._inputs, inputs, strict=True):
                kept.copy_(tensor)
        if self._replay is None:
            self._replay = self._record(self._inputs)
        self._replay()

    def _record(self, inputs: tuple[Tensor, ...]) -> Callable[[], None]:
        if inputs[0].device.type != "cuda":
            return lambda: self._step(*inputs)
        graph, broken = torch.cuda.CUDAGraph(), None
        # Threads of a loader may call CUDA meanwhile: their calls are not part of the graph and must not break it.
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                try:
                    self._step(*inputs)
                except Exception as error:
                    broken = error
                    raise
        except RuntimeError as error:
            cause = broken or error  # what breaks a recording makes its end fail too, which is raised in its place
            if ran_out_of_memory(cause) or not isinstance(cause, RuntimeError):
                raise cause from None
            raise RuntimeError(f"{self._name} cannot be recorded (graph=false trains without): {cause}") from error
        return graph.replay
