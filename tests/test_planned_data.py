"""A run trains on the data that it was planned with, or says that they are others."""

import numpy as np
import pytest

from harness import config
from harness.errors import UsageError
from harness.executors.execute import execute
from harness.plan.planned import plan
from harness.tasks import data

pytestmark = pytest.mark.usefixtures("forgotten")

HEADER = """
import numpy as np
import sparsebench as sb
import torch
from torch.nn import functional as F

class Base(sb.Task):
    def loss(self, outputs, targets):
        return F.mse_loss(outputs, targets)

"""
DRAWN = """
def parts(draw):
    inputs = draw((60, 4))
    return inputs[:40], inputs[:40, :1], inputs[40:], inputs[40:, :1]

class Seeded(Base):
    def data(self):
        return parts(lambda shape: np.random.default_rng(0).normal(size=shape))

class Unseeded(Base):
    def data(self):
        return parts(lambda shape: np.random.default_rng().normal(size=shape))

class Global(Base):
    def data(self):
        return parts(lambda shape: np.random.normal(size=shape))

class Stored(Base):
    def data(self, folder):
        return parts(lambda shape: np.load(folder / "inputs.npy"))
"""
SETTINGS = ("model=mlp", "recipe=tabular", "method=static", "sparsity=0.5", "budget=steps:2", "evaluations=1")
REFUSED = "differ from those that the run was planned with"


@pytest.fixture
def ready(tmp_path):
    """Plan a run of a task of `DRAWN`."""

    def of(task, *more, runner="local"):
        path = tmp_path / "mine.py"
        path.write_text(HEADER + DRAWN)
        where = (f"runner={runner}", f"output={tmp_path}/results")
        given = [f"dataset={path}:{task}", *SETTINGS, "device=cpu", *where]
        (planned,) = plan([config.resolve([*given, *more])])
        return planned

    return of


def ended(planned):
    record = execute(planned, lambda event: None).record
    return record["status"], record["reason"]


def test_data_that_are_the_same_each_time_are_trained_on(ready):
    assert ended(ready("Seeded")) == ("done", None)


@pytest.mark.parametrize("task", ["Unseeded", "Global"])
def test_data_that_are_drawn_anew_are_refused_by_name(ready, task):
    status, reason = ended(ready(task))
    assert status == "failed"
    assert f"the data of {task} {REFUSED}: what makes them is not deterministic" in reason


def test_data_that_change_on_disk_between_plan_and_training_are_refused(ready, tmp_path):
    np.save(tmp_path / "inputs.npy", np.zeros((60, 4)))
    planned = ready("Stored", f"dataset.root={tmp_path}")
    np.save(tmp_path / "inputs.npy", np.ones((60, 4)))
    status, reason = ended(planned)
    assert status == "failed"
    assert f"the data of Stored {REFUSED}" in reason


def test_data_that_are_drawn_anew_in_a_container_are_refused(ready):
    from harness.containers.content import SUITE, ImageError, ImageFiles
    from harness.containers.engine import NoEngineError, connect
    from harness.containers.image import verify

    try:
        verify(connect(), ImageFiles(SUITE))
    except (NoEngineError, ImageError) as error:
        pytest.skip(str(error))
    assert ended(ready("Seeded", runner="docker")) == ("done", None)
    status, reason = ended(ready("Unseeded", runner="docker"))
    assert status == "failed"
    assert f"the data of Unseeded {REFUSED}" in reason


def test_data_of_the_project_are_compared_too():
    run = config.resolve(["dataset=digits", "recipe=digits"])
    chosen = config.to_dict(run)["dataset"]
    data.load(chosen, batch_size=8, seed=0, planned=data.fingerprint(chosen))
    with pytest.raises(UsageError, match=f"the data of digits {REFUSED}"):
        data.load(chosen, batch_size=8, seed=0, planned="0" * 64)


ARRAYS = "[np.zeros((9, 3)), np.zeros(9), np.zeros((4, 3)), np.zeros(4)]"


@pytest.mark.parametrize(
    ("place", "given", "reason"),
    [
        (0, "np.ma.masked_equal(np.arange(27.0).reshape(9, 3), 3)", "training inputs are a masked array"),
        (3, "np.ma.masked_equal(np.arange(4.0), 3)", "test targets are a masked array"),
        (2, "[np.ma.masked_equal(np.arange(3.0), 1)] * 4", "test inputs are a masked array"),
        (0, "np.array(1.0)", r"training inputs are one value \(float64\), not an array"),
        (1, "{'a': 1}", r"training targets are one value \(object\), not an array"),
        (0, "torch.zeros(9, 3, requires_grad=True)", "training inputs are a tensor that requires a gradient"),
        (0, "torch.zeros(9, 3).bfloat16()", "training inputs are bfloat16"),
        (0, "[[1.0, 2.0], [3.0]]", "training inputs cannot be made one array .*ValueError"),
        (2, "(np.zeros((4, 3)), np.zeros((4, 4)))", "test inputs cannot be made one array .*ValueError"),
        (0, "np.zeros((9, 3), complex)", "training inputs are complex128"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_with_the_name_of_the_data_set(tmp_path, place, given, reason):
    path = tmp_path / "mine.py"
    change = f"class Odd(Base):\n    def data(self):\n        parts = {ARRAYS}\n        parts[{place}] = {given}\n"
    path.write_text(f"{HEADER}{change}        return parts\n")
    with pytest.raises(UsageError, match=f"dataset 'Odd': {reason}") as caught:
        config.resolve([f"dataset={path}:Odd", "model=mlp", "recipe=tabular"])
    assert "\n" not in str(caught.value)
