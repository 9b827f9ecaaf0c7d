"""The board as files: the same bytes from the same records, made when needed, whatever a file holds."""

import copy
import json
import random
import re

import pytest
from boards import of
from hypothesis import given, settings
from hypothesis import strategies as st
from records import GPU, board, make

from harness.board import Board, aggregate, build, csv_text, markdown, reference, results_table, stamp, update
from harness.board import make as make_board
from harness.board.page import html as page
from harness.board.page import picture
from harness.board.standing import words
from harness.errors import UsageError
from harness.records import load_files, record_name, write
from harness.reproduce import sheets


def write_all(folder, records):
    for each in records:
        write(each, folder / record_name(each))


def test_files_that_are_not_records_are_named_and_the_rest_of_the_board_is_made(tmp_path):
    write_all(tmp_path / "records", board(seeds=(0,)))
    (tmp_path / "records" / "torn.json").write_text('{"schema": 1')
    summary = make_board(tmp_path / "records", tmp_path)
    assert [problem.file for problem in summary.problems] == ["torn.json"]
    text = (tmp_path / "leaderboard.md").read_text()
    assert "torn.json" in text
    assert "granet_s0" in text
    assert "torn.json" in (tmp_path / "leaderboard.html").read_text()


def test_the_board_is_the_same_to_the_byte_and_is_not_touched_when_nothing_changed(tmp_path):
    records = [*board(), make("set", 0.9, 7, status="timeout"), make("rigl", 0.9, 0, runner="docker", gpu=GPU)]
    write_all(tmp_path / "a" / "records", records)
    random.Random(3).shuffle(records)
    write_all(tmp_path / "b" / "records", records)
    for folder in ("a", "b"):
        make_board(tmp_path / folder / "records", tmp_path / folder)
    made = {path.name: path for path in (tmp_path / "a").iterdir() if path.is_file()}
    assert set(made) == {*build.FILES, stamp.NAME}
    for name, path in made.items():
        assert path.read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    before = {name: path.stat().st_mtime_ns for name, path in made.items()}
    made[stamp.NAME].unlink()  # so that it is computed again
    make_board(tmp_path / "a" / "records", tmp_path / "a")
    assert before | {stamp.NAME: 0} == {name: path.stat().st_mtime_ns for name, path in made.items()} | {stamp.NAME: 0}


def test_a_board_that_is_up_to_date_is_not_computed(tmp_path, monkeypatch):
    write_all(tmp_path / "records", board(seeds=(0,)))
    (tmp_path / "records" / "torn.json").write_text('{"schema": 1')
    (tmp_path / "README.md").write_text("<!-- results:start -->\n<!-- results:end -->\n")
    everything = (tmp_path / "records", tmp_path, [tmp_path / "README.md"])
    made = make_board(*everything)
    assert made.problems
    assert "granet" in (tmp_path / "README.md").read_text()

    def never(folder):
        raise AssertionError("computed")

    with monkeypatch.context() as patched:
        patched.setattr(build, "read", never)
        assert make_board(*everything) == made
        for change in (
            lambda: (tmp_path / "leaderboard.csv").write_text("edited"),
            lambda: (tmp_path / "README.md").write_text("<!-- results:start -->\nold\n<!-- results:end -->\n"),
            (tmp_path / "pareto.svg").unlink,
            lambda: (tmp_path / "records" / "torn.json").write_text("{"),
            lambda: (tmp_path / stamp.NAME).write_text("[]"),
        ):
            change()
            with pytest.raises(AssertionError, match="computed"):
                make_board(*everything)
            patched.undo()
            make_board(*everything)
            patched.setattr(build, "read", never)
            make_board(*everything)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(board(seeds=(0, 1), sparsities=(0.9,))), unique_by=id, max_size=12), st.randoms())
def test_the_order_of_the_records_does_not_matter(records, rng):
    shuffled = list(records)
    rng.shuffle(shuffled)
    assert markdown(of(records)) == markdown(of(shuffled))
    assert csv_text(of(records)) == csv_text(of(shuffled))


def test_no_records_make_an_empty_board_that_says_what_to_do(tmp_path):
    summary = make_board(tmp_path / "none", tmp_path)
    assert (summary.records, summary.tables) == (0, 0)
    assert "No records yet" in (tmp_path / "leaderboard.md").read_text()
    assert (tmp_path / "leaderboard.csv").read_text().startswith("dataset,model,recipe")
    assert results_table([]).startswith("No results yet")


def test_the_page_links_to_reproductions_that_lie_beside_it(tmp_path):
    (tmp_path / "records").mkdir()

    def address():
        make_board(tmp_path / "records", tmp_path)
        text = (tmp_path / "leaderboard.html").read_text()
        return json.loads(re.search(r'<script[^>]* id="data">(.*?)</script>', text, re.DOTALL)[1])["reproductions"]

    assert address() == ""
    (tmp_path / build.REPRODUCTIONS).write_text("")
    assert address() == build.REPRODUCTIONS == sheets.FILES[-1]
    (tmp_path / build.REPRODUCTIONS).unlink()
    assert address() == ""


def test_an_output_that_cannot_be_written_is_told_in_a_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write the board to"):
        make_board(tmp_path, tmp_path / "file" / "deep")


def test_readme_is_changed_only_between_its_markers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Top\n<!-- results:start -->\nold\n<!-- results:end -->\nbottom\n")
    assert update(readme, {"results": "new | table"})
    assert readme.read_text() == "# Top\n<!-- results:start -->\n\nnew | table\n\n<!-- results:end -->\nbottom\n"
    assert not update(readme, {"results": "new | table"})
    readme.write_text("# no markers\n")
    with pytest.raises(UsageError, match="results:start"):
        update(readme, {"results": "x"})
    readme.write_text("<!-- results:start -->\n")
    with pytest.raises(UsageError, match="and no <!-- results:end -->"):
        update(readme, {"results": "x"})


def test_a_document_gets_what_it_has_markers_for(tmp_path):
    write_all(tmp_path / "records", board())
    readme, details = tmp_path / "README.md", tmp_path / "details.md"
    readme.write_text("<!-- standing:start --><!-- standing:end -->\n")
    details.write_text("<!-- results:start --><!-- results:end -->\n")
    make_board(tmp_path / "records", tmp_path, [readme, details])
    assert words.NONE in readme.read_text()
    assert "| rigl" not in readme.read_text()
    assert "| rigl" in details.read_text()


def test_ten_thousand_records_make_a_board_of_a_page_that_opens(ten_thousand, tmp_path):
    summary = make_board(ten_thousand, tmp_path)
    assert summary.records == 10_000
    assert (tmp_path / "leaderboard.html").stat().st_size < 10e6


def test_no_change_of_one_value_makes_the_board_crash(tmp_path):
    """Whatever a stranger hands in, it is either no record or on the board."""
    original, draw = make("granet", 0.9, 0), random.Random(11)

    def places(value, prefix=()):
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, part in items:
            yield (*prefix, key)
            yield from places(part, (*prefix, key))

    everywhere = list(places(original))
    for number in range(300):
        odd = copy.deepcopy(original)
        place = draw.choice(everywhere)
        inner = odd
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = draw.choice([None, 0, -1, 1.5, "x", [], {}, [{}], 10**30, True])
        (tmp_path / f"{number}.json").write_text(json.dumps(odd))
    files, problems = load_files(tmp_path)
    assert files
    assert problems
    made = Board(files, aggregate.tables(files), reference.read()[0], problems)
    assert csv_text(made)
    assert markdown(made)
    assert page.html(made, "records")
    assert picture.pareto(made)
    assert results_table(files.values())
