"""From the pieces of a text to windows of its bytes: which piece is in which part, and which windows are served.

A piece is what belongs together, a file or a chapter; one of more than a hundredth of the text, or 64 KiB, is cut into
several. The hash of a piece's name decides its part, so that no byte is in two of them: a twentieth of the pieces is
for the test, a twentieth for validation. The pieces of a part are joined in the order of their names and cut into
windows that share no byte: of ``shape[0] + 1`` bytes, all but the last of which are inputs and all but the first
targets. Where a part has more windows than the settings ask for, those served are spread evenly over it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from harness.errors import UsageError
from harness.tasks.data.contents import Arrays
from harness.tasks.data.locate import Config

Pieces = Mapping[str, bytes]
"""The pieces of a text by name."""

TEST, VALIDATION, TRAINING = "test", "validation", "training"
_SHARES = {TEST: 0.05, VALIDATION: 0.05}
_PIECES, _LONGEST = 100, 2**16
_WORD = 8
_FIELDS = {TRAINING: "train_examples", VALIDATION: "val_examples", TEST: "test_examples"}


def arrays(config: Config, pieces: Pieces, where: Path | str) -> Arrays:
    """Return as many windows of a text as the settings say: uint8 [windows, ``shape[0]``], validation's last.

    Args:
        config: The resolved ``dataset`` group.
        pieces: The text.
        where: What it was read from, for a message.

    Raises:
        UsageError: A part has fewer windows, or the settings are not those of windows of bytes.
    """
    for name in ("subset", "test_subset"):
        if config.get(name):
            fewer = _FIELDS[TEST if name == "test_subset" else TRAINING]
            raise UsageError(f"dataset.{name}={config[name]}: of a text, dataset.{fewer}={config[name]} serves fewer")
    wanted = {name: config[field] for name, field in _FIELDS.items()}
    wanted[TRAINING] -= wanted[VALIDATION]
    parts = _parts(config, pieces)
    for name in parts:
        _require(config, name, len(parts[name]), wanted, where)
    found = {name: _spread(rows, wanted[name]) for name, rows in parts.items()}
    train = np.concatenate([found[TRAINING], found[VALIDATION]])
    return Arrays(*_shifted(train), *_shifted(found[TEST]))


def counts(config: Config, pieces: Pieces) -> dict[str, int]:
    """Return how many windows there are for each setting: of validation at most a twentieth, as ``val_examples``.

    Args:
        config: ``shape``, of the ``dataset`` group.
        pieces: The text.
    """
    sizes = {name: len(rows) for name, rows in _parts(config, pieces).items()}
    sizes[TRAINING] += sizes[VALIDATION]
    return {field: sizes[name] for name, field in _FIELDS.items()}


def verbatim(found: Arrays, held: int) -> int:
    """Count the test windows that stand in the training windows, joined, byte for byte.

    Args:
        found: Windows of a text, as `arrays` returns them.
        held: How many of the last training windows are for validation.
    """
    inputs, targets = (part[: len(part) - held] for part in (found.train_inputs, found.train_targets))
    text = torch.cat([inputs, targets[:, -1:]], 1).numpy().tobytes()
    rows = torch.cat([found.test_inputs, found.test_targets[:, -1:]], 1).numpy()
    size, tested = rows.shape[1], [row.tobytes() for row in rows]
    if size < _WORD:
        return sum(row in text for row in tested)
    # Compared are the places alone where the first eight bytes of some window stand.
    starts, seen = np.ascontiguousarray(rows[:, :_WORD]).view(np.uint64), set()
    for shift in range(_WORD):
        words = np.frombuffer(text, np.uint64, (len(text) - shift) // _WORD, shift)
        places = np.flatnonzero(np.isin(words, starts)) * _WORD + shift
        seen |= {text[place : place + size] for place in places.tolist()}.intersection(tested)
    return sum(row in seen for row in tested)


def read(files: Iterable[tuple[str, Path]]) -> dict[str, bytes]:
    """Return the bytes of files by name.

    Raises:
        UsageError: One cannot be read.
    """
    found = {}
    for name, path in files:
        try:
            found[name] = path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
    return found


def part_of(name: str) -> str:
    """Return the part that a piece belongs to."""
    place = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8]) / 2**64
    for part, share in _SHARES.items():
        if place < share:
            return part
        place -= share
    return TRAINING


def _cut(pieces: Pieces) -> dict[str, bytes]:
    """Return the pieces of a text with none too long: such a one becomes several, with numbers."""
    found, most = {}, min(max(sum(map(len, pieces.values())) // _PIECES, 1), _LONGEST)
    for name, text in pieces.items():
        if len(text) <= most:
            found[name] = text
        else:
            found |= {f"{name}#{at // most:04}": text[at : at + most] for at in range(0, len(text), most)}
    return found


def _parts(config: Config, pieces: Pieces) -> dict[str, np.ndarray]:
    """Return all windows of each part, uint8 [windows, ``shape[0] + 1``]."""
    (length,) = _shape(config)
    joined: dict[str, list[bytes]] = {name: [] for name in _FIELDS}
    cut = _cut(pieces)
    for name in sorted(cut):
        joined[part_of(name)].append(cut[name])
    size = length + 1
    rows = {name: np.frombuffer(b"".join(texts), dtype=np.uint8) for name, texts in joined.items()}
    return {name: text[: len(text) // size * size].reshape(-1, size) for name, text in rows.items()}


def _shape(config: Config) -> tuple[int]:
    shape = list(config["shape"])
    if len(shape) != 1 or shape[0] < 1:
        raise UsageError(f"dataset.shape={shape}: {config['name']} is served in windows, [BYTES]")
    return (shape[0],)


def _require(config: Config, part: str, there: int, wanted: Mapping[str, int], where: Path | str) -> None:
    """Refuse settings that ask for more windows of a part than there are."""
    if wanted[part] <= there:
        return
    field, size = _FIELDS[part], config["shape"][0] + 1
    allowed = f"dataset.{field}={there}"
    if part == TRAINING:  # which these are counted with
        held = wanted[VALIDATION]
        allowed = f"dataset.{field}={there + held} with dataset.val_examples={held}"
    raise UsageError(
        f"dataset.{field}={config[field]} of {config['name']} needs {wanted[part]:,} windows of {size} bytes for "
        f"{part}, but {where} has {there:,}: allowed is at most {allowed}"
    )


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[np.arange(count) * len(rows) // max(count, 1)]


def _shifted(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and the bytes that follow them."""
    windows = torch.from_numpy(rows)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
