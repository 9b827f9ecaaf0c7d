"""README, RULES, CHANGELOG and docs keep in step with the code."""

import re
from pathlib import Path

import pytest

from harness.cli.main import COMMANDS
from harness.records.identity import RESULTS
from harness.vocabulary import RULES

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "docker/README.md"])
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_a_change_has_a_line_of_at_most_25_words():
    newest = CHANGELOG.split("\n## ")[1]
    lines = [line for line in newest.splitlines()[1:] if line]
    for line in lines:
        words = re.sub(r"\]\([^)]*\)", "]", line.removeprefix("- ")).split()
        assert line.startswith("- ") or len(words) <= 4, line
        assert len(words) <= 25, line
        assert not line.startswith("- ") or line.endswith("."), line


def test_the_newest_entry_names_the_versions_of_rules_and_results():
    assert CHANGELOG.split("\n## ")[1].splitlines()[0].endswith(f"rules {RULES}, results {RESULTS}")
    assert (ROOT / "RULES.md").read_text().startswith(f"# Rules of the benchmark, {RULES}\n")


def test_readme_names_every_command():
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"`{name}" not in readme] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    found = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", document.read_text())
    assert [link for link in found if not (document.parent / link).exists()] == []


def test_the_paths_of_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree, below = text.split("```")[1], text.split("```")[2]
    for line in tree.strip().splitlines():
        name = line.split()[0]
        assert (ROOT / name).exists() or (ROOT / "harness" / name).exists(), line
    for path in re.findall(r"`((?:\w+/)+(?:\w+\.(?:py|html))?)`", below):
        assert any((ROOT / base / path).exists() for base in ("", "harness", "harness/board/page")), path
