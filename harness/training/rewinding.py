"""Weight rewinding: keeps the state at the rewind point and restores it after each round."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.budget.course import Course
from methods import Rewinding

Snapshot = dict[str, Any]


class RewindPoint:
    """The state of model, learned tensors and optimiser at a schedule position of the first training.

    Attributes:
        snapshot: Parameters, buffers and every tensor of the optimiser's state; None before the position is reached,
            and where only the schedule is rewound.
    """

    def __init__(self, rewinding: Rewinding | None) -> None:
        """Keep nothing yet; ``rewinding`` is the method's, None if it does not rewind."""
        self._position = rewinding.position if rewinding is not None and rewinding.weights else None
        self.snapshot: Snapshot | None = None

    def keep_if_due(
        self, course: Course, tensors: Callable[[], dict[str, Tensor]], optimizer: torch.optim.Optimizer
    ) -> None:
        """Copy the state if the course has come to the rewind point.

        Args:
            course: Where the run stands.
            tensors: Returns what is rewound besides the optimiser's state, by name.
            optimizer: Its state is rewound too.
        """
        if self._position is None or self.snapshot is not None:
            return
        if course.round == 0 and course.position >= self._position:
            self.snapshot = copy.deepcopy({"model": tensors(), "optimizer": optimizer.state_dict()["state"]})

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> bool:
        """Write the state back in place, so that every tensor keeps its storage; masks are to be applied after it.

        Returns:
            Whether there was a state to restore.
        """
        if self.snapshot is None:
            return False
        for name, tensor in tensors.items():
            tensor.copy_(self.snapshot["model"][name])
        for index, values in optimizer.state_dict()["state"].items():
            saved = self.snapshot["optimizer"].get(index, {})
            for name, value in values.items():
                if isinstance(value, Tensor):
                    # The snapshot may be older than the first step, when there was no state: that is zero.
                    value.copy_(saved[name]) if name in saved else value.zero_()
        return True
