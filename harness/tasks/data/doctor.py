"""What a run would see of a data set: looked at before anything is trained, all that is wrong at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.budget.epoch import last_batch, steps_per_epoch
from harness.errors import UsageError
from harness.records.metrics import CLASSIFICATION, LANGUAGE
from harness.tasks import base
from harness.tasks.data import checks, loading
from harness.tasks.data.contents import CONTENT_BYTES, Arrays, Contents, ImageTree
from harness.tasks.data.files import survey
from harness.tasks.data.locate import Config
from harness.tasks.data.order import shares
from harness.tasks.data.registry import dataset
from harness.tasks.data.sets.text import windows

Report = dict[str, Any]


@dataclass
class Doctor:
    """Examines a data set.

    Attributes:
        config: The resolved ``dataset`` group.
        batch_size: Samples of a training batch.
        augment: Name of the augmentation.
        loader: What decodes image folders.
        full: Whether to decode every file, and to look for the windows of a test in what is trained on.
        refused: Why a run would be refused, so far.
    """

    config: Config
    batch_size: int
    augment: str
    loader: str
    full: bool

    def __post_init__(self) -> None:
        self.refused: list[str] = []

    def examine(self) -> Report:
        """Return what there is, as plain values; ``refused`` lists why a run would not be trained."""
        report: Report = {"dataset": self.config["name"], "folder": self._try(self._folder)}
        contents = self._try(self._contents) if not self.refused else None
        if contents is None:
            return {**report, "refused": self.refused}
        tested, trained = _targets(contents)
        labelled = base.of(self.config).name == CLASSIFICATION
        self._match(contents, len(np.unique(trained)) if labelled else 0)
        report["fingerprint"] = self._try(lambda: dataset(self.config).fingerprint(contents))
        if isinstance(contents, ImageTree):
            report |= self._files(contents)
        else:
            report |= _levels(contents) if base.kind(self.config) == "images" else {"measured": None}
            if self.full and base.of(self.config).name == LANGUAGE and not self.refused:
                report["verbatim"] = windows.verbatim(contents, self.config["val_examples"])
        report |= self._classes(contents, trained, tested) if labelled else self._samples(len(trained), len(tested))
        if not self.refused:
            self._try(self._load)
        return {**report, "refused": self.refused}

    def _folder(self) -> str | None:
        place = loading.fetch({**self.config, "download": False})
        return None if place is None else str(place.absolute())

    def _contents(self) -> Contents:
        if not dataset(self.config).decoded:
            return loading.read(self.config)
        from harness.tasks.data.files import listing

        layout = dataset(self.config).layout
        assert layout is not None
        return listing.tree(layout.find({**self.config, "download": False}).absolute())

    def _match(self, contents: Contents, classes: int) -> None:
        """Hold the settings against the contents; what follows is worked out with the contents' own."""
        config = dict(self.config)
        if isinstance(contents, ImageTree):
            if classes != config["classes"]:
                self.refused.append(f"dataset.classes={config['classes']}, but there are {classes} class folders")
                config["classes"] = classes
            published = dataset(config).published or {}
            for field, labels in (("train_examples", contents.train.labels), ("test_examples", contents.test.labels)):
                if config[field] not in (len(labels), published.get(field)):
                    self.refused.append(f"dataset.{field}={config[field]}, but there are {len(labels)}")
                config[field] = len(labels)
        self.config = config
        self._try(lambda: checks.inputs(config, decoded=isinstance(contents, ImageTree)))

    def _files(self, tree: ImageTree) -> Report:
        train, test = (survey.look(part, full=self.full) for part in (tree.train, tree.test))
        repeated = survey.repeated(train, test)
        train.add(test)
        if train.broken:
            path, why = train.broken[0]
            self.refused.append(f"{len(train.broken):,} files cannot be read; the first is {path}: {why}")
        size = int(tree.train.sizes.sum() + tree.test.sizes.sum())
        return {
            "bytes": size,
            "known_by": "content" if size <= CONTENT_BYTES else "paths and sizes",
            "skipped": dict(tree.skipped),
            "formats": dict(train.formats.most_common()),
            "modes": dict(train.modes.most_common()),
            "oddities": dict(train.oddities.most_common()),
            "sizes": _spread(train.sizes),
            "broken": [{"path": path, "reason": why} for path, why in train.broken],
            "decoded": train.decoded,
            "repeated": [{"test": one, "train": other} for one, other in repeated] if self.full else None,
            "measured": _normalisation(train.normalisation()),
        }

    def _classes(self, contents: Contents, trained: np.ndarray, tested: np.ndarray) -> Report:
        names = contents.classes if isinstance(contents, ImageTree) else None
        classes = max(self.config["classes"], int(max(trained.max(), tested.max())) + 1)
        sizes, tests = (np.bincount(labels, minlength=classes) for labels in (trained, tested))
        wanted, before = self.config["val_examples"], len(self.refused)
        self._try(lambda: checks.split(self.config, len(trained), sizes))
        held = shares(sizes, wanted) if wanted and len(self.refused) == before else np.zeros_like(sizes)
        kept = int((sizes - held).sum())
        rows = zip(sizes - held, held, tests, strict=True)
        return {
            "classes": [
                {"name": names[at] if names else str(at), "train": int(row[0]), "val": int(row[1]), "test": int(row[2])}
                for at, row in enumerate(rows)
            ],
            **self._parts(kept, int(held.sum()), len(tested)),
        }

    def _samples(self, trained: int, tested: int) -> Report:
        """Count the samples of a task without classes."""
        before = len(self.refused)
        self._try(lambda: checks.split(self.config, trained, None))
        held = self.config["val_examples"] if len(self.refused) == before else 0
        return {"classes": [], **self._parts(trained - held, held, tested)}

    def _parts(self, kept: int, held: int, tested: int) -> Report:
        return {
            "split": {"train": kept, "val": held, "test": tested},
            "batches": {
                "batch_size": self.batch_size,
                "per_epoch": steps_per_epoch(kept, self.batch_size),
                "last": last_batch(kept, self.batch_size),
            },
            "inputs": {name: list(self.config[name]) for name in ("shape", "mean", "std")},
        }

    def _load(self) -> None:
        loading.load(self.config, batch_size=self.batch_size, seed=0, augment=self.augment, loader=self.loader)

    def _try(self, act: Callable[[], Any]) -> Any:
        """Return what an act returns; None if it refuses, which is noted."""
        try:
            return act()
        except UsageError as error:
            self.refused.append(str(error))
        except OSError as error:
            self.refused.append(f"cannot read {error.filename}: {error.strerror}")
        return None


def _targets(contents: Contents) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of test and training samples."""
    if isinstance(contents, Arrays):
        return contents.test_targets.numpy(), contents.train_targets.numpy()
    return contents.test.labels, contents.train.labels


def _levels(arrays: Arrays) -> Report:
    """Measure the levels of images in memory."""
    pixels = arrays.train_inputs.double() / 255
    mean, spread = (pixels.mean((0, 1, 2)).tolist(), pixels.std((0, 1, 2), correction=0).tolist())
    return {"measured": _normalisation((mean, spread)), "images": list(arrays.train_inputs.shape[1:])}


def _normalisation(found: tuple[list[float], list[float]] | None) -> Report | None:
    if found is None:
        return None
    mean, deviation = ([round(value, 4) for value in part] for part in found)
    return {"mean": mean, "std": deviation}


def _spread(sizes: list[tuple[int, int]]) -> Report | None:
    """Return the smallest, the median and the largest width and height."""
    if not sizes:
        return None
    found = np.array(sizes)
    ends = (found.min(0), np.median(found, axis=0), found.max(0))
    return {side: [int(end[at]) for end in ends] for at, side in enumerate(("width", "height"))}
