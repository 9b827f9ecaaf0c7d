"""From overrides to a `RunConfig`: Hydra composes the tree, once for each set of choices."""

import copy
import dataclasses
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.budget.kinds import KINDS
from harness.config import check as limits
from harness.config import check_model, lengths, recipes, subset
from harness.config import overrides as reader
from harness.config.check_recipe import check_unused, differing
from harness.config.names import TUNED
from harness.config.plain import copied
from harness.config.schema import DatasetConfig, RunConfig
from harness.config.values import Value
from harness.errors import UsageError
from harness.places import OwnFiles, own_settings, settings_files, tree
from harness.records.metrics import CLASSIFICATION
from methods import Method, methods
from methods.base import overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

Pairs = tuple[tuple[str, Any], ...]


def resolve(overrides: list[str]) -> RunConfig:
    """Compose, type and check one run.

    Args:
        overrides: For example ``["method=rigl", "sparsity=0.95", "budget=flops:0.5"]``; the last of a name counts.

    Raises:
        UsageError: Anything in them is unknown or out of range; the message names it and what is allowed.
    """
    given = reader.read(overrides)
    # What belongs to no group does not enter the composition: the runs of a suite share one.
    plain: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.values.items()
        if "." not in name
    }
    limits.check_plain(RunConfig(**plain))
    inner = tuple((name, value) for name, value in sorted(given.values.items()) if "." in name)
    method: type = type(given.method)
    sources = (*_contents(given.plugins), *own_settings())
    run = copied(_composed(method, tuple(sorted(given.groups.items())), inner, sources))
    for name, value in plain.items():
        setattr(run, name, value)
    run.plugins = given.plugins
    return checked(run)


def reseeded(run: RunConfig, override: str) -> RunConfig:
    """Return a run with another seed, which decides on no other setting, as in ``seed=1``.

    Raises:
        UsageError: The seed is none.
    """
    new: RunConfig = copied(run)
    for name, value in reader.read([override]).values.items():
        setattr(new, name, value)
    limits.check_plain(new)
    return new


def checked(run: RunConfig) -> RunConfig:
    """Return a run whose values are within their limits.

    Of a method without masks the sparsity becomes 0, and what decides on masks alone its default; settings of a model
    are written in one way. So one training has one key.

    Raises:
        UsageError: A value is out of range; the message names it and what is allowed.
    """
    limits.check(run)
    run.model = check_model.settled(run.model, plugin="model" in run.plugins)
    if not run.method.masked:
        run.sparsity, run.model = 0.0, dataclasses.replace(run.model, init_fan="layer")
        for name, usual in unused(run.method).items():
            setattr(run.method, name, usual)
    return run


def unused(method: Method) -> dict[str, Any]:
    """Return the default of each setting of a method without masks that it leaves unused; nothing for any other."""
    names = () if method.masked else ("distribution",) if overrides(method, "event") else ("distribution", "interval")
    return {field.name: field.default for field in dataclasses.fields(method) if field.name in names}


