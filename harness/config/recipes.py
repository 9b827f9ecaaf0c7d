"""The recipes of ``benchmarks/recipe``, as their files have them."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from harness.config import names
from harness.config.schema import RecipeConfig
from harness.console import say
from harness.errors import UsageError, nearest, short, unknown
from harness.places import TREE
from methods import methods


@cache
def declared() -> dict[str, RecipeConfig]:
    """Return every recipe by name."""
    import yaml

    files = sorted((TREE / "recipe").glob("*.yaml"))
    return {path.stem: RecipeConfig(**yaml.safe_load(path.read_text(encoding="utf-8"))) for path in files}


def of_method(recipe: str, method: str) -> dict[str, Any]:
    """Return what a recipe sets for one method; nothing if no recipe here has that name."""
    known = declared().get(recipe)
    return dict(known.methods.get(method) or {}) if known else {}


def check_methods(recipe: str, values: Mapping[str, Any]) -> None:
    """Check what a recipe sets for single methods; a method that no name here is near to may be somebody's plug-in.

    Raises:
        UsageError: A method or one of its settings is misspelt, or what it has is not settings.
    """
    known = methods()
    for name, settings in values.items():
        if name not in known:
            if nearest(str(name), known):
                raise unknown(f"method in {names.TUNED} of recipe {recipe}", name, known)
            _notice(recipe, str(name))
            continue
        if settings is not None and not isinstance(settings, Mapping):
            raise UsageError(f"recipe {recipe}: {names.TUNED}.{name} is {short(settings)}, not settings of the method")
        for field in settings or {}:
            names.setting(f"{names.TUNED}.{name}.{field}", type(known[name]))


@cache
def _notice(recipe: str, method: str) -> None:
    """Say it once: a suite composes a recipe many times."""
    say(f"recipe {recipe} has settings for {short(method)}, which is no method here: they are not used")


def unchanged(values: Mapping[str, Any], but: Collection[str] = ()) -> bool:
    """Tell whether the values of a record's recipe are those of the recipe of that name; True for an unknown name.

    Args:
        values: ``name`` and the other settings; absent ones have the default.
        but: Settings that may differ.
    """
    known = declared().get(str(values.get("name")))
    if known is None:
        return True
    left_out = {"methods", *but}
    default = RecipeConfig()
    return all(
        values.get(name, getattr(default, name)) == value for name, value in vars(known).items() if name not in left_out
    )
