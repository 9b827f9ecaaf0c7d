"""The settings of a run, typed: what the Hydra tree under ``benchmarks/`` composes into."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from harness.vocabulary import RULES

MISSING: Any = "???"
"""OmegaConf's mark for a value that the tree has to provide; importing OmegaConf for it would take longer."""


@dataclass
class DatasetConfig:
    """A data set: where it is, its shape and its splits (counts are those of the published set).

    Attributes:
        name: In `harness.tasks.vision.data.DATASETS`.
        root: Folder that holds it; null for the usual places.
        download: Whether it may be downloaded.
        shape: Channels, height and width of an image.
        classes: Number of classes.
        train_examples: Images in the published training set, validation images included.
        val_examples: Images split off the training set for validation.
        test_examples: Images in the test set.
        mean: Of each channel, in [0, 1].
        std: Of each channel, in [0, 1].
    """

    name: str = MISSING
    root: str | None = None
    download: bool = False
    shape: list[int] = MISSING
    classes: int = MISSING
    train_examples: int = MISSING
    val_examples: int = MISSING
    test_examples: int = MISSING
    mean: list[float] = MISSING
    std: list[float] = MISSING


@dataclass
class ModelConfig:
    """A model, by its name in `harness.tasks.vision.models.MODELS`.

    ``width`` scales its numbers of channels or neurons; models that do not say how they scale have 1 alone.
    """

    name: str = MISSING
    width: float = 1.0


@dataclass
class RecipeConfig:
    """Optimiser, learning-rate shape and augmentation; positions are shares of the training schedule.

    ``threads`` is the number of CPU threads, part of the recipe since sums depend on it; null for all cores.
    ``methods`` holds what a paper sets otherwise for one method on this task; the command line overrides it.
    """

    name: str = MISSING
    epochs: float = MISSING
    batch_size: int = MISSING
    optimizer: str = "sgd"
    lr: float = MISSING
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_normalisation: bool = True
    lr_shape: str = "cosine"
    milestones: list[float] = field(default_factory=list)
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    augment: str = "none"
    threads: int | None = None
    methods: dict[str, Any] = field(default_factory=dict)


@dataclass
class BudgetConfig:
    """A kind and an amount; ``stretch`` trains that many times longer on the same schedule (RigL's "5x").

    ``rounds`` says what the trainings of a rewinding method get: ``shared``, the budget together, or ``each``, as in
    their papers.
    """

    kind: str = MISSING
    amount: float = MISSING
    stretch: float = 1.0
    rounds: str = "shared"


@dataclass
class RunnerConfig:
    """Where a run takes place and within which limits; null for no limit from here."""

    name: str = MISSING
    timeout: float | None = None
    memory: str = "16g"
    cpus: float | None = None
    pids: int = 512
    shm: str = "2g"
    gpu: str | None = None
    image: str | None = None


@dataclass
class RunConfig:
    """One run, resolved; ``benchmarks/config.yaml`` says what each setting is.

    ``plugins`` names the files that a method, a model or a data set comes from: ``{"method": "/path/file.py:Class"}``.
    ``test`` is false for trials, which leave the test set alone; ``tuned`` names a file of chosen settings. A plan
    fills in what a dense net for comparison needs (`harness.plan.comparison`): ``budget_share``, the share of the
    budget that the run may spend, and ``reference``, size and costs of the net that a narrower one is compared with.
    """

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    method: Any = MISSING
    model: ModelConfig = field(default_factory=ModelConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    sparsity: float = 0.9
    seed: int = 0
    device: str = "auto"
    loader: str = "auto"
    workers: int = 4
    packed: int = 1
    evaluations: int = 20
    test: bool = True
    checkpoint_seconds: float = 60
    graph: bool | None = None
    dense_layers: list[str] = field(default_factory=list)
    output: str = "results"
    keep: str = "network"
    tuned: str = ""
    plugins: dict[str, str] = field(default_factory=dict)
    budget_share: float = 1.0
    reference: dict[str, int] = field(default_factory=dict)


PARTS = {
    "dataset": DatasetConfig,
    "model": ModelConfig,
    "recipe": RecipeConfig,
    "budget": BudgetConfig,
    "runner": RunnerConfig,
}
"""The typed groups of settings; a method, the sixth group, is a dataclass of its own."""


_NEWER: dict[str, Any] = {"test": True, "budget_share": 1.0, "reference": {}}
"""Settings that `to_dict` leaves out at these values."""


def to_dict(run: RunConfig) -> dict[str, Any]:
    """Return the plain values of a config, as records and requests hold them.

    They do not say where on this machine plug-ins and tuned settings lie; digests and the settings themselves identify
    them. Nor do they say what is kept of the run. What is newer than the first records is left out at its default, so
    that their keys stay. What the method declares of its masks comes from here, which is outside a container:
    ``reaches``, ``pattern`` and ``probe``.
    """
    plain = {**dataclasses.asdict(run), "rules": RULES}
    del plain["plugins"], plain["tuned"], plain["keep"]
    # It has been applied; what it says of other methods is not this run's.
    del plain["recipe"]["methods"]
    for part, defaults in ((plain, _NEWER), (plain["model"], {"width": 1.0})):
        for name, default in defaults.items():
            if part[name] == default:
                del part[name]
    return plain | (_declared(run.method, 1 - run.sparsity) if run.method is not None else {})


def _declared(method: Any, target: float) -> dict[str, Any]:
    """Return what a method declares of its masks at a target density, as far as it is not what most methods do."""
    pattern, probe = method.pattern(target), method.probe(target) if target < 1 else None
    found: dict[str, Any] = {} if method.exact else {"reaches": True}
    if pattern is not None:
        found["pattern"] = pattern.described()
    if probe is not None:
        found["probe"] = dataclasses.asdict(probe)
    return found


def from_dict(plain: dict[str, Any], *, method: bool = True) -> RunConfig:
    """Rebuild a config from `to_dict`'s values; unknown settings are left out, absent ones have their default.

    Args:
        plain: The values.
        method: Whether to build the method too; False where its module, code on trial, must not be imported. The
            config's method is then None.
    """
    values: dict[str, Any] = {name: part(**plain[name]) for name, part in PARTS.items()}
    values["method"] = None
    if method:
        from methods import build

        values["method"] = build(plain["method"])
    rest = {f.name for f in dataclasses.fields(RunConfig)} - set(values)
    return RunConfig(**values, **{name: plain[name] for name in rest if name in plain})