@lru_cache(maxsize=1024)
def _composed(method: type, groups: Pairs, settings: Pairs, sources: Pairs) -> RunConfig:
    """Return the run of these choices and settings; method class and sources tell apart plug-ins of one name."""
    import yaml
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    own = own_settings()
    try:
        chosen = dict(groups)
        shared = tuple(group for group in groups if group[0] != "method")
        config = copy.deepcopy(_tree(shared, own))
        recipes.check_methods(config.recipe.name, config.recipe.methods)
        check_unused(config.recipe, differing(config.recipe), f"recipe {config.recipe.name}: ")
        if "method" in chosen:
            config.method = _of_method(chosen["method"])
        for name, value in _of_dataset(config, chosen, dict(settings), own):
            _set(config, name, value)
        for name, value in settings:
            if name.startswith(f"{TUNED}."):
                _set(config, name, value)
        # What the recipe sets for data, model and this method comes before the command line, which has the last word.
        tuned = config.recipe.methods.get(config.method.name) or {}
        given = {f"method.{field}": value for field, value in tuned.items()}
        given = recipes.of_other_groups(config.recipe) | given | dict(settings)
        for name, value in given.items():
            if not lengths.is_late(name, value):
                _set(config, name, value)
        check_unused(config.recipe, dict(settings))
        subset.settle(config, given)
        lengths.settle_recipe(config)
        for name, value in given.items():
            if lengths.is_late(name, value):
                _set(config, name, lengths.resolved(name, value, config))
        in_units = any(lengths.is_written(given.get(name)) for name in lengths.POSITIONS)
        in_units |= lengths.settle_positions(config)
        run = OmegaConf.to_object(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(_explain(error)) from None
    except yaml.YAMLError as error:
        raise UsageError(f"a settings file is not valid YAML: {_named(error, own)}") from None
    except ValueError as error:  # from a method's own check
        raise UsageError(str(error)) from None
    assert isinstance(run, RunConfig)
    _settle_metric(run.dataset)
    if in_units and overrides(run.method, "rewinding"):
        lengths.require_own_rounds(run.budget.rounds, run.method.name)
    return run


@lru_cache(maxsize=1024)
def _tree(groups: Pairs, own: OwnFiles) -> "DictConfig":
    """Have Hydra compose the tree, with the default method: it takes a twentieth of a second, so methods share it."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra

    store = ConfigStore.instance()
    store.store(name="schema", node=RunConfig)
    store.store(group="method", name=reader.DEFAULT_METHOD, node=methods()[reader.DEFAULT_METHOD])
    for name, kind in KINDS.items():
        store.store(group="budget", name=name, node={"kind": name, "amount": kind.default})
    for name, member in groups:
        if name in ("model", "dataset") and member not in settings_files(name, own):  # a plug-in
            store.store(group=name, name=member, node={"name": member})
    GlobalHydra.instance().clear()
    with tree(own) as folder, initialize_config_dir(str(folder), version_base="1.3"):
        # Quoted: a plug-in may be called Nan, which Hydra reads as a number.
        return compose("config", [f"{group}='{member}'" for group, member in groups])


def _of_method(name: str) -> "DictConfig":
    """Return the settings of a method with their defaults; a plug-in may have fields that cannot be settings."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.structured(methods()[name])
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"method {name!r} has a field that cannot be a setting: {_explain(error)}") from None


def _of_dataset(config: "DictConfig", groups: dict[str, Any], settings: dict[str, Any], own: OwnFiles) -> Pairs:
    """Return the settings that follow from the data of a plug-in; a data set of the tree has them in a file.

    Such a file may leave the counts to what is in a folder.
    """
    from omegaconf import OmegaConf

    name = groups.get("dataset")
    given = name in settings_files("dataset", own)
    if name is None or (given and not OmegaConf.is_missing(config.dataset, "train_examples")):
        return ()
    from harness import plugins

    shape = settings.get("dataset.shape", config.dataset.shape) if given else ()
    found = plugins.dataset_settings(name, settings.get("dataset.root"), shape)
    return tuple((f"dataset.{field}", value) for field, value in found.items())


def _settle_metric(dataset: DatasetConfig) -> None:
    """Fill in the metric of a task other than classification.

    Raises:
        UsageError: A settings file says one, or there is no such task.
    """
    if dataset.metric:
        raise UsageError(f"dataset={dataset.name}: its settings file names a metric, which follows from its task alone")
    if dataset.task != CLASSIFICATION:
        from harness import plugins

        dataset.metric = plugins.task_metric(dataset.task)


def _contents(files: dict[str, str]) -> Pairs:
    if not files:
        return ()
    from harness import plugins

    return plugins.contents(files)


def _set(config: "DictConfig", name: str, value: Value) -> None:
    """Set a setting, a text as it stands: nothing in it refers to another setting."""
    from omegaconf import OmegaConf

    OmegaConf.update(config, name, _plain(value), merge=False, force_add=name.startswith(f"{TUNED}."))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, str):  # OmegaConf's escape for a text that looks like a reference
        return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", value)
    return value


def _explain(error: Exception) -> str:
    """Make one line of an error in the tree's own files, which names and types on the command line cannot cause."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    where = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key:")), "")
    text = lines[0] if lines else type(error).__name__
    return f"{where}: {text}" if where and where not in text else text


def _named(error: Exception, own: OwnFiles) -> str:
    """Return an error of YAML in one line that names the user's file: Hydra has read it from a copy of the tree."""
    text = " ".join(str(error).split())
    found = (path for path, *_ in own if "/".join(Path(path).parts[-2:]) in text)
    return f"{next(found, 'benchmarks')}: {text.partition(' in ')[0]}"
