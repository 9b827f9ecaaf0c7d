"""The page in a real browser: its table sorts, filters and pages, its answers and links hold, nothing takes it over."""

import re
from pathlib import Path

import pytest
from pages import NARROW, WIDE, Opened, write_board
from records import METHODS, board, make

from harness.board import make as make_board
from harness.board.build import REPRODUCTIONS
from harness.records import load
from harness.reproduce import sheets


def test_a_press_on_a_heading_sorts_best_first_and_another_turns_it_round(browser, full):
    with Opened(browser, full) as opened:
        opened.page.select_option("#page-size", "100")
        opened.page.click("#board th[data-name='score'] button")
        downward = [float(re.match(r"[\d.]+", text)[0]) for text in opened.column("top-1 %")]
        assert len(downward) > 30
        assert downward == sorted(downward, reverse=True)
        assert opened.page.get_attribute("#board th[data-name='score']", "aria-sort") == "descending"
        opened.page.click("#board th[data-name='score'] button")
        upward = [float(re.match(r"[\d.]+", text)[0]) for text in opened.column("top-1 %")]
        assert upward == sorted(downward)
        opened.page.click("#board th[data-name='method'] button")
        assert opened.column("method") == sorted(opened.column("method"))


def test_the_page_leads_to_the_reproductions_beside_it_and_back(browser, tmp_path):
    (tmp_path / REPRODUCTIONS).write_text("")
    path = write_board(tmp_path, board(runner="docker"))
    sheets.write([], tmp_path)
    with Opened(browser, path) as opened:
        opened.page.click("#reproductions a")
        assert opened.page.url == (tmp_path / REPRODUCTIONS).as_uri()
        opened.page.click("a")
        assert opened.page.url == path.as_uri()
        (tmp_path / REPRODUCTIONS).unlink()
        make_board(tmp_path / "records", tmp_path)
        opened.page.reload()
        assert opened.page.is_hidden("#reproductions")
        assert opened.trouble == []


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
        assert "No answer from local runs at 90 %, 95 %, 98 %: this table ranks verified rows." in note
        opened.page.select_option("#mark", "verified")
        assert opened.page.locator("#answers .card").count() == 3
        assert not opened.page.locator("#answers-hidden").is_visible()


def test_a_table_of_local_rows_answers_for_them(browser, tmp_path):
    records = [*board(seeds=(0, 1, 2), sparsities=(0.9,)), *board(seeds=(0, 1), sparsities=(0.95,))]
    with Opened(browser, write_board(tmp_path, records)) as opened:
        assert opened.page.inner_text("#local").startswith("No method has a result from a container")
        opened.page.select_option("#mark", "local")
        assert opened.page.locator("#answers h3").all_inner_texts() == ["At 90 % sparse", "At 95 % sparse"]
        opened.page.select_option("#mark", "verified")
        assert opened.page.locator("#answers h3").all_inner_texts() == ["At 95 % sparse"]  # where no method is ranked
        note = opened.page.inner_text("#answers-hidden")
        assert note == "No answer from verified runs at 90 %: this table ranks local rows."


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
        assert "With fewer than 4 tasks no standing is computed" in opened.page.inner_text("#standing-about")
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
        opened.drawn("run-score")
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


def test_a_page_of_ten_thousand_runs_stays_usable(browser, ten_thousand, tmp_path):
    make_board(ten_thousand, tmp_path)
    with Opened(browser, tmp_path / "leaderboard.html") as opened:
        opened.page.select_option("#scope", "all")
        milliseconds = opened.page.evaluate(
            """() => { const start = performance.now();
                       document.querySelector("#board th[data-name='score'] button").click();
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
