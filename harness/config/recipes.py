"""The recipes of ``benchmarks/recipe``, as their files have them."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from harness.config.schema import RecipeConfig
from harness.places import TREE


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
