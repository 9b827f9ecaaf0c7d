"""The pages of the documentation site as they are rendered, and the commands on them."""

import importlib
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
HOOKS = ROOT / "docs" / "_site"
SHELL = ("bash", "sh", "shell", "console")

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>(?:(?!-->).)+) -->\n)?(?P<fence>```+)(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A block of code, and what the comment before it says of its test."""

    note: str
    language: str
    text: str

    @property
    def example(self):
        """The file that it is written to, if it is one."""
        return self.note.removeprefix("example: ") if self.note.startswith("example: ") else None

    @property
    def tested_by(self):
        """The test that runs it in place of this one, and why; None if it is run here."""
        found = re.fullmatch(r"tested by (\S+?\.py)(?:::(\w+))?: (.+)", self.note, re.DOTALL)
        return found and found.groups()

    @property
    def shortened_by(self):
        """Settings that the test adds to each command."""
        return shlex.split(self.note.removeprefix("shortened by ")) if self.note.startswith("shortened by ") else []

    @property
    def status(self):
        """The exit status of its commands."""
        return int(re.match("exits with ([01])|", self.note)[1] or 0)

    @property
    def commands(self):
        """Its commands, one a line; a backslash continues a line. Beside lines with a prompt all others are output."""
        lines = [line for line in self.text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return prompted or lines


def hooks(name="hooks"):
    """Import a module of the generator."""
    if str(HOOKS) not in sys.path:
        sys.path.insert(0, str(HOOKS))
    return importlib.import_module(name)


@cache
def pages():
    """Return the Markdown of every page by its path on the site."""
    return hooks().pages()


def outside(markdown):
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def blocks(markdown):
    """Return the blocks of code of a page."""
    return [Block(found["note"] or "", found["language"], found["text"]) for found in _BLOCK.finditer(markdown)]
