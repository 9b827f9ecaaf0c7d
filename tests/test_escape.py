"""Whatever a name in a record holds is text in every format that shows it, and does nothing."""

import csv
import io
import re

import pytest
from boards import of
from hypothesis import given
from hypothesis import strategies as st
from records import make

from harness.board import csv_text, escape, markdown, results_table, update, wording
from harness.board.page import html as page
from harness.records import Problem
from harness.records.metrics import ACCURACY


def test_a_pipe_in_a_name_does_not_break_the_table():
    odd = make("set", 0.9, 0, status="failed")
    odd["reason"] = "a | b\nc"
    assert r"a \| b c" in markdown(of([odd]))


HOSTILE = [
    *("=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-1+1", "\t=1", "＝1"),
    *("<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](y)", "a|b", "a\\|b", "`code", "**bold**"),
    *("a\n| b |\n# c", "\x1b[31m", "\x07", "\x00", "\u202eevil", "\u2066x", "\ufeff", "\ud800"),
    "<!-- results:end -->",
]


def renamed(name):
    odd = make("set", 0.9, 0)
    odd["method"] = odd["dataset"] = odd["model"] = odd["provenance"]["cpu"] = name
    odd["config"]["recipe"]["name"] = name
    failed = make("set", 0.9, 1, status="failed")
    failed["reason"] = failed["method"] = failed["dataset"] = name
    return of([odd, failed], [Problem(name, name)])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_every_format(name, tmp_path):
    made = renamed(name)
    shown = {
        "csv": csv_text(made),
        "markdown": markdown(made),
        "readme": results_table(made.files.values()),
        "page": page.html(made, "records"),
    }
    for form, text in shown.items():
        text.encode()
        if form != "page":  # vega's own source holds such characters
            assert escape.visible(text.replace("\n", "")) == text.replace("\n", ""), form
    for row in csv.reader(io.StringIO(shown["csv"])):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert len(shown["markdown"].splitlines()) == len(markdown(renamed("plain")).splitlines())
    for text in (shown["markdown"], shown["readme"]):
        assert "<script" not in text
        assert "<!--" not in text
        assert not re.search(r"(?<!\\)\]\(", text)
        rows = [line for line in text.splitlines() if line.startswith("|")]
        widths = [len(re.split(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows]
        assert set(widths) <= {2 + len(wording.headers(ACCURACY)), 2 + len(wording.FAILURE_HEADERS), 4, 5}
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:start -->\n<!-- results:end -->\nbottom\n")
    update(readme, {"results": shown["readme"]})
    once = readme.read_text()
    assert not update(readme, {"results": shown["readme"]})
    assert once.count("bottom") == 1


@given(st.text())
def test_escaping_leaves_one_line_of_printable_text(text):
    assert "".join(escape.visible(text).splitlines()) == escape.visible(text)
    assert not any(ord(character) < 32 for character in escape.visible(text))
    assert escape.visible(escape.visible(text)) == escape.visible(text)


def test_ordinary_text_is_not_changed_by_escaping():
    for text in ("fashion_mnist · convnet", "80.60 ± 10.23 (3 seeds)", "Größe 5 × 3", "名前"):
        assert escape.visible(text) == escape.csv(text) == escape.markdown(text) == text
