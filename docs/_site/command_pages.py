"""The reference of commands, from what ``--help`` prints."""

from __future__ import annotations

import argparse
from functools import partial

from harness.cli.main import COMMANDS, module

_WIDTH = 100  # columns of the printed help


def commands() -> str:
    """Return a section for each command: what it does, and its help."""
    return "\n\n".join(f"## {name}\n\n{_sentence(about)}\n\n{_help(name)}" for name, about in COMMANDS.items())


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def _help(name: str) -> str:
    """Return the help of a command as it is printed."""
    wide = partial(argparse.HelpFormatter, width=_WIDTH)
    parser = argparse.ArgumentParser(prog=f"sparsebench {name}", formatter_class=wide)
    module(name).arguments(parser)
    return f"```text\n{parser.format_help().rstrip()}\n```"
