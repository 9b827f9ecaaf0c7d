"""``sparsebench list``: what can be chosen."""

import argparse
import itertools
import json
import textwrap
from typing import TYPE_CHECKING, Any

from harness.cli import layout
from harness.cli.arguments import DONE
from harness.errors import UsageError
from harness.records import metrics

if TYPE_CHECKING:
    from methods import Method


_INDENT = 9  # columns before the names of a group
_WIDTH = 100  # of the lines where there is no terminal
_SIXTEENTHS = [parts / 16 for parts in range(1, 16)]  # densities of every N:M that hardware or papers use


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("--json", action="store_true", help="print a JSON object")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import config, plugins
    from harness.plan import grid
    from methods import methods

    plugins.load_installed()
    about = {name: _about(method) for name, method in sorted(methods().items())}
    others = {group: config.choices(group) for group in config.GROUPS if group != "method"}
    others["family"] = sorted({words["family"] for words in about.values() if words["family"]})
    others["suite"] = grid.names()
    others["paper"] = grid.papers()
    tasks = _tasks(others["dataset"])
    if given.json:
        print(json.dumps({"method": about, **others, "task": tasks}, indent=1, ensure_ascii=False))
        return DONE
    columns = layout.width() or _WIDTH
    in_families = sorted(about.items(), key=lambda item: (not item[1]["family"], item[1]["family"], item[0]))
    for family, members in itertools.groupby(in_families, key=lambda item: item[1]["family"]):
        print(f"method, {family or 'of no family'}")
        for name, words in members:
            print(_wrapped(f"  {name:<14} ", _sentence(words), columns))
    for group, found in others.items():
        print(_wrapped(f"{group:<{_INDENT}}", " ".join(found), columns))
    for name, words in tasks.items():
        said = f"{name} ({words['metric']}, {words['better']} is better): {' '.join(words['datasets'])}"
        print(_wrapped(f"{'task':<{_INDENT}}", said, columns))
    return DONE


def _tasks(datasets: list[str]) -> dict[str, dict[str, Any]]:
    """Return by task what networks are compared by, and its data sets."""
    import yaml

    from harness.places import settings_files
    from harness.tasks import base

    files, found = settings_files("dataset"), dict[str, dict[str, Any]]()
    for dataset in datasets:
        if dataset in files:
            try:
                settings = yaml.safe_load(files[dataset].read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError):  # of one's own, which a run with it is refused for
                continue
            name = metrics.task_of(settings if isinstance(settings, dict) else {})
        else:  # of an installed package, which is imported
            from harness.tasks.data import plugin

            if (task := plugin.task_name(dataset)) is None:  # it could not be imported, which was said
                continue
            name = task
        try:
            metric = base.named(name).metric
        except UsageError:  # as above
            continue
        words = found.setdefault(name, {"metric": metric.label, "better": metric.better, "datasets": []})
        words["datasets"].append(dataset)
    return found


def _about(method: "Method") -> dict[str, Any]:
    """Return what is said of a method: ``reaches`` if its sparsity is a result, ``ratios`` if it takes N:M alone."""
    plain: dict[str, Any] = {name: getattr(method, name) for name in ("family", "summary", "paper")}
    return {**plain, "reaches": not method.exact, "ratios": _ratios(method)}


def _ratios(method: "Method") -> dict[str, float]:
    """Return the sparsities that a method takes, by their N:M; nothing for one without such a pattern."""
    found = {}
    for density in _SIXTEENTHS:
        try:
            pattern = method.pattern(density)
        except Exception:  # of this density it has none; a plug-in's mistake shows when it is planned
            continue
        if pattern is not None and pattern.kind == "n:m":
            found[f"{pattern.n}:{pattern.m}"] = 1 - density
    return found


def _sentence(words: dict[str, Any]) -> str:
    """Return what a method is, in a line: its summary, what is peculiar about its sparsity, and its paper."""
    parts = [words["summary"]]
    if words["ratios"]:
        ratios = ", ".join(f"{sparsity:g} ({name})" for name, sparsity in sorted(words["ratios"].items(), key=_second))
        parts.append(f"Sparsities: {ratios}.")
    if words["reaches"]:
        parts.append("[reaches a sparsity near the requested one]")
    if words["paper"]:
        parts.append(f"({words['paper']})")
    return " ".join(parts)


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _wrapped(label: str, text: str, columns: int) -> str:
    """Return a label and its text, wrapped under where the text begins."""
    return textwrap.fill(
        text or "-",
        max(columns, 40),
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
