"""What the container tests share: the engine, the verified image, and runs of a given program inside it.

Without an engine, or without the image, these tests skip and say why. Where SPARSEBENCH_REQUIRE_ENGINE is set, as in
CI, they fail instead, so that a run that tested nothing cannot pass.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness import config
from harness.containers.content import SUITE, ImageError, ImageFiles
from harness.containers.engine import NoEngineError, connect
from harness.containers.image import verify
from harness.executors.execute import execute
from harness.plan.planned import plan
from harness.runners.base import Choice
from harness.runners.docker import WORKER, DockerRunner

QUICK = ["method=static", "dataset=digits", "budget=steps:40", "device=cpu", "evaluations=2"]


def _missing(reason):
    if os.environ.get("SPARSEBENCH_REQUIRE_ENGINE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine():
    try:
        return connect()
    except NoEngineError as error:
        return _missing(str(error))


@pytest.fixture(scope="session")
def image(engine):
    try:
        return verify(engine, ImageFiles(SUITE))
    except ImageError as error:
        return _missing(str(error))


@dataclass
class Lab:
    """Runs in containers, with their records in a folder of the test's own."""

    engine: Any
    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    def run(self, *overrides, program=None):
        """Execute a run whose inside is ``program`` (Python source), or the real worker, and return the record."""
        (planned,) = plan([config.resolve([*QUICK, f"output={self.folder}", "runner=docker", *overrides])])
        command = ["python", "-c", program] if program else WORKER
        choice = Choice(DockerRunner(self.engine, command=command))
        return execute(replace(planned, choice=choice), self.events.append).record

    def log(self):
        return "".join(path.read_text() for path in self.folder.glob("runs/*/log.txt"))

    def containers(self):
        """Names of the containers that this process has left in the engine."""
        own = f":{os.getpid()}:"
        everything = self.engine.containers.list(
            all=True, filters={"label": "org.sparsebench.run"}, ignore_removed=True
        )
        return [c.name for c in everything if own in c.labels.get("org.sparsebench.process", "")]


@pytest.fixture
def lab(engine, image, tmp_path):
    lab = Lab(engine, tmp_path)
    yield lab
    assert lab.containers() == []
