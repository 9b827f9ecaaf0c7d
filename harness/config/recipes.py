"""The recipes of ``benchmarks/recipe``, as their files have them."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.config import lengths, names
from harness.config.schema import APPLIED, RecipeConfig
from harness.console import say
from harness.errors import UsageError, cut, nearest, short, unknown
from harness.places import TREE
from methods import Method, entry_points, methods
from methods.registry import ENTRY_POINTS

if TYPE_CHECKING:
    from omegaconf import DictConfig

_OWN = {"dataset": ("name", "root", "download"), "model": ("name",)}
"""Settings that a recipe cannot have."""

_TELLING = 4  # letters of a name that a slip can be told from another name


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
    """Check what a recipe sets for single methods; a name that is none of the project's may be that of a plug-in.

    Which plug-ins have been imported so far decides about no name: a suite may import them later.

    Raises:
        UsageError: A method of the project or a setting is misspelt, or what a method has is not settings.
    """
    known = methods()
    own = [name for name, method in known.items() if type(method).__module__.partition(".")[0] == "methods"]
    for name, settings in values.items():
        meant = None if name in own else next((each for each in own if _misspelt(str(name), each)), None)
        if meant and name not in entry_points.names(ENTRY_POINTS):
            raise unknown(f"method in {names.TUNED} of recipe {recipe}", name, own, {str(name): meant})
        if settings is not None and not isinstance(settings, Mapping):
            kind = f"{short(settings)}, not settings of the method"
            raise UsageError(f"recipe {recipe}: {names.TUNED}.{cut(str(name))} is {kind}")
        if name not in known:
            _notice(recipe, str(name), nearest(str(name), own))
            continue
        for field in settings or {}:
            names.setting(f"{names.TUNED}.{name}.{field}", type(known[name]))


def of_other_groups(recipe: "DictConfig") -> dict[str, Any]:
    """Return what a recipe sets of data and model, by full names.

    Raises:
        UsageError: It is no setting, or one that says which data or which model it is.
    """
    found = {}
    for group, own in _OWN.items():
        for field, value in recipe[group].items():
            name = f"{group}.{field}"
            if field in own:
                raise UsageError(f"recipe {recipe.name}: {name} is chosen for a run, not by its recipe")
            names.setting(name, Method)
            found[name] = value
    return found


def _misspelt(given: str, name: str) -> bool:
    """Tell whether a text is surely a slip of the hand for a name: two letters exchanged, one left out or one added.

    No name of a plug-in should be taken for one. So the first letter is the same; a name of three letters is too short
    to tell, as ``ste`` is no ``set``; and a text that has the whole name in it, such as ``rigl2``, is one only with a
    letter doubled, as in ``rigll``. Capitals count, as classes of plug-ins have them.
    """
    if given[:1] != name[0] or len(name) < _TELLING:
        return False
    exchanged = (name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(1, len(name) - 1))
    left_out = (name[:at] + name[at + 1 :] for at in range(1, len(name)) if name[at].isalpha())
    added = (
        given[:at] + given[at + 1 :]
        for at in range(1, len(given))
        if given[at].isalpha() and (name not in given or given[at] == given[at - 1])
    )
    return given in exchanged or given in left_out or name in added


@cache
def _notice(recipe: str, method: str, near: str | None) -> None:
    """Say it once: a suite composes a recipe many times."""
    hint = f"; did you mean {near!r}?" if near else ""
    said = "which is no method of the project: only a plug-in of that name uses them"
    say(f"recipe {recipe} has settings for {short(method)}, {said}{hint}")


def unchanged(values: Mapping[str, Any], but: Collection[str] = ()) -> bool:
    """Tell whether the values of a record's recipe are those of the recipe of that name; True for an unknown name.

    Args:
        values: ``name`` and the other settings; absent ones have the default.
        but: Settings that may differ.
    """
    known = declared().get(str(values.get("name")))
    if known is None:
        return True
    # Lengths with a unit are other shares of each schedule, which the recipe alone does not tell.
    in_units = {name for name, value in vars(known).items() if lengths.is_written(value)}
    left_out = {*APPLIED, *in_units, *but}
    default = RecipeConfig()
    return all(
        values.get(name, getattr(default, name)) == value for name, value in vars(known).items() if name not in left_out
    )
