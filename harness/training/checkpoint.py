"""Checkpoints: the whole state of a run in a file, from which it is resumed, or the next run of a chain."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from harness.errors import UsageError, first_line
from harness.machine.meter import Meter
from harness.training.trainer import Trainer

CHECKPOINT = "checkpoint.pt"
"""The checkpoint of a run that is not done."""

SUCCESSOR = "successor.pt"
"""The checkpoint from which the next run of a chain resumes."""


class Checkpoints:
    """Saves and restores a run.

    Attributes:
        resumed: Whether the run was resumed.
    """

    def __init__(self, folder: Path, key: str, trainer: Trainer, meter: Meter, started: float) -> None:
        """Look at nothing yet.

        Args:
            folder: Where the files are.
            key: Of the run: a checkpoint of another one is left alone.
            trainer: What is saved and restored, together with
            meter: what it has seen of the device.
            started: When this process began with the run, by `time.perf_counter`.
        """
        self._path, self._key, self._trainer, self._meter = folder / CHECKPOINT, key, trainer, meter
        self._started, self._before = started, 0.0
        self.resumed = False

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken so far, in earlier processes too."""
        return self._before + time.perf_counter() - self._started

    def resume(self) -> None:
        """Restore the run from its checkpoint, if there is one.

        Raises:
            UsageError: It does not fit, and has been removed.
        """
        if not self._path.exists():
            return
        state = torch.load(self._path, map_location="cpu", weights_only=True)
        if state["key"] != self._key:
            return
        try:
            self._trainer.load_state_dict(state["trainer"])
            self._meter.clocks.load_state_dict(state["clocks"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            self.discard()
            raise UsageError(
                f"its checkpoint does not fit ({first_line(error)}) and was removed: run it again"
            ) from error
        self._before = float(state["elapsed"])
        self.resumed = True

    def save(self) -> None:
        """Save the run."""
        self._save(self._key, self._path)

    def save_for(self, successor: str) -> None:
        """Save the run for another one, of the key ``successor``, to resume from."""
        self._save(successor, self._path.with_name(SUCCESSOR))

    def discard(self) -> None:
        """Remove the run's checkpoint."""
        self._path.unlink(missing_ok=True)

    def _save(self, key: str, path: Path) -> None:
        clocks = self._meter.clocks.state_dict()
        save({"key": key, "elapsed": self.elapsed, "clocks": clocks, "trainer": self._trainer.state_dict()}, path)


def save(state: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values so that the file is whole or not there."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)
