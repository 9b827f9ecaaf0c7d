"""The history of a run as it goes into the record: curve, topology and rewinding rounds."""

from collections.abc import Sequence
from typing import Any


class History:
    """Lists of plain values, in the form of a record.

    Attributes:
        curve: One point for each evaluation.
        topology: Active weights of each layer, at the start and after each event.
        rounds: One entry for each training of a rewinding method.
        validated: Under which name points and rounds hold the metric on the validation split.
    """

    def __init__(self, validated: str) -> None:
        """Begin empty.

        Args:
            validated: Under which name points and rounds hold the metric on the validation split.
        """
        self.validated = validated
        self.curve: list[dict[str, Any]] = []
        self.topology: list[dict[str, Any]] = []
        self.rounds: list[dict[str, Any]] = []

    def note_point(
        self, *, step: int, progress: float, train_loss: float, value: float | None, density: float, lr: float
    ) -> None:
        """Add an evaluation to the curve; ``value`` is of the metric on the validation split, None without one."""
        self.curve.append(
            {
                "step": step,
                "progress": progress,
                "train_loss": train_loss,
                self.validated: value,
                "density": density,
                "lr": lr,
            }
        )

    def note_topology(
        self, step: int, active: Sequence[int], *, dense_gradient: bool, gradient: Sequence[int] | None = None
    ) -> None:
        """Add the masks after an event.

        Args:
            step: Steps done.
            active: Active weights of each layer.
            dense_gradient: What the event was charged for.
            gradient: Weights of each layer whose gradient is computed in the steps that follow; None for the active
                ones.
        """
        entry = {"step": step, "active": list(active), "dense_gradient": dense_gradient}
        self.topology.append(entry if gradient is None else {**entry, "gradient": list(gradient)})

    def emptied(self) -> list[int]:
        """Return the layers that have no weight left and had one before the last event."""
        now = self.topology[-1]["active"]
        before = self.topology[-2]["active"] if len(self.topology) > 1 else [1] * len(now)
        return [layer for layer, kept in enumerate(now) if before[layer] and not kept]

    def note_round(self) -> None:
        """Add how a training of a rewinding method ended, as the last point of the curve says, unless it is there."""
        end = self.curve[-1]
        if self.rounds and self.rounds[-1]["step"] == end["step"]:
            return  # resumed from the end
        self.rounds.append(
            {"round": len(self.rounds), **{name: end[name] for name in ("step", "density", self.validated)}}
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the lists."""
        return {"curve": self.curve, "topology": self.topology, "rounds": self.rounds}

    def load_state_dict(self, state: dict[str, Any], total_steps: int | None) -> None:
        """Restore the lists.

        Args:
            state: As `state_dict` returned it, perhaps of a run with a smaller budget that this one continues.
            total_steps: Iterations of this run, None where the budget does not fix them.
        """
        self.curve, self.topology, self.rounds = state["curve"], state["topology"], state["rounds"]
        if total_steps is not None:
            for point in self.curve:
                point["progress"] = point["step"] / total_steps
