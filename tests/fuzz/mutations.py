"""What a stranger might hand in: records changed at random, as values, in their structure, and as bytes."""

import copy
import json
import math

VALUES = [
    *(None, True, False, "", "x", [], {}, [[]], [None], [{}], {"name": None}, {"": {}}),
    *(0, -1, 2**31, 2**63, -(10**30), 10**400, 0.1, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf),
    *("=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "<script>alert(1)</script>", "[x](javascript:alert(1))", "a\nb"),
    *("\x1b[31m", "\x07", "\x00", "\u202e", "\ud800", "<!-- results:end -->", "1e999", "../../etc/passwd", "١"),
    *({"batches": 1}, {"kind": "n:m", "n": 2, "m": 4}, {"maskable": 1, "forward_flops": 0}, "eJwDAAAAAAE="),
    *("a" * 100_000, [1e308] * 3, ["x"] * 50, {"__class__": 1}),
]
NAMES = ["probe", "pattern", "reference", "reaches", "budget_share", "gradient", "x", "name", "=1", "\n", "a" * 500]
CONTENTS = [b"", b"null", b"[]", b"1e999", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b"\xef\xbb\xbf{}"]


def changed(record, draw):
    """Return a record with one to five places changed."""
    made = copy.deepcopy(record)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        places = [place for place in _places(made) if place]
        place = draw.choice(places)
        *outer, last = place
        parent = _at(made, outer)
        match draw.randrange(6):
            case 0 if isinstance(parent, dict):
                del parent[last]
            case 1 if isinstance(parent, dict):
                parent[draw.choice(NAMES)] = copy.deepcopy(draw.choice(VALUES))
            case 2 if isinstance(parent, list):
                parent.append(copy.deepcopy(draw.choice(VALUES)))
            case 3 if isinstance(parent[last], int | float):
                value = parent[last]
                parent[last] = draw.choice((value + 1, -value, value * 2, value // 3, value * 10**17))
            case 4:
                parent[last] = copy.deepcopy(_at(made, draw.choice(places)))
            case _:
                parent[last] = copy.deepcopy(draw.choice(VALUES))
    return made


def content(record, draw):
    """Return a file's content: a changed record, one time in four damaged as bytes too."""
    text = json.dumps(changed(record, draw), ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
    at = draw.randrange(len(text))
    match draw.randrange(12):
        case 0:
            return text[:at] + bytes([draw.randrange(256)]) + text[at + 1 :]
        case 1:
            return text[:at]
        case 2:
            return draw.choice([*CONTENTS, b"[1," + text + b"]"])
    return text


def _places(value, place=()):
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, part in items:
        yield from _places(part, (*place, key))


def _at(value, place):
    for key in place:
        value = value[key]
    return value
