"""Runs in containers are exported like local ones, from outside the wall."""

import pytest

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")

from trackers import curve, near, place, read

from harness import config
from harness.cli import follow
from harness.executors.local import LocalExecutor
from harness.exporters.callback import CURVE
from harness.plan.planned import plan

pytestmark = pytest.mark.docker
QUICK = ["method=static", "dataset=digits", "budget=steps:40", "device=cpu", "evaluations=2", "runner=docker"]


def test_a_container_is_exported_and_knows_nothing_of_it(image, tmp_path):
    where = f"tensorboard={tmp_path / 'tb'}"
    (run,) = plan([config.resolve([*QUICK, f"output={tmp_path / 'out'}", where])])
    (ended,) = follow.follow(LocalExecutor(), [run], [[run]])
    assert (ended.status, ended.record["runner"]) == ("done", "docker")
    assert not {"tensorboard", "wandb", "mlflow", "trackio"} & ended.record["config"].keys()
    scalars = read(place(tmp_path / "tb", run))
    for step, values in curve(ended.record).items():
        assert {name: scalars[name][step] for name in CURVE} == near(values)
    assert "status/done" in scalars
