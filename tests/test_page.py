"""The page in a real browser: it loads without an error or a request, sorts, filters, pages, draws, and is readable."""

import re
import shutil
from pathlib import Path

import pytest
from records import GPU, METHODS, board, make, ten_thousand

from harness.board import make as make_board
from harness.records import load, record_name, write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 420, "height": 900}
PLOTS = ("by-sparsity", "by-flops", "by-seconds", "exploration", "run-accuracy", "run-density")


def write_board(folder, records):
    for each in records:
        write(each, folder / "records" / record_name(each))
    make_board(folder / "records", folder)
    return folder / "leaderboard.html"


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        # the sandbox needs privileges that a container lacks, and the page is our own
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    cifar = {"dataset": "cifar10", "model": "resnet50_cifar", "recipe": "cifar"}
    records = [
        *board(runner="docker"),
        *board(sparsities=(0.9, 0.95), runner="docker", gpu=GPU, **cifar),
        make("rigl", 0.95, 3, gpu=GPU, runner="docker"),
        make("set", 0.9, 3, status="diverged", runner="docker"),
        make("static", 0.95, 4, status="timeout", runner="docker"),
    ]
    return write_board(tmp_path_factory.mktemp("full"), records)


class Opened:
    """A page under test, with everything it complained of or asked the network for."""

    def __init__(self, browser, path, viewport=WIDE, scheme="light", touch=False):
        self.context = browser.new_context(
            viewport=viewport, color_scheme=scheme, accept_downloads=False, has_touch=touch, is_mobile=touch
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # CI machines can be slow; what is waited for is not timed
        self.trouble, self.requests = [], []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def drawn(self, plot):
        self.page.wait_for_selector(f"#{plot} svg")
        return self.page.locator(f"#{plot} svg").first

    def column(self, name):
        place = self.page.locator("#board th").all_inner_texts().index(name)
        return self.page.locator(f"#board tbody td:nth-child({place + 1})").all_inner_texts()


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


def test_a_press_on_a_heading_sorts_best_first_and_another_turns_it_round(browser, full):
    with Opened(browser, full) as opened:
        opened.page.select_option("#page-size", "100")
        opened.page.click("#board th[data-name='top-1 %'] button")
        downward = [float(re.match(r"[\d.]+", text)[0]) for text in opened.column("top-1 %")]
        assert len(downward) > 30
        assert downward == sorted(downward, reverse=True)
        assert opened.page.get_attribute("#board th[data-name='top-1 %']", "aria-sort") == "descending"
        opened.page.click("#board th[data-name='top-1 %'] button")
        upward = [float(re.match(r"[\d.]+", text)[0]) for text in opened.column("top-1 %")]
        assert upward == sorted(downward)
        opened.page.click("#board th[data-name='method'] button")
        assert opened.column("method") == sorted(opened.column("method"))


def test_the_filters_leave_what_was_requested(browser, full):
    with Opened(browser, full) as opened:
        opened.page.fill("#filter", "granet")
        assert set(opened.column("method")) == {"granet", "granet_s0"}
        opened.page.fill("#filter", "granet_s0 95")
        assert opened.column("sparsity") == ["95 %"]
        opened.page.fill("#filter", "no such thing")
        assert "No row has all of that" in opened.page.inner_text("#board")
        opened.page.fill("#filter", "")
        for sparsity in ("0.95", "95%", "95 %"):
            opened.page.fill("#filter", sparsity)
            assert set(opened.column("sparsity")) == {"95 %"}
        opened.page.fill("#filter", "")
        opened.page.select_option("#mark", "local")
        assert "No row has all of that" in opened.page.inner_text("#board")


def test_the_first_press_of_a_sparsity_leaves_it_alone_in_table_plots_and_answers(browser, full):
    with Opened(browser, full) as opened:
        opened.page.click("#levels button:has-text('98')")
        assert set(opened.column("sparsity")) == {"0 %", "98 %"}
        assert opened.page.locator("#answers h3").all_inner_texts() == ["At 98 % sparse"]
        pressed = opened.page.locator("#levels [aria-pressed=true]")
        assert pressed.all_inner_texts() == ["98 %"]
        opened.page.click("#levels button:has-text('90')")
        assert set(opened.column("sparsity")) == {"0 %", "90 %", "98 %"}
        opened.page.click("#levels button:has-text('90')")
        opened.page.click("#levels button:has-text('98')")
        assert pressed.count() == 3  # none left is all


def test_answers_from_runs_other_than_those_requested_are_hidden_and_the_page_says_so(browser, full):
    with Opened(browser, full) as opened:
        assert opened.page.locator("#answers .card").count() == 3
        opened.page.select_option("#mark", "local")
        assert opened.page.locator("#answers .card").count() == 0
        note = opened.page.inner_text("#answers-hidden")
        assert "No answer from local runs at 90 %, 95 %, 98 %: only rows made in a container are ranked." in note
        opened.page.select_option("#mark", "verified")
        assert opened.page.locator("#answers .card").count() == 3
        assert not opened.page.locator("#answers-hidden").is_visible()


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


def test_a_row_opens_its_curves_by_mouse_and_by_keyboard(browser, full):
    with Opened(browser, full) as opened:
        opened.page.click("#board tr:has-text('granet_s0'):has-text('95 %') td:nth-child(4)")
        assert opened.page.locator("#run-row option:checked").inner_text() == "granet_s0, 95 % (verified)"
        assert "granet_s0" in opened.page.inner_text("#board tr.picked")
        assert opened.page.evaluate("document.querySelector('#run').getBoundingClientRect().top < innerHeight / 2")
        opened.page.locator("#board tr:has-text('rigl_itop'):has-text('90 %') td.method button").focus()
        opened.page.keyboard.press("Enter")
        assert opened.page.locator("#run-row option:checked").inner_text() == "rigl_itop, 90 % (verified)"
        assert opened.page.locator("#board tr.picked").count() == 1


OVERLAPS = """() => {
    const shown = [...document.querySelectorAll(".plot svg text")]
        .filter((text) => text.textContent.trim() && text.checkVisibility({ opacityProperty: true }));
    const boxes = shown.map((text) => [text.textContent, text.getBoundingClientRect(), text.closest(".plot")]);
    const across = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = (a, b) => Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return boxes.flatMap(([name, a, plot], i) => boxes.slice(i + 1)
        .filter(([, b, other]) => plot === other && across(a, b) > 1 && down(a, b) > 1)
        .map(([other]) => `${plot.id}: ${name} over ${other}`));
}"""


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


def test_ranks_and_what_the_tests_can_show_stand_beside_the_table(browser, full):
    with Opened(browser, full) as opened:
        opened.page.fill("#filter", "95")
        ranks = opened.column("rank")
        assert len(ranks) == 11
        assert all(re.fullmatch(r"\d+|\[\d+, \d+\]", rank) for rank in ranks)
        assert "At 0.95 (3 seeds, 55 pairs): " in opened.page.inner_text("#resolution")
        assert opened.page.inner_text("#unranked") == "Not ranked: set: seed 3 diverged."
        shares = [text for text in opened.column("Pareto") if text]
        assert shares
        assert all(re.fullmatch(r"(front ?)?(\d+ %)?", text) for text in shares)


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_standing_and_the_breakdown_are_tables_that_fit(browser, tmp_path, viewport):
    cell = "{dataset: digits, model: convnet, recipe: drawn, device: cpu, budgets: ['epochs:10'], sparsities: [0.9]}"
    (tmp_path / "standing.yaml").write_text(f"version: 1\ntasks: [{cell}]\n")
    variants = [make("rigl", 0.9, seed, runner="docker", recipe="drawn") for seed in range(3)]
    for number, each in enumerate(variants):  # so that RigL's rows have names that are not the method's
        each["config"]["method"]["interval"] = 7
        each["key"] = f"{number}" * 16
    page = write_board(tmp_path, [*board(runner="docker", recipe="drawn"), *variants])
    with Opened(browser, page, viewport) as opened:
        assert "With fewer than 6 tasks no standing is computed" in opened.page.inner_text("#standing-about")
        lines = opened.page.locator("#standing-0 tbody tr")
        assert lines.count() == len(METHODS) - 1
        assert re.match(r"\w+\s+[01]\.\d\d", lines.first.inner_text())
        broken = opened.page.locator("#breakdown tbody tr")
        assert broken.count() == len(METHODS) - 1  # the variant has no test
        assert "static" in opened.page.inner_text("#breakdown")
        opened.page.click("#standing-0 th[data-name='wins'] button")
        wins = [float(row.split()[1]) for row in lines.all_inner_texts()]
        assert wins == sorted(wins)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert opened.trouble == []


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


COLUMNS = """() => {
    const frame = document.querySelector("#board .scroll").getBoundingClientRect();
    const rows = [...document.querySelectorAll("#board tbody tr")];
    const { cells } = rows.find((row) => row.innerText.includes("granet_s0"));
    return [cells[1], cells[3]].map((cell) => {
        const box = cell.getBoundingClientRect();
        const front = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        return { inside: box.left >= frame.left - 1 && box.right <= frame.right + 1, seen: cell.contains(front),
                 whole: cell.scrollWidth <= cell.clientWidth + 1, left: box.left, right: box.right };
    });
}"""


def test_on_a_phone_method_sparsity_and_accuracy_stay_readable_while_the_rest_scrolls(browser, full):
    with Opened(browser, full, NARROW) as opened:
        cell = opened.page.locator("#board td.method", has_text="granet_s0").first
        assert re.fullmatch(r"granet_s0\s+\d\d %", cell.inner_text())
        for scrolled in (0, 500):
            opened.page.evaluate(f"document.querySelector('#board .scroll').scrollLeft = {scrolled}")
            cell.scroll_into_view_if_needed()
            method, accuracy = opened.page.evaluate(COLUMNS)
            for column in (method, accuracy):
                assert column["inside"]
                assert column["seen"]
                assert column["whole"]
            assert method["right"] <= accuracy["left"] + 1
        assert accuracy["right"] < 0.75 * NARROW["width"]  # room for the columns that scroll past


def test_a_lost_seed_is_marked_on_the_page(browser, full):
    with Opened(browser, full) as opened:
        row = opened.page.locator("#board tr", has_text="1 diverged").inner_text()
        assert "3 seeds, 1 lost" in row
        assert "seed 3 diverged" in row
        assert "A lost seed was started" in opened.page.inner_text("#lost-note")
        opened.page.fill("#filter", "gmp")
        assert not opened.page.locator("#lost-note").is_visible()


def test_disturbed_seconds_are_marked_and_not_drawn(browser, tmp_path):
    records = board(seeds=(0, 1), sparsities=(0.9,))
    for each in records:
        each["config"]["packed"] = 2
    with Opened(browser, write_board(tmp_path, records)) as opened:
        assert all(text.endswith(" †") for text in opened.column("wall-clock"))
        assert opened.page.inner_text("#disturbed-note").startswith("† These runs shared the machine")
        assert "Nothing to compare" in opened.page.inner_text("#seconds-note.warning")
        panel = opened.page.locator("figure:has(#by-seconds)")
        assert panel.bounding_box()["height"] < 150
        assert not opened.page.locator("#by-seconds").is_visible()
    assert "\n\n† These runs shared the machine" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_the_table_shows_a_page_at_a_time_and_all_tasks_on_request(browser, full):
    with Opened(browser, full) as opened:
        assert len(opened.column("method")) == 1 + 33
        opened.page.select_option("#page-size", "25")
        assert len(opened.column("method")) == 25
        opened.page.select_option("#scope", "all")
        total = int(re.search(r"of (\d+)", opened.page.inner_text("#board .pager"))[1])
        assert total == 1 + 33 + 1 + 22
        opened.page.click("#board .pager button:has-text('Next')")
        assert opened.page.inner_text("#board .pager").startswith("26–50")


def test_a_hidden_method_leaves_the_plots_and_the_table(browser, full):
    with Opened(browser, full) as opened:
        before = opened.drawn("by-flops").locator("g.mark-symbol path").count()
        assert opened.page.get_attribute("#legend button:has-text('static')", "title").startswith("Random masks")
        opened.page.click("#legend button:has-text('static')")
        assert "static" not in opened.column("method")
        assert opened.page.get_attribute("#legend button:has-text('static')", "aria-pressed") == "false"
        opened.page.wait_for_function(f"document.querySelectorAll('#by-flops g.mark-symbol path').length < {before}")


def test_the_answers_name_method_cost_certainty_hardware_and_papers(browser, full):
    with Opened(browser, full) as opened:
        opened.page.select_option("#task", label="cifar10 · resnet50_cifar · recipe cifar · budget 10 epochs")
        card = opened.page.locator("#answers .card", has_text="95 % sparse").inner_text()
        for words in ("3 seeds", "the dense run's", "of 11, with 95 % confidence", "whichever of the 11 leads"):
            assert words in card
        assert "verified, on NVIDIA H100 80GB HBM3" in card
        assert "granet_s05 94.38" in card


def test_published_numbers_stand_beside_ours_and_are_tagged(browser, full):
    with Opened(browser, full) as opened:
        assert "No number that we know of" in opened.page.inner_text("#published")
        assert re.search(r"figures are kept for .*cifar10", opened.page.inner_text("#published"))
        assert not opened.page.locator("#show-published").is_visible()
        assert not opened.page.locator("#published-hint").is_visible()
        opened.page.select_option("#task", label="cifar10 · resnet50_cifar · recipe cifar · budget 10 epochs")
        row = opened.page.locator("#published tr", has_text="granet_s05").first.inner_text()
        assert "published" in row
        assert "ours" in row
        assert "best epoch chosen on the TEST set" in row
        with_them = opened.drawn("by-sparsity").locator("g.mark-symbol path").count()
        opened.page.uncheck("#show-published")
        opened.page.wait_for_function(
            f"document.querySelectorAll('#by-sparsity g.mark-symbol path').length < {with_them}"
        )


def test_the_curves_are_those_of_the_chosen_run_and_link_to_its_records(browser, full):
    with Opened(browser, full) as opened:
        opened.drawn("run-accuracy")
        opened.page.select_option("#run-row", label="gmp, 98 % (verified)")
        opened.page.select_option("#run-seed", "2")
        links = opened.page.locator("#run-record a")
        assert links.count() == 1
        target = (full.parent / links.first.get_attribute("href")).resolve()
        found = load(target)
        assert (found["method"], found["sparsity"], found["seed"]) == ("gmp", 0.98, 2)
        opened.drawn("run-density")


def test_failures_are_listed_with_their_reason(browser, full):
    with Opened(browser, full) as opened:
        text = opened.page.inner_text("#failures")
        assert "the loss became NaN at step 31" in text
        assert "no end after 600 s" in text


def test_a_link_to_a_task_opens_it(browser, full):
    with Opened(browser, full) as opened:
        title = "cifar10 · resnet50_cifar · recipe cifar · budget 10 epochs"
        opened.page.select_option("#task", label=title)
        address = opened.page.url
    with Opened(browser, full) as opened:
        opened.page.goto(address)
        opened.page.reload()
        assert opened.page.locator("#task option:checked").inner_text() == title


def test_an_empty_board_says_what_to_do(browser, tmp_path):
    with Opened(browser, write_board(tmp_path, [])) as opened:
        assert opened.page.locator("#empty").is_visible()
        assert "make bench" in opened.page.inner_text("#empty")
        assert not opened.page.locator("#board").is_visible()
        assert opened.trouble == []


def test_a_board_of_failures_only_is_readable(browser, tmp_path):
    records = [make("set", 0.9, 0, status="diverged"), make("dense", 0.0, 0)]
    with Opened(browser, write_board(tmp_path, records)) as opened:
        assert "No seed is done" in opened.page.inner_text("#answers")
        assert opened.trouble == []


def test_a_single_row_with_a_time_has_nothing_to_be_compared_with(browser, tmp_path):
    with Opened(browser, write_board(tmp_path, [make("set", 0.9, 0)])) as opened:
        assert "fewer than two" in opened.page.inner_text("#seconds-note")
        assert opened.page.locator("#seconds-note.warning").count() == 0
        assert not opened.page.locator("#by-seconds").is_visible()
        assert opened.trouble == []


def test_control_and_direction_characters_are_shown_by_number(browser, tmp_path):
    odd = make("set", 0.9, 0)
    odd["method"] = "set\u202egnp\x1b[31m\x00"
    with Opened(browser, write_board(tmp_path, [odd])) as opened:
        assert opened.column("method") == [r"set\u202egnp\u001b[31m\u0000"]
        assert opened.trouble == []


def test_a_record_cannot_put_markup_into_the_page(browser, tmp_path):
    odd = make("set", 0.9, 0, status="failed")
    odd["reason"] = "</script><script>document.title = 'taken'</script><img src=x onerror=document.title='taken'>"
    with Opened(browser, write_board(tmp_path, [odd, make("dense", 0.0, 0)])) as opened:
        assert "</script>" in opened.page.inner_text("#failures")
        assert opened.page.title() == "SparseBench leaderboard"
        assert opened.trouble == []


def test_a_page_of_ten_thousand_runs_stays_usable(browser, tmp_path):
    make_board(ten_thousand(), tmp_path)
    with Opened(browser, tmp_path / "leaderboard.html") as opened:
        opened.page.select_option("#scope", "all")
        milliseconds = opened.page.evaluate(
            """() => { const start = performance.now();
                       document.querySelector("#board th[data-name='top-1 %'] button").click();
                       const box = document.querySelector("#filter");
                       box.value = "granet"; box.dispatchEvent(new Event("input"));
                       return performance.now() - start; }"""
        )
        assert milliseconds < 1000
        assert len(opened.column("method")) == 50
        assert opened.trouble == []


def test_without_a_script_the_page_points_to_the_other_files():
    text = (Path(__file__).parent.parent / "harness" / "board" / "page" / "assets" / "page.html").read_text()
    assert "leaderboard.md" in text.split("<noscript>")[1]
