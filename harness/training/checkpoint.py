"""Checkpoints: the whole state of a run in a file, from which it is resumed, or the next run of a chain.

Two generations are kept. One that is damaged, or does not fit, is set aside and said; then the one before it is used,
and without that the run begins anew. A checkpoint that cannot be written is said too, and training continues.
"""

import errno
import math
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from harness.errors import first_line
from harness.machine.meter import Meter
from harness.machine.oom import ran_out_of_memory
from harness.training import sealed
from harness.training.ranks import Ranks
from harness.training.sealed import DamagedError
from harness.training.trainer import Emit, Trainer

CHECKPOINT = "checkpoint.pt"
"""The last checkpoint of a run that is not done."""

BEFORE = "checkpoint-before.pt"
"""The one before it."""

BAD = "checkpoint-bad.pt"
"""The last that was set aside."""

SUCCESSOR = "successor.pt"
"""The checkpoint from which the next run of a chain resumes."""

GENERATIONS = 3
"""Checkpoints that the disk must have room for: two, and the one that is being written."""


class Checkpoints:
    """Saves and restores a run.

    Attributes:
        resumed: Whether the run was resumed.
    """

    def __init__(self, folder: Path, key: str, trainer: Trainer, meter: Meter, *, started: float, emit: Emit) -> None:
        """Look at nothing yet.

        Args:
            folder: Where the files are.
            key: Of the run: a checkpoint of another one is set aside.
            trainer: What is saved and restored, together with
            meter: what it has seen of the device.
            started: When this process began with the run, by `time.perf_counter`.
            emit: Takes a line for a person where something is wrong.
        """
        self.trainer = trainer
        self._path, self._before_path, self._new = folder / CHECKPOINT, folder / BEFORE, folder / "checkpoint-new.pt"
        self._key, self._meter, self._emit = key, meter, emit
        self._started, self._before = started, 0.0
        self._said = ""
        self._processes = 1
        self.resumed = False

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken so far, in earlier processes too."""
        return self._before + time.perf_counter() - self._started

    def resume(self, anew: Callable[[], Trainer], ranks: Ranks | None = None) -> Trainer:
        """Restore the run from its newest checkpoint that can be used, if there is one.

        Args:
            anew: Makes a trainer at the start of the run, for after a checkpoint that did not fit.
            ranks: The processes of the run, which restore what their leader could; None for this one alone.

        Returns:
            The trainer, restored or at its start.
        """
        paths = (None, self._path, self._before_path)
        if ranks is None:
            return self._resume(anew)[0]
        self._processes = ranks.count
        used = None
        if ranks.leads:
            self.trainer, used = self._resume(anew)
        path = paths[int(ranks.of_leader(paths.index(used)))]
        if path is not None and not ranks.leads:
            self._restore(sealed.read(path))
        ranks.totals(0)  # nothing is written before all have read it
        return self.trainer

    def _resume(self, anew: Callable[[], Trainer]) -> tuple[Trainer, Path | None]:
        """Return the trainer, and the checkpoint that it was restored from, if any."""
        for unfinished in (self._new, sealed.part_of(self._new)):
            sealed.remove(unfinished)
        for path in (self._path, self._before_path):
            try:
                self._restore(sealed.read(path))
            except FileNotFoundError:
                continue
            except Exception as error:  # whatever a state that does not fit raises
                if ran_out_of_memory(error):
                    raise
                self._set_aside(path, error)
                self.trainer = anew()
            else:
                self.resumed = True
                return self.trainer, path
        return self.trainer, None

    def check_room(self) -> None:
        """Say so if the disk has too little room for checkpoints."""
        size, optimizer = self._size(self._state(self._key)), self.trainer.optimizer
        if not optimizer.state:  # momentum comes with the first step
            size += sum(parameter.nbytes for group in optimizer.param_groups for parameter in group["params"])
        needed, free = GENERATIONS * size, _free(self._path.parent)
        if free < needed:
            self._say(f"checkpoints take up to {_mb(needed)} in {self._path.parent}, whose disk has {_mb(free)} left")

    def save(self) -> bool:
        """Save the run; return whether that worked."""
        return self._save(self._key, self._path)

    def save_for(self, successor: str) -> bool:
        """Save the run for another one, of the key ``successor``, to resume from; return whether that worked."""
        return self._save(successor, self._path.with_name(SUCCESSOR))

    def discard(self) -> None:
        """Remove the run's checkpoints."""
        for path in (self._path, self._before_path):
            sealed.remove(path)

    def _state(self, key: str) -> dict[str, Any]:
        clocks = self._meter.clocks.state_dict()
        state = {"key": key, "elapsed": self.elapsed, "clocks": clocks, "trainer": self.trainer.state_dict()}
        return state if self._processes == 1 else {**state, "nproc": self._processes}

    def _restore(self, state: Any) -> None:
        if not isinstance(state, dict) or not isinstance(state.get("trainer"), dict):
            raise DamagedError("not a checkpoint")
        if (found := state.get("nproc", 1)) != self._processes:
            raise DamagedError(f"of a run with nproc={found}, this one has nproc={self._processes}")
        if state.get("key") != self._key:
            raise DamagedError("of another run")
        elapsed = float(state["elapsed"])
        if not 0 <= elapsed < math.inf:
            raise DamagedError(f"it says that it took {elapsed} seconds")
        self.trainer.load_state_dict(state["trainer"])
        self._meter.clocks.load_state_dict(state["clocks"])
        self._before = elapsed

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Rename a checkpoint that cannot be used, so that it can be looked at and is not tried again."""
        aside = path.with_name(BAD)
        try:
            if aside.is_dir() and not aside.is_symlink():
                shutil.rmtree(aside)
            else:
                aside.unlink(missing_ok=True)
            path.rename(aside)
        except OSError as problem:
            self._say(f"{path.name} cannot be set aside: {problem.strerror}")
        older = path == self._path and self._before_path.exists()
        then = f"trying {BEFORE}" if older else "beginning anew"
        reason = str(error) if isinstance(error, DamagedError) else f"does not fit: {first_line(error)}"
        self._say(f"{path.name} cannot be used ({reason}): set aside as {BAD}, {then}")

    def _save(self, key: str, path: Path) -> bool:
        try:
            state = self._state(key)
            self._make_room(self._size(state))
            if path == self._path:
                self._write_generation(state)
            else:
                sealed.write(state, path)
        # A state that cannot be stored raises errors of pickle, torch or the disk; none is a reason to stop training.
        except (OSError, RuntimeError, TypeError, ValueError, AttributeError, pickle.PicklingError) as error:
            if ran_out_of_memory(error):
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
            line = f"no checkpoint could be written ({reason}); training continues"
            if line != self._said:  # once, not every minute
                self._said = line
                self._say(line)
            return False
        self._said = ""
        return True

    def _say(self, text: str) -> None:
        self._emit({"event": "log", "text": text})

    def _write_generation(self, state: dict[str, Any]) -> None:
        """Write the new checkpoint first and only then let the last one become the one before."""
        sealed.write(state, self._new)
        if self._path.is_file():
            os.replace(self._path, self._before_path)
        os.replace(self._new, self._path)
        sealed.sync_folder(self._path.parent)

    def _make_room(self, size: int) -> None:
        """Give the older checkpoint up for the new one if there is no room for both.

        Raises:
            OSError: Even then there is none; nothing was written, so that the disk is not filled for nothing.
        """
        folder = self._path.parent
        if _free(folder) >= size:
            return
        if self._path.is_file() and self._before_path.is_file():
            self._before_path.unlink()
        if _free(folder) < size:
            raise OSError(errno.ENOSPC, f"{_mb(size)} are needed, {_mb(_free(folder))} are left")

    def _size(self, state: dict[str, Any]) -> int:
        """Return about how many bytes a checkpoint takes."""
        tensors = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in _tensors(state)}
        return int(1.02 * sum(tensors.values())) + 1024 * len(tensors) + 8192


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _free(folder: Path) -> float:
    """Return the bytes that are left on a folder's disk; infinite where that cannot be known."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return math.inf


def _mb(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"
