"""MLflow: ``mlflow=FOLDER``, or the address of a tracking server or database, ``mlflow=http://HOST:5000``.

``MLFLOW_EXPERIMENT_NAME``, ``MLFLOW_TRACKING_TOKEN`` and the other variables of the library hold.
"""

import os
import re
import time
from pathlib import Path

# They are read when the library is imported. A folder is used only by who names one.
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag

from harness.exporters.base import About, Values

EXPERIMENT = "sparsebench"
"""Where runs go unless ``MLFLOW_EXPERIMENT_NAME`` names another experiment."""

KEY, ROW, STATUS = "sparsebench.key", "sparsebench.row", "sparsebench.status"
"""Tags of a run."""

_LOSS = "train_loss"  # every point has one
_BATCH = 100  # what a server takes in one request
_LONGEST = 500  # characters of a parameter


class Tracker:
    """See `harness.exporters.base.Tracker`."""

    def __init__(self, where: str) -> None:
        """Prepare.

        Args:
            where: A folder or a tracking URI.
        """
        is_address = "://" in where or where == "databricks"
        self._client = MlflowClient(where if is_address else Path(where).resolve().as_uri())

    def start(self, about: About) -> "Tracked":
        """See `harness.exporters.base.Tracker`.

        Raises:
            mlflow.exceptions.MlflowException: The server refuses or does not answer.
        """
        experiment = self._experiment()
        found = self._client.search_runs([experiment], f"tags.`{KEY}` = '{about.key}'", max_results=1)
        if found:
            points = self._client.get_metric_history(found[0].info.run_id, _LOSS)
            last = max((point.step for point in points), default=-1)
            return Tracked(self._client, found[0].info.run_id, last, found[0].data.tags.get(STATUS, ""))
        run = self._client.create_run(experiment, tags={KEY: about.key, ROW: about.group}, run_name=about.name)
        settings = [Param(_plain(name), str(value)[:_LONGEST]) for name, value in about.settings.items()]
        for at in range(0, len(settings), _BATCH):
            self._client.log_batch(run.info.run_id, params=settings[at : at + _BATCH])
        return Tracked(self._client, run.info.run_id)

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name)


class Tracked:
    """See `harness.exporters.base.Tracked`."""

    def __init__(self, client: MlflowClient, run: str, last: int = -1, ended: str = "") -> None:
        """Take a run by its ID in MLflow."""
        self._client, self._run = client, run
        self.last, self.ended = last, ended
        self._goes_on = not ended

    def point(self, step: int, values: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        if not self._goes_on:
            self._client.update_run(self._run, status=RunStatus.to_string(RunStatus.RUNNING))
            self._goes_on = True
        now = int(1000 * time.time())
        metrics = [Metric(_plain(name), value, now, step) for name, value in values.items()]
        for at in range(0, len(metrics), _BATCH):
            self._client.log_batch(self._run, metrics=metrics[at : at + _BATCH])

    def end(self, status: str, step: int, results: Values) -> None:
        """See `harness.exporters.base.Tracked`."""
        self.point(step, results)
        self._client.log_batch(self._run, tags=[RunTag(STATUS, status)])
        ended = {"done": RunStatus.FINISHED, "interrupted": RunStatus.KILLED}.get(status, RunStatus.FAILED)
        self._client.set_terminated(self._run, RunStatus.to_string(ended))

    def close(self) -> None:
        """See `harness.exporters.base.Tracked`."""


def _plain(name: str) -> str:
    """Return a name that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name)
