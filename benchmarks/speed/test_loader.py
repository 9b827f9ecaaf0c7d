"""(d) Whether data keep up: images a second of the loader against those of the training step."""

import os
from collections import deque
from pathlib import Path

import pytest
from conftest import CUDA, DEVICE, Compare
from test_harness import CASES, Case, configured
from workload import Workload

from harness import config
from harness.tasks import data
from harness.tasks.data.files import imagenet_shaped
from harness.tasks.data.order import Batches
from harness.tasks.inputs import load_data

CORES = len(os.sched_getaffinity(0))
BATCH = 256 if CUDA else 16
CLASSES, EACH = 16, 512 if CUDA else 12
LOADERS = [
    pytest.param("dali", marks=pytest.mark.skipif(not data.DALI, reason="DALI is not installed")),
    "torchvision",
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.net)
def test_loader(compare: Compare, case: Case) -> None:
    run = configured(case.net)
    batches = load_data(run).train
    work = Workload(case.net, density=0.1, device=DEVICE)

    def load() -> None:
        for _ in zip(range(case.steps), batches.epoch(0), strict=False):
            pass

    compare(
        f"loader images/s / step images/s, {case.net}",
        load,
        lambda: [work.step() for _ in range(case.steps)],
        rounds=10,
        times=case.steps,
        inverse=True,
        target=("at least", 1.2),
        threads=run.recipe.threads,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures shaped like ImageNet, more than the loaders read ahead."""
    place = tmp_path_factory.mktemp("imagenet")
    imagenet_shaped.write(place, classes=CLASSES, train=EACH + 1, val=1, processes=CORES)
    return place


def training_batches(folder: Path, loader: str) -> Batches:
    settings = {"root": folder, "classes": CLASSES, "val_examples": CLASSES}
    run = config.resolve(
        [
            *("dataset=imagenet", *(f"dataset.{name}={value}" for name, value in settings.items())),
            *(f"loader={loader}", f"workers={CORES}", f"recipe.batch_size={BATCH}", f"device={DEVICE}"),
        ]
    )
    return load_data(run).train


@pytest.mark.slow
@pytest.mark.skipif(not data.DALI, reason="DALI is not installed")
def test_dali_against_torchvision(compare: Compare, folder: Path) -> None:
    ours, portable = (training_batches(folder, loader) for loader in ("dali", "torchvision"))
    compare(
        "dali images/s / torchvision images/s, ImageNet-shaped files",
        lambda: deque(ours.epoch(0), maxlen=0),
        lambda: deque(portable.epoch(0), maxlen=0),
        rounds=5,
        times=ours.steps_per_epoch,
        inverse=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_loader_of_files(compare: Compare, folder: Path, loader: str) -> None:
    batches = training_batches(folder, loader)
    work = Workload("resnet50", density=0.1, batch_size=BATCH, device=DEVICE)
    steps = batches.steps_per_epoch if CUDA else 1  # seconds each on a CPU
    compare(
        f"{loader} images/s / step images/s, resnet50 on ImageNet-shaped files",
        lambda: deque(batches.epoch(0), maxlen=0),
        lambda: [work.step() for _ in range(steps)],
        rounds=3,
        times=batches.steps_per_epoch,
        times_baseline=batches.steps_per_epoch / steps,
        inverse=True,
        target=("at least", 1.2) if loader == "dali" or not CUDA else None,
    )
