"""Publishing into folders that a stranger has prepared, and records with what only a stranger would write."""

import os

import pytest
from records import make
from test_publish import contents, publish

from harness.errors import UsageError
from harness.records import record_name, write

pytest.importorskip("pyarrow", reason="needs the extra publish")

import pandas as pd


@pytest.fixture
def output(tmp_path):
    place = tmp_path / "results"
    for record in (make("rigl", 0.9), make("set", 0.9)):
        write(record, place / "records" / record_name(record))
    return place


@pytest.mark.parametrize(
    "left",
    [os.mkfifo, lambda path: path.write_text("[" * 100_000), lambda path: path.mkdir(), lambda path: path.touch()],
    ids=["pipe", "nested", "folder", "empty"],
)
def test_a_list_of_files_that_is_none_is_refused(output, tmp_path, left):
    (tmp_path / "out").mkdir()
    left(tmp_path / "out" / "published.json")
    with pytest.raises(UsageError, match="holds no publication"):
        publish("--to", tmp_path / "out", f"output={output}")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["published.json"]


def test_nothing_is_written_or_removed_through_a_link(output, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "old.json").write_text("theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "records").symlink_to(elsewhere)
    (tmp_path / "out" / "published.json").write_text('{"records/old.json": {"sha256": ""}}')
    with pytest.raises(UsageError, match="its records is a link to another place"):
        publish("--to", tmp_path / "out", f"output={output}")
    assert contents(elsewhere) == {"old.json": b"theirs"}


def test_names_with_markup_and_counts_beyond_64_bits_are_published(output, tmp_path):
    record = make("gmp", 0.9)
    record["dataset"] = "<script>\n# all verified |"
    record["cost"]["train_flops"] = 3 * 10**20
    write(record, output / "records" / record_name(record))
    publish("--to", tmp_path / "out", f"output={output}")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "<script>" not in card
    assert "\n# all verified" not in card
    assert "all verified \\|" in card
    assert pd.read_parquet(tmp_path / "out" / "runs.parquet")["train_flops"].max() == 3e20
