"""Runs on machines that share no folder with this one: what is sent there, and what comes back.

Whoever submits owns such a run, keeps its checkpoint and publishes its record, as it does for a run of its own; only
the runner is elsewhere. `Distant` is that runner, as seen from here: it sends the request, the checkpoint if there is
one, and the files of plug-ins as one `Parcel` of plain data; `train` takes it there. What the run leaves in its folder
comes back into the folder of the run here, where `harness.executors.execute` does the rest.
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import places
from harness.errors import UsageError, first_line
from harness.executors.base import Event
from harness.executors.batch import packed, unpacked
from harness.executors.engine import Chain
from harness.executors.local import LocalExecutor
from harness.plan.planned import Planned
from harness.records.ending import Ending, RefusedError
from harness.records.store import write_atomic
from harness.runners.base import Choice, OnEvent

REQUEST, RECORD = "request.json", "record.json"

Files = dict[str, bytes]
"""Contents by path in the folder of a run."""


@dataclass(frozen=True)
class Parcel:
    """What is sent to train a run.

    Attributes:
        run: As `harness.executors.batch.packed` returns it.
        request: What the worker of the run reads.
        plugins: The files of plug-ins, by group: name and content.
        files: Those of the run's folder, its checkpoint among them.
    """

    run: dict[str, Any]
    request: dict[str, Any]
    plugins: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What comes back.

    Attributes:
        ending: How the run ended; None if it could not be trained there.
        refused: Whether nothing that it left may be published: its record holds the ending and no more.
        why: Why it could not be trained there, in a line; else None.
        files: What it left in its folder.
    """

    ending: Ending | None
    refused: bool = False
    why: str | None = None
    files: Files = field(default_factory=dict)


Send = Callable[[Planned, Parcel, OnEvent], Answer]
"""Has a parcel trained elsewhere, passing events on. If that raises `KeyboardInterrupt`, the run is stopped at a
checkpoint, and the answer is waited for."""


class Distant:
    """Trains requests elsewhere; see `harness.runners.base.Runner`."""

    def __init__(self, planned: Planned, send: Send) -> None:
        """Stand for the runner that a run was planned with.

        Args:
            planned: The run.
            send: Brings its parcel to where it is trained.
        """
        runner = planned.choice.runner
        self.name, self.image, self.workplace = runner.name, runner.image, runner.workplace
        self._planned, self._send = planned, send

    def run(self, request: Path, folder: Path, limits: Any, on_event: OnEvent, log: Path) -> Ending:
        """Train a request; see `harness.runners.base.Runner.run`. Limits are those of the run's settings."""
        run = packed(self._planned)
        run["settings"]["runner"]["name"] = self.name
        plugins = {group: _file(text) for group, text in self._planned.run.plugins.items()}
        parcel = Parcel(run, json.loads(request.read_text()), plugins, _read(folder))
        answer = self._send(self._planned, parcel, on_event)
        _write(folder, {name: content for name, content in answer.files.items() if name != REQUEST})
        if answer.ending is None:
            raise UsageError(answer.why or "it could not be trained")
        if answer.refused:
            raise RefusedError(answer.ending.status or "failed", answer.ending.reason or "")
        return answer.ending


def distant(planned: Planned, send: Send) -> Planned:
    """Return a run that is trained elsewhere.

    Args:
        planned: The run.
        send: Brings its parcel there.
    """
    return replace(planned, choice=Choice(Distant(planned, send), planned.choice.why))


