"""Weights & Biases: ``wandb=PROJECT`` or ``wandb=ENTITY/PROJECT``.

``WANDB_MODE=offline``, ``WANDB_DIR`` and the other variables of the library hold. A server knows how far a run is; of
runs that are kept offline a file beside them says it.
"""

import errno
import json
import os
from functools import cached_property
from pathlib import Path

import wandb

from harness.exporters.base import About, Values

SECONDS = 30.0
"""How long the server may take to answer at the start of a run."""

MARK = "sparsebench.json"
"""In the folder of an offline run: the last step, and the status it has ended with."""


class Tracker:
    """See `harness.exporters.base.Tracker`."""

    def __init__(self, where: str) -> None:
        """Prepare.

        Args:
            where: A project, or an entity and a project.
        """
        entity, _, self._project = where.rpartition("/")
        self._entity = entity or None

    def start(self, about: About) -> "Tracked":
        """See `harness.exporters.base.Tracker`.

        Raises:
            wandb.errors.Error: Nobody is logged in, or the server refuses or does not answer.
            OSError: The folder of offline runs cannot be written to.
        """
        settings = wandb.setup().settings
        if settings.mode == "online":
            return Online(self._project, self._entity, about)
        folder = Path(settings.wandb_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):  # the library would silently keep runs in /tmp instead
            raise PermissionError(errno.EACCES, "is not writable", str(folder))
        return Offline(self._project, self._entity, about, folder)


class Tracked:
    """See `harness.exporters.base.Tracked`."""

    last = -1
    ended = ""

    def __init__(self, project: str, entity: str | None, about: About) -> None:
        """Prepare; a run of the library is made when it is first needed."""
        self._project, self._entity, self._about = project, entity, about

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.log(dict(values), step=step, commit=True)

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.summary.update({**results, "status": status})
        self._run.finish(exit_code=0 if status == "done" else 1)

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""
        if "_run" in self.__dict__:
            self._run.finish(exit_code=0 if self.ended == "done" else 1)

    @cached_property
    def _run(self) -> wandb.Run:
        return wandb.init(
            entity=self._entity,
            project=self._project,
            id=self._about.key,
            name=self._about.name,
            group=self._about.group,
            config={**self._about.settings, "key": self._about.key},
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                # The run is somewhere else: what this process does, and where, says nothing of it.
                x_disable_stats=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
                disable_git=True,
                disable_code=True,
                console="off",
                silent=True,
                init_timeout=SECONDS,
            ),
        )


class Online(Tracked):
    """A run on a server."""

    def __init__(self, project: str, entity: str | None, about: About) -> None:
        """Open the run, and see how far it is."""
        super().__init__(project, entity, about)
        if self._run.resumed:
            self.last = self._run.step - 1
            self.ended = str(self._run.summary.get("status") or "")


class Offline(Tracked):
    """A run that is kept on this machine until ``wandb sync`` uploads it; each start makes a folder of its own."""

    def __init__(self, project: str, entity: str | None, about: About, folder: Path) -> None:
        """Look for what earlier starts have left.

        Args:
            project: Of the run.
            entity: Of the project; None for the default one.
            about: The run.
            folder: Where the library keeps its runs.
        """
        super().__init__(project, entity, about)
        for path in sorted(folder.glob(f"offline-run-*-{about.key}/{MARK}")):
            told = json.loads(path.read_text())
            self.last, self.ended = max(self.last, told["step"]), told["status"]

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        super().point(step, values)
        self._mark(step, "")

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        super().end(status, step, results)
        self._mark(step, status)

    def _mark(self, step: int, status: str) -> None:
        path = Path(self._run.dir).parent / MARK
        path.write_text(json.dumps({"step": step, "status": status}))
