"""Trackio: ``trackio=PROJECT``, a database on this machine; ``TRACKIO_DIR`` says where."""

import warnings

import trackio
from trackio.run import Run
from trackio.sqlite_storage import SQLiteStorage

from harness.exporters.base import About, Values

_WARNINGS: list[str] = []
"""What the library has said: it warns, in threads of its own, where it could not write."""


class Tracker:
    """See `harness.exporters.base.Tracker`."""

    def __init__(self, where: str) -> None:
        """Prepare.

        Args:
            where: A project.
        """
        self._project = where
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: _WARNINGS.append(str(message))

    def start(self, about: About) -> "Tracked":
        """See `harness.exporters.base.Tracker`."""
        last = SQLiteStorage.get_max_step_for_run(self._project, about.name)
        logs = [] if last is None else SQLiteStorage.get_logs(self._project, about.name)
        _WARNINGS.clear()
        run = trackio.init(
            project=self._project,
            name=about.name,
            group=about.group,
            config={**about.settings, "key": about.key},
            resume="allow",
            embed=False,
            # The run is somewhere else: what this process does says nothing of it.
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        ended = [each["status"] for each in logs if "status" in each]
        return Tracked(run, -1 if last is None else last, ended[-1] if ended else "")


class Tracked:
    """See `harness.exporters.base.Tracked`."""

    def __init__(self, run: Run, last: int, ended: str) -> None:
        """Take a run of the library."""
        self._run = run
        self.last, self.ended = last, ended

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.log(dict(values), step=step)
        _raise_what_was_said()

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        if status != "interrupted":
            self._run.log({**results, "status": status}, step=step)
        self.close()

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.finish()
        _raise_what_was_said()


def _raise_what_was_said() -> None:
    """Raise what the library only warns of.

    Raises:
        OSError: It could not store something.
    """
    said = [text for text in _WARNINGS if "trackio" in text.lower() or "flush" in text]
    _WARNINGS.clear()
    if said:
        raise OSError(said[0])