def train(parcel: Parcel, on_event: OnEvent) -> Answer:
    """Train what was sent, in a folder of its own that is removed afterwards.

    Args:
        parcel: What was sent.
        on_event: Takes the run's events; if it raises `KeyboardInterrupt`, the run stops at a checkpoint.
    """
    with tempfile.TemporaryDirectory(prefix="sparsebench-") as scratch:
        try:
            planned = _planned(parcel, scratch)
            folder = planned.folder
            _write(folder, parcel.files)
            runner, limits = planned.choice.runner, planned.run.runner
            request = dict(parcel.request, plugins=planned.run.plugins)
            request["config"] = request["config"] | {"dataset": parcel.run["settings"]["dataset"]}
            request["provenance"] = request["provenance"] | planned.choice.provenance
            path = folder / REQUEST
            write_atomic(path, json.dumps(request, indent=1))
            refused = False
            try:
                ending = runner.run(path, folder, limits, on_event, folder / "log.txt")
            except RefusedError as error:
                refused, ending = True, Ending(error.status, error.reason)
            return Answer(ending, refused, files=_left(folder))
        except UsageError as error:
            return Answer(None, why=str(error))
        except OSError as error:  # a full disk there, for example: another machine may be tried
            why = f"on {platform.node()}: {error.strerror or first_line(error)}"
            return Answer(Ending("failed", why), refused=True)


def _planned(parcel: Parcel, scratch: str) -> Planned:
    """Plan the run anew.

    Raises:
        UsageError: It is another run here, or cannot be trained here.
    """
    run = dict(parcel.run, settings=dict(parcel.run["settings"], output=scratch))
    run["plugins"] = {group: _kept(text, parcel.plugins[group]) for group, text in run["plugins"].items()}
    ((planned,),) = unpacked([[run]])
    return planned


def _file(text: str) -> tuple[str, str]:
    path = Path(text.rpartition(":")[0])
    return path.name, path.read_text()


def _kept(text: str, file: tuple[str, str]) -> str:
    """Keep the file of a plug-in where each run of this machine finds it, so that it is imported once; name it."""
    name, content = file
    path = places.cache() / "plugins" / hashlib.sha256(content.encode()).hexdigest() / os.path.basename(name)
    if not path.is_file() or path.read_text() != content:
        write_atomic(path, content)
    return f"{path}:{text.rpartition(':')[2]}"


def _left(folder: Path) -> Files:
    """Return what a run left; not the checkpoints of one that is done."""
    files = _read(folder)
    try:
        done = json.loads(files[RECORD])["status"] == "done"
    except (KeyError, ValueError, TypeError):
        done = False
    return {name: content for name, content in files.items() if not (done and "checkpoint" in os.path.basename(name))}


def _read(folder: Path) -> Files:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def _write(folder: Path, files: Files) -> None:
    """Write files into a folder.

    Raises:
        UsageError: One would lie outside it.
    """
    for name, content in files.items():
        path = folder / name
        if os.path.isabs(name) or ".." in path.parts:
            raise UsageError(f"{name!r} came back and does not lie in the folder of a run")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        os.replace(part, path)


class Apart:
    """An executor (`harness.executors.base.Executor`) whose runs are trained elsewhere, owned and published here."""

    def __init__(
        self,
        local: Callable[[Sequence[Chain]], LocalExecutor],
        distant: Callable[[Planned], Planned],
        close: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            local: Makes what follows the runs here, for those that were submitted.
            distant: Returns a run with the runner that has it trained elsewhere (`distant`).
            close: Called when all runs have ended.
        """
        self._make, self._distant, self._close = local, distant, close
        self._runs: dict[str, Planned] = {}
        self._local: LocalExecutor | None = None

    def submit(self, chains: Sequence[Chain]) -> None:
        """See `harness.executors.base.Executor.submit`."""
        try:
            self._local = self._make(chains)
        except UsageError:
            self._close()
            raise
        self._runs = {planned.key: planned for chain in chains for planned in chain}
        self._local.submit([[self._distant(planned) for planned in chain] for chain in chains])

    def events(self) -> Iterator[Event]:
        """See `harness.executors.base.Executor.events`."""
        assert self._local is not None
        try:
            for event in self._local.events():
                yield replace(event, planned=self._runs[event.planned.key])
        except UsageError:
            self._close()
            raise
        self._close()

    def cancel(self) -> None:
        """See `harness.executors.base.Executor.cancel`."""
        if self._local is not None:
            self._local.cancel()
