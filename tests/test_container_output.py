"""What a container prints: events for the display, lines for the log, and nothing that could do harm."""

import json

import pytest

from harness.containers import output
from harness.containers.output import Output
from harness.machine import logs


@pytest.fixture
def taken(tmp_path):
    """Feed pieces to an `Output`; returns the events and the log."""

    def take(*pieces, on_event=None):
        events = []
        log = tmp_path / "log.txt"
        with Output(on_event or events.append, log) as out:
            for piece in pieces:
                out.feed(piece)
        return events, log.read_text()

    return take


def test_events_and_lines_are_told_apart_wherever_the_pieces_are_cut(taken):
    whole = b'{"event": "progress", "step": 3}\nhello\n{"not": "an event"}\n{broken\nlast'
    for size in (1, 7, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        events, log = taken(*pieces)
        assert events[0] == {"event": "progress", "step": 3}
        assert [event.get("text") for event in events[1:]] == ["hello", '{"not": "an event"}', "{broken", "last"]
        assert log.endswith('hello\n{"not": "an event"}\n{broken\nlast\n')


def test_escape_sequences_do_not_reach_the_terminal(taken):
    events, log = taken(b"\x1b[2J\x1b]0;title\x07evil\xc2\x9b31m\r\n")
    assert "\x1b" not in log
    assert events == [{"event": "log", "text": "]0;titleevil31m"}]


def test_an_event_that_the_display_cannot_use_is_a_line(taken):
    def display(event):
        if event["event"] == "progress":
            event["step"] + 1

    _, log = taken(b'{"event": "progress"}\n{"event": "progress", "step": "x"}\nok\n', on_event=display)
    assert log == '{"event": "progress"}\n{"event": "progress", "step": "x"}\nok\n'


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


def test_a_line_without_end_is_not_kept_in_memory(taken, monkeypatch):
    monkeypatch.setattr(output, "LONGEST_LINE", 10)
    events, _ = taken(*[b"abcdefgh"] * 10)
    assert "".join(event["text"] for event in events) == "abcdefgh" * 10
    assert len(events) > 1


def test_deeply_nested_json_is_a_line(taken):
    events, _ = taken(b'{"event":' + b"[" * 20000 + b"\n")
    assert events[0]["event"] == "log"
    assert json.dumps(events[0])
