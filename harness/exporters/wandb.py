"""Weights & Biases: ``wandb=PROJECT`` or ``wandb=ENTITY/PROJECT``.

``WANDB_MODE=offline``, ``WANDB_DIR`` and the other variables of the library hold.
"""

import wandb

from harness.exporters.base import About, Values

SECONDS = 30.0
"""How long the server may take to answer at the start of a run."""


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
        """
        run = wandb.init(
            entity=self._entity,
            project=self._project,
            id=about.key,
            name=about.name,
            group=about.group,
            config={**about.settings, "key": about.key},
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                # The run is somewhere else: what this process does says nothing of it.
                x_disable_stats=True,
                x_disable_meta=True,
                disable_git=True,
                disable_code=True,
                console="off",
                silent=True,
                init_timeout=SECONDS,
            ),
        )
        return Tracked(run)


class Tracked:
    """See `harness.exporters.base.Tracked`."""

    def __init__(self, run: wandb.Run) -> None:
        """Take a run of the library, new or resumed."""
        self._run = run
        self.last = run.step - 1 if run.resumed else -1
        self.ended = str(run.summary.get("status") or "") if run.resumed else ""

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.log(dict(values), step=step, commit=True)

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.summary.update({**results, "status": status})
        self._run.finish(exit_code=0 if status == "done" else 1)

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""
        self._run.finish(exit_code=0 if self.ended == "done" else 1)
