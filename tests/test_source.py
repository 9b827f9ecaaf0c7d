"""A digest of source code follows what the code does: not how, where or with which words it is written."""

import importlib.util
import itertools
import sys

import pytest

from harness.errors import UsageError
from harness.records.source import source_digest, tree_digest
from harness.tasks.models import MODELS
from methods import methods

NUMBERS = itertools.count()

METHOD = '''"""A method from outside."""

from dataclasses import dataclass
from typing import ClassVar

from methods import Event, Method, Moment, register

PERIOD = 7


def falls(step):
    """Return whether an event falls on a step."""
    return step % PERIOD == 0


def unused():
    return 1


@register("seventh")
@dataclass
class Seventh(Method):
    """Its events fall on each seventh step."""

    summary: ClassVar[str] = "Each seventh step."

    at: float = 0.3

    def event(self, moment: Moment) -> Event | None:
        return Event() if falls(moment.step) else None
'''
BASE = METHOD.replace("class Seventh(Method)", "class Base(Method)").replace('@register("seventh")\n', "")


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Import source text as a new module, and forget what it registers."""
    from methods import registry

    def load(text, name=None):
        monkeypatch.setattr(registry, "METHODS", dict(registry.METHODS))
        name = name or f"outside{next(NUMBERS)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        registry.METHODS.pop("seventh", None)
        return module

    return load


def digest(module):
    return source_digest(module.Seventh)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("each seventh step", "every seventh step"),
        ('"""A method from outside."""', "# A comment."),
        ("Return whether an event falls on a step.", "Say so."),
        ('"Each seventh step."', '"Another line for the board."'),
        ("step % PERIOD == 0", "(step%PERIOD)==0  # in other words"),
        ("from typing import ClassVar", "import math\nfrom typing import ClassVar"),
        ('@register("seventh")', "@register('seventh')"),
        ("return 1", "return 2"),
        ("    at: float = 0.3", "    at: float = 0.30"),
    ],
)
def test_words_formatting_imports_and_unused_code_do_not_count(loaded, old, new):
    assert old in METHOD
    assert digest(loaded(METHOD.replace(old, new))) == digest(loaded(METHOD))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PERIOD = 7", "PERIOD = 8"),
        ("step % PERIOD == 0", "step % PERIOD == 1"),
        ("at: float = 0.3", "at: float = 0.4"),
        ("if falls(moment.step)", "if not falls(moment.step)"),
        ("def unused():", "PERIOD += 1\n\n\ndef unused():"),
        ("def unused():", "falls.__defaults__ = (7,)\n\n\ndef unused():"),
    ],
)
def test_any_change_of_code_that_is_used_counts(loaded, old, new):
    assert old in METHOD
    assert digest(loaded(METHOD.replace(old, new))) != digest(loaded(METHOD))


def test_code_may_move_between_files(loaded):
    together = METHOD.replace("class Seventh(Method)", "class Base(Method)").replace('@register("seventh")\n', "")
    derived = "\n\n@register('seventh')\n@dataclass\nclass Seventh(Base):\n    until: float = 0.5\n"
    one = digest(loaded(together + derived, "package"))
    loaded(BASE, "package.base")
    header = "from dataclasses import dataclass\nfrom methods import register\nfrom package.base import Base\n"
    apart = digest(loaded(header + derived, "package"))
    assert apart == one
    loaded(BASE.replace("PERIOD = 7", "PERIOD = 9"), "package.base")
    assert digest(loaded(header + derived, "package")) != one


def test_a_method_counts_the_code_of_those_it_inherits_from_but_not_the_shared_interface(loaded):
    def inheriting(module, base):
        return digest(loaded(f"from {module} import {base} as Parent\n\nclass Seventh(Parent):\n    at = 1\n"))

    assert len({inheriting("methods.rigl", "RigL"), inheriting("methods.rigl", "RigLITOP")}) == 2
    assert inheriting("methods", "Method") == inheriting("methods.base", "Method")


def test_every_method_and_model_has_a_digest_of_its_own():
    found = [source_digest(thing) for thing in (*methods().values(), *MODELS.values())]
    assert len(set(found)) == len(found)
    assert all(len(one) == 64 and int(one, 16) >= 0 for one in found)


def test_code_that_is_in_no_file_is_refused():
    space = {"__name__": "nowhere"}
    exec("class Seventh: pass", space)
    with pytest.raises(UsageError, match=r"nowhere\.Seventh: its source is not in a file"):
        source_digest(space["Seventh"])


def test_a_digest_of_many_files_ignores_names_order_and_words(tmp_path):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(METHOD)
    other.write_text("VALUE = 1\n")
    before = tree_digest([one, other])
    assert tree_digest([other, one]) == before
    renamed = other.rename(tmp_path / "renamed.py")
    one.write_text(METHOD.replace("each seventh step", "now and then"))
    assert tree_digest([one, renamed]) == before
    one.write_text(f"{METHOD}\nVALUE = 1\n")
    renamed.write_text("")
    assert tree_digest([one, renamed]) == before
    renamed.write_text("VALUE = 2\n")
    assert tree_digest([one, renamed]) != before


def test_what_is_imported_under_another_name_counts(tmp_path):
    whole = tmp_path / "whole.py"
    whole.write_text("from math import floor as whole\n\n\ndef steps(x):\n    return whole(x)\n")
    before = tree_digest([whole])
    whole.write_text(whole.read_text().replace("floor", "ceil"))
    assert tree_digest([whole]) != before
