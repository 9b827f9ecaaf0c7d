"""The page of a board with tasks of different metrics, in a real browser: words, directions, a row that collapsed."""

import pytest
from pages import Opened, write_board
from records import make, scored


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    language = {"gmp": 2.0, "rigl": 2.05, "static": 2.1, "set": 2.15, "granet": 2.2, "rigl_itop": 7.9}
    records = [
        scored(make(method, 0.9, seed, dataset="stdlib_text", runner="docker"), value + 0.001 * seed)
        for method, value in language.items()
        for seed in range(3)
    ]
    records += [make(method, 0.9, seed, runner="docker") for method in ("set", "rigl") for seed in range(3)]
    return write_board(tmp_path_factory.mktemp("metrics"), records)


def test_a_task_of_which_less_is_better_reads_so(browser, page):
    with Opened(browser, page) as opened:
        assert "stdlib_text" in opened.page.locator("#task option:checked").inner_text()
        assert "test bits per byte (lower is better)" in opened.drawn("by-flops").text_content()
        assert "Bits per byte against sparsity" in opened.page.locator("figcaption").all_inner_texts()
        opened.page.click("#board th[data-name='score'] button")
        assert [text[:6] for text in opened.column("bits per byte")] == [
            *("2.0010", "2.0510", "2.1010", "2.1510", "2.2010", "7.9010"),
        ]
        assert opened.page.locator("#front li").first.inner_text().startswith("static")  # the cheapest
        assert "validation bits per byte (lower is better)" in opened.drawn("run-score").text_content()
        assert opened.trouble == []


def test_a_row_that_collapsed_is_marked_and_the_others_fill_the_picture(browser, page):
    with Opened(browser, page) as opened:
        assert opened.drawn("by-sparsity").locator("text", has_text="↑").count() == 1
        marks = opened.page.locator("#by-sparsity .mark-symbol path")
        heights = sorted(marks.nth(i).bounding_box()["y"] for i in range(marks.count()))
        assert len(heights) == 6
        assert heights[-1] - heights[1] > 150  # of 330: the five near the best
        opened.page.click("#legend button[data-method='rigl_itop']")
        opened.page.wait_for_function("!document.querySelector('#by-sparsity svg').textContent.includes('↑')")
        assert opened.trouble == []


def test_another_task_is_in_its_own_words_at_once(browser, page):
    with Opened(browser, page) as opened:
        opened.page.select_option("#task", "0")
        opened.page.wait_for_function(
            "document.querySelector('#by-flops svg').textContent.includes('test top-1 accuracy, %')"
        )
        assert "Accuracy against sparsity" in opened.page.locator("figcaption").all_inner_texts()
        assert opened.column("top-1 %")
        opened.page.select_option("#scope", "all")
        assert len(opened.column("result, in the unit of its task")) == 8
        assert opened.trouble == []
