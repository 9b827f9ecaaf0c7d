"""Configuration: Hydra's tree under ``benchmarks/``, typed, resolved and checked into one `RunConfig`."""

import dataclasses
import difflib
import re
from dataclasses import dataclass, field
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config import check as limits
from harness.errors import UsageError, unknown
from harness.places import TREE
from harness.records import schema
from methods import build as build_method
from methods import methods

#: Version of the rules that runs are made under (RULES.md); records carry it.
RULES = "1.1"
GROUPS = ("dataset", "method", "model", "recipe", "budget", "runner")


@dataclass
class DatasetConfig:
    """A data set: where it is, its shape and its splits (counts are those of the published set)."""

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
    """A model, by its name in `harness.tasks.vision.models.MODELS`."""

    name: str = MISSING


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
    """Where a run happens and within which limits; null is no limit of ours."""

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
    """One run, resolved."""

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
    checkpoint_seconds: float = 60
    graph: bool | None = None
    dense_layers: list[str] = field(default_factory=list)
    output: str = "results"


def choices(group: str) -> list[str]:
    """Names a config group offers."""
    if group == "method":
        return sorted(methods())
    return sorted(path.stem for path in (TREE / group).glob("*.yaml"))


def resolve(overrides: list[str]) -> RunConfig:
    """Compose, type and check one run.

    Args:
        overrides: Hydra overrides, e.g. ``["method=rigl", "sparsity=0.95", "budget=flops:0.5"]``.

    Raises:
        UsageError: Anything in them is unknown or out of range; the message names it and what is allowed.
    """
    overrides = _expand(overrides)
    try:
        config = _compose(overrides)
        # What the recipe sets for this method comes before the command line, which so has the last word.
        tuned = config.recipe.methods.get(config.method.name) or {}
        config = _compose([*(f"method.{name}={value}" for name, value in tuned.items()), *overrides])
        OmegaConf.resolve(config)
        run = OmegaConf.to_object(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_explain(error, _chosen(overrides))) from None
    except ValueError as error:  # from a method's own check
        raise UsageError(str(error)) from None
    assert isinstance(run, RunConfig)
    return checked(run)


def checked(run: RunConfig) -> RunConfig:
    """Return a run whose values are within their limits; one without masks has a sparsity of 0.

    Raises:
        UsageError: One of them is not; the message names it and what is allowed.
    """
    limits.check(run)
    if not run.method.masked:
        run.sparsity = 0.0
    return run


def to_dict(run: RunConfig) -> dict[str, Any]:
    """Return the plain values of a config, as records and requests hold them."""
    plain = {**dataclasses.asdict(run), "rules": RULES}
    # It has been applied; what it says of other methods is not this run's.
    del plain["recipe"]["methods"]
    return plain


def from_dict(plain: dict[str, Any]) -> RunConfig:
    """Rebuild a config from `to_dict`'s values: unknown ones are left out, those that it lacks are the default."""
    parts = {
        "dataset": DatasetConfig,
        "model": ModelConfig,
        "recipe": RecipeConfig,
        "budget": BudgetConfig,
        "runner": RunnerConfig,
    }
    values: dict[str, Any] = {name: cls(**plain[name]) for name, cls in parts.items()}
    values["method"] = build_method(plain["method"])
    rest = {f.name for f in dataclasses.fields(RunConfig)} - set(values)
    return RunConfig(**values, **{name: plain[name] for name in rest if name in plain})


def _compose(overrides: list[str]) -> DictConfig:
    store = ConfigStore.instance()
    store.store(name="schema", node=RunConfig)
    for name, method in methods().items():
        store.store(group="method", name=name, node=method)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(TREE), version_base="1.3"):
        return compose("config", overrides)


def _expand(overrides: list[str]) -> list[str]:
    """Check the names in the overrides, and write ``budget=flops:0.5`` and its like out in full."""
    plain: list[str] = []
    kinds = [o.partition("=")[2] for o in overrides if o.startswith("budget.kind=")]
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UsageError(f"{override!r} is not an override: write name=value, for example sparsity=0.95")
        _check_syntax(override)
        if key == "budget":
            plain += _budget(value)
            continue
        if key in GROUPS and value not in choices(key):
            raise unknown(key, value, choices(key))
        if key == "method.name":
            raise UsageError(f"method.name cannot be set: choose the method with method={value}")
        plain.append(override)
    if kinds and any(o.startswith("budget=") for o in plain):
        raise UsageError(f"budget=... and budget.kind={kinds[-1]} both choose the kind of budget: drop one")
    if kinds:
        plain.insert(0, _budget(kinds[-1])[0])
    return plain


def _check_syntax(override: str) -> None:
    """Refuse what Hydra cannot read, and what it can but one run has no use for."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise UsageError(f"{override!r} cannot be read: {str(error).splitlines()[0]}") from None
    if parsed.is_sweep_override():
        raise UsageError(f"{override!r} names several values: a run has one; a suite has many")
    if parsed.type is not OverrideType.CHANGE:
        raise UsageError(f"{override!r}: settings are changed, not added or removed; write name=value")


def _budget(value: str) -> list[str]:
    kind, colon, amount = value.partition(":")
    if kind not in schema.BUDGET_KINDS:
        raise unknown("budget kind", kind, schema.BUDGET_KINDS)
    if not colon:
        return [f"budget={kind}"]
    amount, times, stretch = amount.partition("x")
    # The stretch is always said, or an earlier budget's would stay.
    return [f"budget={kind}", f"budget.amount={amount}", f"budget.stretch={stretch if times else 1}"]


def _chosen(overrides: list[str]) -> str:
    """Return the method that the overrides choose."""
    chosen = [o.removeprefix("method=") for o in overrides if o.startswith("method=")]
    return chosen[-1] if chosen else "granet"


def _explain(error: Exception, method: str) -> str:
    """Make one line of Hydra's or OmegaConf's error."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    # OmegaConf names the key on a line of its own.
    where = next((line for line in lines if line.startswith("full_key:")), "").partition(":")[2].strip()
    missing = re.search(r"[Kk]ey '(\w+)' (?:is )?not in", str(cause))
    if missing:
        keys = _keys(where, method)
        near = difflib.get_close_matches(missing[1], keys, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown setting {where or missing[1]!r}: allowed are {', '.join(sorted(keys))}{hint}"
    text = lines[0] if lines else type(error).__name__
    return f"{where}: {text}" if where and where not in text else text


def _keys(where: str, method: str) -> list[str]:
    """Names that could have stood where an unknown one stood."""
    node: Any = RunConfig
    for part in where.split(".")[:-1]:
        if part == "method":
            return [f.name for f in dataclasses.fields(methods()[method]) if f.name != "name"]
        node = {f.name: f.type for f in dataclasses.fields(node)}.get(part)
        if not dataclasses.is_dataclass(node):
            return []
    return [f.name for f in dataclasses.fields(node)]
