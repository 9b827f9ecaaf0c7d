"""Weight rewinding: keeps the state at the rewind point and restores it after each round."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from harness.budget.course import Course
from harness.training import beside
from methods import Masks, Rewinding

Snapshot = dict[str, Any]


class RewindPoint:
    """The state of model, learned tensors and optimiser at a schedule position of the first training.

    Attributes:
        snapshot: Parameters, buffers, what the model keeps beside them, and every tensor of the optimiser's state; None
            before the position is reached, and where only the schedule is rewound.
    """

    def __init__(
        self, rewinding: Rewinding | None, model: nn.Module, masks: Masks, optimizer: torch.optim.Optimizer
    ) -> None:
        """Keep nothing yet; ``rewinding`` is the method's, None if it does not rewind."""
        self._position = rewinding.position if rewinding is not None and rewinding.weights else None
        self._model, self._masks, self._optimizer = model, masks, optimizer
        self.snapshot: Snapshot | None = None

    def keep_if_due(self, course: Course) -> None:
        """Copy the state if the course has come to the rewind point."""
        if self._position is None or self.snapshot is not None:
            return
        if course.round == 0 and course.position >= self._position:
            state = {"model": self._tensors(), "beside": beside.state_dict(self._model)}
            self.snapshot = copy.deepcopy(state | {"optimizer": self._optimizer.state_dict()["state"]})

    @torch.no_grad()
    def restore(self) -> None:
        """Write the state back in place, if there is one, so that every tensor keeps its storage; then mask it."""
        if self.snapshot is None:
            return
        for name, tensor in self._tensors().items():
            tensor.copy_(self.snapshot["model"][name])
        beside.load_state_dict(self._model, copy.deepcopy(self.snapshot.get("beside", {})))
        for index, values in self._optimizer.state_dict()["state"].items():
            saved = self.snapshot["optimizer"].get(index, {})
            for name, value in values.items():
                if isinstance(value, Tensor):
                    # The snapshot may be older than the first step, when there was no state: that is zero.
                    value.copy_(saved[name]) if name in saved else value.zero_()
        self._masks.reapply()

    def _tensors(self) -> dict[str, Tensor]:
        """Return parameters, buffers and what is learned beside them."""
        return self._model.state_dict() | dict(self._masks.learned_tensors())
