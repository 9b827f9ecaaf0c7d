"""Published numbers: which of our rows stands beside one, and what becomes of rows that cannot be placed."""

import pytest
from boards import only_table
from records import make, resealed

from harness.board import published, reference, wording
from harness.board.board import read as read_board

HEADER = (
    "source,dataset,model,protocol,method,distribution,sparsity,top1,top1_std,train_flops_x,inference_flops_x,note\n"
)


def folder_with(tmp_path, *rows, name="papers.csv"):
    (tmp_path / name).write_text(HEADER + "".join(row + "\n" for row in rows))
    return tmp_path


def ran(distribution, sparsity=0.9):
    made = make("static", sparsity, 0)
    made["config"]["method"]["distribution"] = distribution
    return resealed(made)


@pytest.mark.parametrize("theirs", ["uniform", "erk"])
@pytest.mark.parametrize("ours", [0.9, 0.893])
def test_a_published_number_stands_beside_the_row_with_its_layer_densities(tmp_path, theirs, ours):
    table = only_table([ran("erk", 0.9), ran("uniform", ours)])
    folder = folder_with(tmp_path, f"A,digits,convnet,p,static,{theirs},0.9,88,,,,")
    (number,), _ = reference.read(folder)
    row = published.ours(number, table)
    assert row.settings["distribution"] == theirs
    assert "layer densities" not in published.difference(number, table, row)


def test_other_layer_densities_are_named_where_no_row_has_the_published_ones(tmp_path):
    table = only_table([ran("erk")])
    (number,), _ = reference.read(folder_with(tmp_path, "A,digits,convnet,p,static,uniform,0.9,88,,,,"))
    words = published.difference(number, table, published.ours(number, table))
    assert "layer densities theirs uniform, ours erk" in words


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("A,d,m,p,static,,,88,,,,", "line 2: sparsity '' is not one number in [0, 1)"),
        ("A,d,m,p,static,,0.758-0.848,88,,,,", "line 2: sparsity '0.758-0.848' is not one number in [0, 1)"),
        ("A,d,m,p,static,,90,88,,,,", "line 2: sparsity '90' is not one number in [0, 1)"),
        ("A,d,m,p,static,,0.9,,,,,", "line 2: top1 '' is not a number of per cent"),
        ("A,d,m,p,static,,0.9,88,wide,,,", "line 2: top1_std 'wide' is not a number"),
        ("A,d,m,p,static", "line 2: sparsity '' is not one number in [0, 1)"),
    ],
)
def test_a_row_that_cannot_be_placed_is_left_off_by_name(tmp_path, row, why):
    found, problems = reference.read(folder_with(tmp_path, row, "A,d,m,p,static,,0.9,88,,,,"))
    assert [number.sparsity for number in found] == [0.9]
    assert problems == [("reference/papers.csv", why)]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("published.csv", b"source,top1\n", "has no column dataset, model"),
        ("published.csv", b"\xff\xfe", "cannot be read"),
        ("renda2020.json", b"{", "cannot be read: JSONDecodeError"),
        ("renda2020.json", b'{"resnet20_iter": {}}', "cannot be read: ValueError"),
        ("renda2020.json", b'{"resnet20_iter_182.0": {"LR-rewind": {"0.8": null}}}', "cannot be read: TypeError"),
        ("renda2020.json", b'{"resnet20_iter_182.0": {"LR-rewind": {"5": 92}}}', "cannot be read: ValueError"),
        ("renda2020.json", b'{"resnet20_iter_182.0": {"LR-rewind": {"NaN": 92}}}', "cannot be read: ValueError"),
    ],
)
def test_a_damaged_file_is_left_off_by_name(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    found, problems = reference.read(tmp_path)
    assert not found
    assert problems[0].file == f"reference/{name}"
    assert problems[0].reason.startswith(why)


def test_a_board_without_published_numbers_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reference.read, "__defaults__", (tmp_path / "none",))
    board = read_board(tmp_path)
    assert board.problems == [("reference/", "no published numbers: nothing stands beside the runs")]


@pytest.mark.parametrize(
    ("note", "spread"),
    [
        ("", "std"),
        ("std column is the standard error; seeds not stated", "standard error"),
        ("std column holds half a 95 % interval", "half a 95 % interval"),
        ("three trials; the +- is the range, not a std", "range"),
    ],
)
def test_a_spread_is_called_what_it_is(tmp_path, note, spread):
    table = only_table([ran("erk")])
    (number,), _ = reference.read(folder_with(tmp_path, f"A,digits,convnet,p,static,erk,0.9,88,0.1,,,{note}"))
    assert wording.published_cells(number, table)[2] == f"88 ± 0.1 ({spread})"


def test_a_paper_may_call_a_model_by_its_other_name(tmp_path):
    (number,), _ = reference.read(folder_with(tmp_path, "A,mnist,lenet_300_100,p,static,uniform,0.9,88,,,,"))
    assert number.model == "mlp"
