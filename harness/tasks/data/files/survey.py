"""What the files of an image folder are like: looked at one by one, by as many processes as there are cores."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from PIL import Image

from harness.tasks.data.contents import ImageList
from harness.tasks.data.files import soundness
from harness.tasks.data.files.colours import UNREADABLE, decoded, has_wide_pixels, reason

_CHUNK = 512  # files that a process looks at before it reports
_ORIENTATION = 0x0112  # EXIF's tag; 1 is upright


@dataclass
class Findings:
    """What was found in some files.

    Attributes:
        formats: Files by what they are, whatever their names end in.
        modes: Files by Pillow's word for their colours.
        oddities: Files by what is done to them without being said elsewhere: rotation in EXIF, transparency, 16 bits,
            more than one frame.
        sizes: Width and height of each.
        broken: Path and reason of each that cannot be served.
        digests: sha256 of each file by its path; empty unless all was decoded.
        levels: Per-image means of the levels and of their squares, in [0, 1], summed, [2, 3]; of decoded files.
        decoded: How many were decoded.
    """

    formats: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    oddities: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    levels: np.ndarray = field(default_factory=lambda: np.zeros((2, 3)))
    decoded: int = 0

    def add(self, other: "Findings") -> None:
        """Add what was found in other files."""
        for name in ("formats", "modes", "oddities", "digests"):
            getattr(self, name).update(getattr(other, name))
        self.sizes += other.sizes
        self.broken += other.broken
        self.levels += other.levels
        self.decoded += other.decoded

    def normalisation(self) -> tuple[list[float], list[float]] | None:
        """Return mean and standard deviation of each channel, every image counting alike; None if none was decoded."""
        if not self.decoded:
            return None
        mean, square = self.levels / self.decoded
        return mean.tolist(), np.sqrt(np.maximum(square - mean**2, 0)).tolist()


def look(images: ImageList, *, full: bool, processes: int | None = None) -> Findings:
    """Look at every file of a list.

    Args:
        images: The files.
        full: Decode all rather than read headers, hash them and measure their levels.
        processes: How many to use; one for each core by default.
    """
    paths = list(soundness.paths(images))
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    found = Findings()
    workers = min(processes or len(os.sched_getaffinity(0)), len(chunks))
    if workers < 2:
        _gather(found, map(partial(_look, full=full), chunks))
    else:
        with ProcessPoolExecutor(workers) as pool:
            _gather(found, pool.map(partial(_look, full=full), chunks))
    return found


def repeated(train: Findings, test: Findings) -> list[tuple[str, str]]:
    """Return each test file whose content is also a training file's, with that file."""
    known = {digest: path for path, digest in train.digests.items()}
    return [(path, known[digest]) for path, digest in test.digests.items() if digest in known]


def _gather(found: Findings, parts: Iterable[Findings]) -> None:
    for part in parts:
        found.add(part)


def _look(paths: Sequence[str], *, full: bool) -> Findings:
    found = Findings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata and large pictures: they are served all the same
        for path in paths:
            _look_at(found, path, full)
    return found


def _look_at(found: Findings, path: str, full: bool) -> None:
    why = soundness.fault(path)
    if why is None:
        try:
            with Image.open(path) as image:
                _note_header(found, image)
            if full:
                _note_content(found, path)
        except UNREADABLE as error:
            why = reason(error)
    if why is not None:
        found.broken.append((path, why))


def _note_header(found: Findings, image: Image.Image) -> None:
    found.formats[image.format or "unknown"] += 1
    found.modes[image.mode] += 1
    found.sizes.append(image.size)
    for what, is_so in (
        ("turned by EXIF, served as stored", image.getexif().get(_ORIENTATION, 1) != 1),
        ("transparent, served without", "A" in image.mode or "transparency" in image.info),
        ("of 16 bits, upper 8 kept", has_wide_pixels(image)),
        ("of several frames, first one served", getattr(image, "n_frames", 1) > 1),
    ):
        if is_so:
            found.oddities[what] += 1


def _note_content(found: Findings, path: str) -> None:
    levels = np.asarray(decoded(path), dtype=np.float64) / 255
    found.levels += np.stack([levels.mean((0, 1)), (levels**2).mean((0, 1))])
    found.decoded += 1
    with open(path, "rb") as file:
        found.digests[path] = hashlib.file_digest(file, "sha256").digest()
