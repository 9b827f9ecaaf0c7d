"""TensorBoard: event files in ``DIR/ROW/KEY``."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from harness.exporters.base import About, Values

_VERSION = "brain.Event:2"
"""What the first event of a file says of its format."""

_STATUS = "status/"
"""Begins the tag that says how a run has ended; it is the last of its file."""


class Tracker:
    """See `harness.exporters.base.Tracker`; ``where`` is the folder that ``tensorboard --logdir`` takes."""

    def __init__(self, where: str) -> None:
        """See `harness.exporters.base.Tracker`."""
        self._folder = Path(where)

    def start(self, about: About) -> "Tracked":
        """See `harness.exporters.base.Tracker`."""
        return Tracked(self._folder / about.group / about.key, about)


class Tracked:
    """See `harness.exporters.base.Tracked`.

    TensorBoard reads all files of a folder. A run that is resumed adds one, which begins by taking back the points from
    its first step on; the steps between checkpoint and interruption are thus not doubled.
    """

    last = -1

    def __init__(self, folder: Path, about: About) -> None:
        """Prepare; the file is made with the first point, whose step it begins with.

        Args:
            folder: Of this run.
            about: The run.
        """
        self._folder, self._about = folder, about
        self.ended = _ended(folder)
        self._file: _File | None = None

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._open(step).add(step, Summary(value=[_scalar(name, value) for name, value in values.items()]))

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        if status != "interrupted":  # of several ends TensorBoard would show the first
            file = self._open(step)
            file.add(step, Summary(value=[_scalar(f"results/{name}", value) for name, value in results.items()]))
            file.add(0, _session_end(Status.STATUS_SUCCESS if status == "done" else Status.STATUS_FAILURE))
            file.add(step, Summary(value=[_scalar(f"{_STATUS}{status}", 1.0)]))
        self.close()

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""
        if self._file is not None:
            self._file.close()

    def _open(self, step: int) -> "_File":
        if self._file is None:
            self._file = _File(self._folder, step)
            self._file.add(0, hparams_pb({**self._about.settings, "key": self._about.key, "row": self._about.group}))
        return self._file


class _File:
    """An event file, written at once: what a full disk does not take is an error here, not in a thread of a library."""

    _numbers = itertools.count()

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The names sort as they were made, and say no host.
        name = f"events.out.tfevents.{time.time_ns():020d}.{os.getpid()}.{next(self._numbers)}"
        self._writer = RecordWriter((folder / name).open("wb"))
        self._write(Event(wall_time=time.time(), file_version=_VERSION))
        self._write(Event(wall_time=time.time(), step=step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, summary: Summary) -> None:
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        self._writer.close()

    def _write(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()


def _scalar(name: str, value: float) -> Summary.Value:
    return Summary.Value(tag=name, simple_value=value)


def _session_end(status: int) -> Summary:
    """Return what the page of hyper-parameters reads; the library's own function for it needs TensorFlow."""
    ended = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
    about = metadata.create_summary_metadata(ended)
    return Summary(
        value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)]
    )


def _ended(folder: Path) -> str:
    """Return the status that the last file of a run ends with; empty if it does not end."""
    files = sorted(folder.glob("events.out.tfevents.*")) if folder.is_dir() else []
    last = list(_tags(files[-1]))[-1:] if files else []
    return last[0].removeprefix(_STATUS) if last and last[0].startswith(_STATUS) else ""


def _tags(path: Path) -> Iterator[str]:
    for event in LegacyEventFileLoader(str(path)).Load():
        yield from (value.tag for value in event.summary.value)
