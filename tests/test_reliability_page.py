"""The table of reliability on the page, in a real browser."""

import pytest
from pages import Opened, write_board
from records import make

from harness.board import reliability as shown
from harness.records import reliability
from harness.vocabulary import CORRUPTIONS


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    records = []
    for method, error in (("static", 0.08), ("rigl", 0.05)):
        for seed in range(3):
            under = {name: [0.6 - error, 0.4 - error] for name in CORRUPTIONS}
            group = reliability.group(15, error, 0.2, under if seed else None)
            records.append(make(method, 0.9, seed, runner="docker") | {"reliability": group})
    records += [make("set", 0.9, seed, runner="docker") for seed in range(3)]
    records += [make("dense", 0.0, seed, runner="docker", dataset="other") for seed in range(3)]
    for seed in range(3):
        group = reliability.group(15, 0.05, 0.2, None)
        records.append(make("static", 0.9, seed, runner="docker", dataset="third") | {"reliability": group})
    return write_board(tmp_path_factory.mktemp("reliability"), records)


def test_reliability_has_a_table_of_its_own_that_sorts_and_hides(browser, page):
    with Opened(browser, page) as opened:
        section = opened.page.locator("#reliability-section")
        opened.page.wait_for_selector("#reliability tbody tr")
        assert "Corrupted: mean accuracy" in section.inner_text()
        assert "Seeds agree" not in section.inner_text()
        headers = [name for name in shown.HEADERS if name not in ("seeds agree %", "ensemble top-1 %")]
        assert opened.page.locator("#reliability th").all_inner_texts() == headers
        first = "#reliability tbody td:nth-child(1)"
        assert {text.strip() for text in opened.page.locator(first).all_inner_texts()} == {"rigl", "static"}
        opened.page.click("#reliability th[data-name='calibration error %'] button")
        assert [text.strip() for text in opened.page.locator(first).all_inner_texts()] == ["rigl", "static"]
        row = opened.page.locator("#reliability tbody tr").first.locator("td").all_inner_texts()
        assert row[3:6] == ["5.00", "0.2000", "45.00 (2 of 3 seeds)"]
        assert (len(row), row[-1]) == (len(headers), "in the run")
        assert "calibration error %" not in opened.page.locator("#board th").all_inner_texts()
        opened.page.select_option("#task", "1")
        assert section.is_hidden() is (opened.page.locator("#reliability tbody tr").count() == 0)
        opened.page.select_option("#task", "2")
        assert "noise %" not in opened.page.locator("#reliability th").all_inner_texts()
        assert "Corrupted" not in section.inner_text()
        assert opened.page.locator("#reliability td").last.inner_text() == "in the run"
        assert opened.trouble == []
