"""The documentation site: it builds strictly and offline, and lacks nothing that the code has."""

import dataclasses
import re
import shlex
import subprocess
import sys

import pytest
from site_pages import ROOT, SHELL, blocks, hooks, outside, pages

from harness.cli.main import COMMANDS
from harness.config.names import _common
from methods import methods

pytest.importorskip("mkdocs", reason="pip install 'sparsebench[docs]'")
OWN = sorted(name for name, method in methods().items() if type(method).__module__.startswith("methods."))
OFFLINE = """
import socket, sys

def refuse(*_):
    raise OSError("the site is built without a network")

socket.socket.connect = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(["build", "--strict", "--quiet", "--site-dir", sys.argv[1]])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site without a network and return its folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", OFFLINE, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_page_loads_anything_from_elsewhere(site):
    built = list(site.rglob("*.html"))
    assert len(built) > len(OWN)
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*")
    for page in built:
        assert loads.findall(page.read_text()) == [], page
    for style in site.rglob("*.css"):
        assert re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text()) is None, style


@pytest.mark.parametrize("name", OWN)
def test_a_method_has_a_page_with_formula_paper_settings_cost_and_rows(site, name):
    page = (site / "methods" / f"{name}.html").read_text()
    assert "<math" in page
    method = methods()[name]
    for field in dataclasses.fields(method):
        if field.name not in ("name", "interval"):
            assert f"<code>{field.name}</code>" in page
    if method.paper:
        assert f"https://arxiv.org/abs/{method.paper.rpartition('arXiv:')[2]}" in page
    for heading in ("settings", "cost", "on-the-board"):
        assert f'id="{heading}"' in page


def test_every_formula_is_rendered(site):
    for uri, markdown in pages().items():
        formulas = [each.text.strip().count("\n") + 1 for each in blocks(markdown) if each.language == "math"]
        assert (site / uri).with_suffix(".html").read_text().count("<math") == sum(formulas), uri


def test_rows_of_a_method_are_those_of_the_board():
    rows = hooks("board_rows")
    shown = rows.rows("gmp", lambda recipe, settings: "")
    for row in rows._board():
        if row["method"] == "gmp" and row["top1_mean"]:
            assert f"{100 * float(row['top1_mean']):.2f}" in shown
    assert rows.rows("nothing", lambda recipe, settings: "") == ""


def test_the_reference_has_every_command_setting_and_recipe():
    commands, settings = pages()["reference/commands.md"], pages()["reference/settings.md"]
    assert re.findall(r"^## (.+)$", commands, re.MULTILINE) == list(COMMANDS)
    chosen = ("dataset.name", "model.name", "recipe.name", "budget.name", "runner.name")
    assert [name for name in _common() if name not in chosen and f"`{name}`" not in settings] == []


def test_a_field_of_records_that_nothing_describes_fails_the_build(tmp_path, monkeypatch):
    records = hooks("record_pages")
    assert "| `test_accuracy` |" in records.fields()
    text = records.MEANINGS.read_text()
    for changed, said in (
        (text.replace("key: Identity", "kee: Identity"), "does not say what key is"),
        (text + "extra: Nothing.\n", "describes extra, which no record has"),
    ):
        monkeypatch.setattr(records, "MEANINGS", tmp_path / "fields.yaml")
        records.MEANINGS.write_text(changed)
        with pytest.raises(ValueError, match=said):
            records.fields()


@pytest.mark.parametrize(
    ("source", "markdown", "expected"),
    [
        ("costs.md", "[a](../RULES.md#x)", "[a](rules.md#x)"),
        ("methods/set.md", "[a](../costs.md)", "[a](../costs.md)"),
        ("contributing.md", "[a](docs/costs.md)", "[a](costs.md)"),
        ("contributing.md", "[`a`](pyproject.toml)", "`a`"),
        ("costs.md", "`[a](../RULES.md)`", "`[a](../RULES.md)`"),
        ("costs.md", "```\n[a](../RULES.md)\n```\n", "```\n[a](../RULES.md)\n```\n"),
        ("costs.md", "[a](https://example.org) [b](#x)", "[a](https://example.org) [b](#x)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(source, markdown, expected):
    assert hooks("repository").linked(markdown, source) == expected


def test_a_list_is_set_apart():
    spaced = hooks("repository").spaced
    assert spaced("Results\n- a\n- b\n") == "Results\n\n- a\n- b\n"
    assert spaced("- a\n  b\n- c\n") == "- a\n  b\n- c\n"


def test_docstrings_give_the_meaning_of_inherited_settings():
    found = hooks("docstrings").attributes(type(methods()["granet"]))
    assert found["prune_end"] == "Schedule position by which the target is reached."
    assert "`gradient` (dense gradient magnitude)" in found["growth"]


def test_no_command_hides_in_a_block_that_no_test_runs():
    for uri, markdown in pages().items():
        for block in blocks(markdown):
            hidden = re.search(r"^(\$ )?(sparsebench|make|pip|pytest) ", block.text, re.MULTILINE)
            assert block.language in SHELL or not hidden, (uri, block.text)
        assert not re.search(r"^ {4}(sparsebench|make|pip) ", outside(markdown), re.MULTILINE), uri


def test_a_test_that_is_named_exists():
    for uri, markdown in pages().items():
        for block in blocks(markdown):
            if block.note.startswith("tested by"):
                assert block.tested_by, (uri, block.note)
                file, name, _ = block.tested_by
                assert (ROOT / file).is_file(), (uri, file)
                assert name is None or f"def {name}(" in (ROOT / file).read_text(), (uri, name)


def test_commands_within_a_sentence_exist():
    helped = hooks("command_pages")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for uri, markdown in pages().items():
        text = outside(markdown)
        for command in re.findall(r"`(?:\.venv/bin/)?sparsebench ([^`]+)`", text):
            name, *rest = command.replace("'", "").split()
            if name == "COMMAND" or name.startswith("-"):
                continue
            assert name in COMMANDS, (uri, command)
            for option in (word for word in rest if word.startswith("--")):
                assert option.partition("=")[0] in helped._help(name), (uri, command)
        for command in re.findall(r"`make ([^`]+)`", text):
            assert shlex.split(command)[0] in targets, (uri, command)
