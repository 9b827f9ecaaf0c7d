"""``sparsebench list``: what can be chosen."""

import argparse
import json
import textwrap

from harness.cli import layout
from harness.cli.arguments import DONE

ABOUT = "list what can be chosen: methods, data sets, models, budgets, suites"

_INDENT = 9  # columns before the names of a group
_WIDTH = 100  # of the lines where there is no terminal


def arguments(command: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    command.add_argument("--json", action="store_true", help="print a JSON object")


def call(given: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    from harness import config, plugins
    from harness.plan import grid
    from methods import methods

    plugins.load_installed()
    about = {
        name: {"family": method.family, "summary": method.summary, "paper": method.paper}
        for name, method in sorted(methods().items())
    }
    others = {group: config.choices(group) for group in config.GROUPS if group != "method"}
    others["family"] = sorted({words["family"] for words in about.values() if words["family"]})
    others["suite"] = grid.names()
    if given.json:
        print(json.dumps({"method": about, **others}, indent=1, ensure_ascii=False))
        return DONE
    columns = layout.width() or _WIDTH
    print("method")
    for name, words in about.items():
        paper = f" ({words['paper']})" if words["paper"] else ""
        print(_wrapped(f"  {name:<14}", f"{words['summary']}{paper}", columns))
    for group, found in others.items():
        print(_wrapped(f"{group:<{_INDENT}}", " ".join(found), columns))
    return DONE


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
