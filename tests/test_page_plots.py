"""The plots of the page in a real browser: all are drawn, alone, readable, and of what is shown."""

import pytest
from pages import NARROW, OVERLAPS, PLOTS, WIDE, Opened, write_board
from records import GPU, METHODS, board, make


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_loads_alone_and_draws_every_plot(browser, full, viewport, scheme):
    with Opened(browser, full, viewport, scheme) as opened:
        for plot in PLOTS:
            box = opened.drawn(plot).bounding_box()
            assert box["width"] > 250, plot
            assert box["height"] > 100, plot
        assert opened.trouble == []
        assert opened.requests == [full.as_uri()]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_every_method_is_drawn_with_a_symbol_that_needs_no_colour(browser, full):
    with Opened(browser, full) as opened:
        looks = opened.page.evaluate(
            """[...document.querySelectorAll("#legend path")]
                .map((path) => path.getAttribute("d") + (path.getAttribute("fill") === "none"))"""
        )
        assert len(looks) == len(set(looks)) == len(METHODS)
        marks = opened.drawn("by-sparsity").locator("g.mark-symbol path").count()
        assert marks >= 3 * (len(METHODS) - 1)


FRONT = """() => {
    const marks = [...document.querySelectorAll("#by-flops .mark-symbol path")].map((path) => path.__data__.datum);
    const ours = marks.filter((datum) => datum.kind === "ours");
    const same = (a, b) => a.flops === b.flops && a.acc === b.acc;
    const beaten = (a) => ours.some((b) => b.flops <= a.flops && b.acc >= a.acc && !same(a, b));
    return { shown: ours.length, wrong: ours.filter((datum) => datum.front === beaten(datum)).length };
}"""


def test_the_front_is_that_of_the_points_shown(browser, full):
    with Opened(browser, full) as opened:
        opened.drawn("by-flops")
        before = opened.page.evaluate(FRONT)
        assert before["shown"] > 30
        assert before["wrong"] == 0
        opened.page.click("#levels button:has-text('95')")
        opened.page.click("#legend button[data-method=dense]")
        opened.page.click("#legend button[data-method=granet_s0]")
        opened.page.wait_for_function(f"({FRONT})().shown < 20")
        assert opened.page.evaluate(FRONT)["wrong"] == 0


def test_a_huge_interval_does_not_flatten_the_plots(browser, tmp_path):
    spread = [make("set", 0.9, seed, accuracy=accuracy) for seed, accuracy in enumerate((0.5, 0.9))]
    steady = [make("rigl", 0.9, seed, accuracy=accuracy) for seed, accuracy in enumerate((0.75, 0.76))]
    with Opened(browser, write_board(tmp_path, spread + steady)) as opened:
        for plot in ("by-sparsity", "by-flops", "by-seconds"):
            opened.drawn(plot)
            marks = opened.page.locator(f"#{plot} .mark-symbol path")
            heights = [marks.nth(i).bounding_box()["y"] for i in range(marks.count())]
            assert max(heights) - min(heights) > 100, plot  # of 330; 5.5 points of accuracy


def test_a_tap_beside_a_point_tells_of_it(browser, full):
    with Opened(browser, full, NARROW, touch=True) as opened:
        opened.drawn("by-flops").scroll_into_view_if_needed()
        box = opened.page.locator("#by-flops .mark-symbol path").last.bounding_box()
        opened.page.touchscreen.tap(box["x"] + box["width"] + 6, box["y"] + 4)
        tip = opened.page.locator("#vg-tooltip-element.visible")
        assert "top-1 %" in tip.inner_text()
        place = tip.bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= NARROW["width"]
        assert opened.trouble == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_label_of_a_plot_is_printed_over_another(browser, full, viewport):
    with Opened(browser, full, viewport) as opened:
        for number in range(opened.page.locator("#task option").count()):
            opened.page.select_option("#task", str(number))
            for plot in PLOTS:
                opened.drawn(plot)
            opened.page.wait_for_timeout(300)  # the last plot may still be the last task's
            assert opened.page.locator("#exploration svg .mark-text.role-mark text").count() > 20
            assert opened.page.evaluate(OVERLAPS) == []


def test_the_front_is_listed_by_name_cheapest_first(browser, full):
    with Opened(browser, full) as opened:
        opened.drawn("by-flops")
        names = opened.page.locator("#front li").all_inner_texts()
        assert names[-1] == "dense"  # the best and dearest of these records
        opened.page.click("#legend button[data-method=dense]")
        opened.page.wait_for_function("!document.querySelector('#front').innerText.includes('dense')")
        assert opened.page.locator("#front li").all_inner_texts() == names[:-1]


def test_many_sparsities_leave_the_grid_of_exploration_without_its_numbers_on_a_phone(browser, tmp_path):
    levels = [round(0.5 + 0.03 * number, 2) for number in range(16)]
    records = [make("set", level, 0) for level in levels]
    page = write_board(tmp_path, records)
    for viewport, numbers in ((WIDE, 16), (NARROW, 0)):
        with Opened(browser, page, viewport) as opened:
            opened.drawn("exploration")
            assert opened.page.locator("#exploration .mark-rect path").count() == 16
            assert opened.page.locator("#exploration .mark-text.role-mark text").count() == numbers
            assert opened.page.evaluate(OVERLAPS) == []


def test_disturbed_seconds_are_marked_and_not_drawn(browser, tmp_path):
    records = board(seeds=(0, 1), sparsities=(0.9,))
    for each in records:
        each["config"]["packed"] = 2
        each["cost"]["energy_joules"], each["provenance"]["gpu"] = 2000.0, GPU
    with Opened(browser, write_board(tmp_path, records)) as opened:
        assert all(text.endswith(" †") for text in opened.column("wall-clock"))
        assert all(text.endswith(" kJ †") for text in opened.column("energy"))
        assert opened.page.inner_text("#disturbed-note").startswith("† These runs shared the machine")
        assert "Nothing to compare" in opened.page.inner_text("#seconds-note.warning")
        panel = opened.page.locator("figure:has(#by-seconds)")
        assert panel.bounding_box()["height"] < 150
        assert not opened.page.locator("#by-seconds").is_visible()
    assert "\n\n† These runs shared the machine" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_a_hidden_method_leaves_the_plots_and_the_table(browser, full):
    with Opened(browser, full) as opened:
        before = opened.drawn("by-flops").locator("g.mark-symbol path").count()
        assert opened.page.get_attribute("#legend button:has-text('static')", "title").startswith("Random masks")
        opened.page.click("#legend button:has-text('static')")
        assert "static" not in opened.column("method")
        assert opened.page.get_attribute("#legend button:has-text('static')", "aria-pressed") == "false"
        opened.page.wait_for_function(f"document.querySelectorAll('#by-flops g.mark-symbol path').length < {before}")
