"""What a container prints: events for the display, lines for the log, and nothing that could do harm."""

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.cli.display import Display
from harness.containers import output
from harness.containers.output import Output
from harness.events import NUMBERS, read
from harness.machine import logs

PROGRESS = {"event": "progress", "evaluated": True, "val_accuracy": 0.5} | dict.fromkeys(NUMBERS, 0)


@pytest.fixture
def taken(tmp_path):
    """Feed pieces to an `Output`; returns the events and the log."""

    def take(*pieces, **options):
        events = []
        log = tmp_path / "log.txt"
        with Output(events.append, log, **options) as out:
            for piece in pieces:
                out.feed(piece)
        return events, log.read_text()

    return take


def test_events_and_lines_are_told_apart_wherever_the_pieces_are_cut(taken):
    whole = json.dumps(PROGRESS).encode() + b'\nhello\n{"not": "an event"}\n{broken\nlast'
    for size in (1, 7, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        events, log = taken(*pieces)
        assert events[0] == PROGRESS
        assert [event.get("text") for event in events[1:]] == ["hello", '{"not": "an event"}', "{broken", "last"]
        assert log.endswith('hello\n{"not": "an event"}\n{broken\nlast\n')


def test_escape_sequences_do_not_reach_the_terminal(taken):
    events, log = taken(b"\x1b[2J\x1b]0;title\x07evil\xc2\x9b31m\r\n")
    assert "\x1b" not in log
    assert events == [{"event": "log", "text": "]0;titleevil31m"}]


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "log"}',
        '{"event": "log", "text": 3}',
        '{"event": "waiting"}',
        '{"event": ["progress"]}',
        '{"event": "progress"}',
        *(json.dumps({**PROGRESS, name: wrong}) for name in PROGRESS for wrong in ("x", [], math.nan, 10**400)),
        json.dumps({**PROGRESS, "progress": 1.5}),
        json.dumps({**PROGRESS, "step": True}),
    ],
)
def test_an_event_that_no_display_could_use_is_a_line(taken, line):
    events, log = taken(f"{line}\n".encode())
    assert events == [{"event": "log", "text": line}]
    assert log == f"{line}\n"


@given(st.fixed_dictionaries({name: st.floats() | st.integers() for name in NUMBERS}), st.data())
def test_every_event_that_is_passed_on_can_be_shown(figures, data):
    with Display(Console(file=io.StringIO(), force_terminal=True)) as bars, bars.run("a run") as show:
        for figure in (PROGRESS, PROGRESS | figures | {"progress": data.draw(st.floats(0, 1))}):
            if (event := read(json.dumps(figure))) is not None:
                show(event)


def test_a_flood_is_cut(taken, monkeypatch):
    monkeypatch.setattr(output, "SHOWN_LINES", 3)
    monkeypatch.setattr(logs, "LARGEST", 1000)
    monkeypatch.setattr(logs, "KEPT", 100)
    events, log = taken(b"line of ten\n" * 1000 + b"the end\n")
    assert len(events) == 3
    assert "alone)" in events[-1]["text"]
    assert log.startswith("(earlier output was dropped: the log was full)\n")
    assert log.endswith("line of ten\nthe end\n")
    assert len(log) < 1200


def test_a_line_without_end_is_not_kept_in_memory(taken):
    events, _ = taken(*[b"abcdefgh"] * 10, longest=10)
    assert "".join(event["text"] for event in events) == "abcdefgh" * 10
    assert len(events) > 1


@pytest.mark.parametrize(("whole", "length"), [(False, output.LONGEST_SHOWN), (True, 50_000)])
def test_a_long_line_is_shown_in_part_and_heard_whole_on_request(taken, whole, length):
    (event,), log = taken(b"x" * 50_000 + b"\n", whole=whole)
    assert event["text"] == "x" * length
    assert log == "x" * 50_000 + "\n"


def test_deeply_nested_json_is_a_line(taken):
    events, _ = taken(b'{"event":' + b"[" * 20000 + b"\n")
    assert events[0]["event"] == "log"
    assert json.dumps(events[0])
