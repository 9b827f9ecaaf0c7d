"""Runs of the kit that need a process of their own: ``python -m harness.conformance.child TASK FOLDER``.

``resume`` continues from ``state.pt``; ``blind`` trains on what ``tape.pt`` holds, without data. Both leave the state
of the trainer at the end in ``TASK-end.pt``, or in ``TASK-error.txt`` a line that says why there is none.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from harness.config import from_dict, to_dict
from harness.conformance.errors import ConformanceError, reason
from harness.conformance.subject import Subject, subject
from harness.conformance.tape import Player, Tape, playing
from harness.conformance.trained import begin, settled, train
from harness.errors import first_line
from harness.plan.planned import Planned
from harness.training.prepare import prepare
from harness.training.trainer import Trainer

_CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")
_LEAVES = ("socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")


def run(task: str, of: Subject, sparsity: str, folder: Path) -> dict[str, Any]:
    """Carry out a task in a process of its own and return the state of the trainer at its end.

    Args:
        task: ``"resume"`` or ``"blind"``.
        of: What is examined.
        sparsity: Of the run.
        folder: Holds what the task needs.

    Raises:
        ConformanceError: The run could not be trained there.
    """
    what = {"group": of.group, "text": of.text, "overrides": of.overrides, "sparsity": sparsity}
    (folder / "task.json").write_text(json.dumps(what))
    # Hashes of strings are others than here, so that an order that depends on them is found.
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "harness.conformance.child", task, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    error = folder / f"{task}-error.txt"
    if error.exists():
        raise ConformanceError(error.read_text())
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ConformanceError(f"its process ended early: {said[:300]}")
    state: dict[str, Any] = torch.load(folder / f"{task}-end.pt", weights_only=True)
    return state


def main() -> int:
    """Carry out the task named on the command line."""
    task, folder = sys.argv[1], Path(sys.argv[2])
    what = json.loads((folder / "task.json").read_text())
    examined = None
    try:
        if task == "blind":
            _load_without_files(what)
        examined = subject(what["group"], what["text"], tuple(what["overrides"]))
        planned = examined.planned(what["sparsity"], str(folder / "output"))
        with settled(planned.run):
            trainer = _resumed(planned, folder) if task == "resume" else _blind(planned, folder)
            state = trainer.state_dict()  # with the generators as they are now
    except Exception as error:  # whatever a stranger's code raises
        file = examined.file if examined else ""
        said = first_line(error) if isinstance(error, PermissionError) else reason(error, file)
        (folder / f"{task}-error.txt").write_text(said)
        return 1
    torch.save(state, folder / f"{task}-end.pt")
    return 0


def _resumed(planned: Planned, folder: Path) -> Trainer:
    trainer, _, _ = begin(planned)
    trainer.load_state_dict(torch.load(folder / "state.pt", weights_only=True))
    return train(trainer)


def _blind(planned: Planned, folder: Path) -> Trainer:
    """Train without data; whatever the hooks of the method open or start ends it."""
    tape = Tape(**torch.load(folder / "tape.pt", weights_only=True))
    run = from_dict(to_dict(planned.run))
    task = prepare(run)
    with playing(tape), _no_files():
        return train(Player(run, task, tape))


def _load_without_files(what: dict[str, Any]) -> None:
    """Import the file or module that is examined where it can read no file but code."""
    from harness import plugins
    from methods import registry

    registry.methods()
    of = Subject(what["group"], what["text"])
    with _no_files():
        if of.text.partition(":")[0].endswith(".py"):
            plugins.load(of.group, of.text)
        of.load()


_closed: list[bool] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _closed:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.fsdecode(arguments[0])
        if not path.endswith(_CODE):
            raise PermissionError(f"its code opens {path}")
    elif event.startswith(_LEAVES):
        raise PermissionError(f"its code calls {event}")


@contextmanager
def _no_files() -> Iterator[None]:
    """Let nothing be opened but code, and no process or connection be started."""
    if not hasattr(_audit, "hooked"):
        sys.addaudithook(_audit)
        _audit.hooked = True  # type: ignore[attr-defined]
    _closed.append(True)
    try:
        yield
    finally:
        _closed.clear()


if __name__ == "__main__":
    sys.exit(main())
