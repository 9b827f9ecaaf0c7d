"""Trackio: ``trackio=PROJECT``, a database on this machine; ``TRACKIO_DIR`` says where."""

import trackio

from harness.exporters.base import About, Values


class Tracker:
    """See `harness.exporters.base.Tracker`."""

    def __init__(self, where: str) -> None:
        """Prepare.

        Args:
            where: A project.
        """
        self._project = where

    def start(self, about: About) -> "Tracked":
        """See `harness.exporters.base.Tracker`."""
        run = trackio.init(
            project=self._project,
            name=about.name,
            group=about.group,
            config={**about.settings, "key": about.key},
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return Tracked(run, last, ended)


class Tracked:
    """See `harness.exporters.base.Tracked`."""

    def __init__(self, run: trackio.Run, last: int, ended: str) -> None:
        """Take a run of the library."""
        self._run = run
        self.last, self.ended = last, ended

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.log(dict(values), step=step)

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.log({**results, "status": status}, step=step)
        self._run.finish()

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.finish()
