"""Folders of pictures shaped like ImageNet, made rather than downloaded: for tests, and to time loaders.

``python -m harness.tasks.data.files.imagenet_shaped DIR --classes 100 --train 100 --val 10`` writes one for
``dataset=imagenet dataset.root=DIR dataset.classes=100``. The sizes of pictures and files are distributed as
ImageNet's are, and so is what makes decoding slow or fast: detail at every scale, edges, a few grey,
CMYK and PNG files.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress

from harness.errors import UsageError
from harness.seeds import derive

_QUALITY = 90
_COMMON = (((500, 375), 0.45), ((375, 500), 0.13), ((500, 333), 0.12), ((333, 500), 0.06))  # the others vary
_GREY, _CMYK, _PNG = 50, 500, 500  # one picture in so many; ImageNet has fewer of the last two, but has them


class _File(NamedTuple):
    """Which picture a file is, of its class and of all."""

    place: int
    part: str
    label: int
    number: int


def write(
    folder: Path,
    *,
    classes: int,
    train: int,
    val: int,
    longer_side: int = 500,
    seed: int = 0,
    processes: int = 1,
    done: Callable[[], object] = lambda: None,
) -> None:
    """Write ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG``; the same arguments give the same pictures.

    Args:
        folder: Where to; made if need be.
        classes: Class folders of both parts; their pictures differ in colour.
        train: Pictures of each class.
        val: As ``train``.
        longer_side: Longer side of most pictures in pixels; files of 500 have about 110 kB.
        seed: Seed of all pictures.
        processes: How many to write with.
        done: Called after each picture.

    Raises:
        UsageError: The folder cannot be written to.
    """
    counts = (("train", train), ("val", val))
    named = [(part, label, i) for part, count in counts for label in range(classes) for i in range(count)]
    files = [_File(place, *name) for place, name in enumerate(named)]
    one = partial(_write_one, folder, longer_side, seed)
    try:
        for part in ("train", "val"):
            for label in range(classes):
                (folder / part / _class(label)).mkdir(parents=True, exist_ok=True)
        for _ in _each(one, files, processes):
            done()
    except OSError as error:
        raise UsageError(f"cannot write pictures to {folder}: {error}") from error


def _each(call: Callable[[_File], None], files: list[_File], processes: int) -> Iterator[None]:
    if processes == 1:
        yield from map(call, files)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(call, files, chunksize=8)


def _class(label: int) -> str:
    return f"n{label:08d}"


def _write_one(folder: Path, longer_side: int, seed: int, file: _File) -> None:
    draws = np.random.default_rng(derive(seed, file.part, file.label, file.number))
    tint = np.random.default_rng(derive(seed, "class", file.label)).integers(0, 256, 3)
    image = _picture(draws, _size(draws, longer_side), tint, _texture(longer_side, seed))
    path = folder / file.part / _class(file.label) / f"{file.part}_{file.number}.JPEG"
    if file.place % _PNG == 31:
        image.save(path, "PNG")
        return
    mode = "CMYK" if file.place % _CMYK == 13 else "L" if file.place % _GREY == 7 else "RGB"
    image.convert(mode).save(path, "JPEG", quality=_QUALITY)


def _size(draws: np.random.Generator, longer_side: int) -> tuple[int, int]:
    """Draw width and height: mostly one of four, else of any ratio from 1:2 to 2:1, up to five times as large."""
    at = draws.random()
    for (width, height), share in _COMMON:
        at -= share
        if at < 0:
            return width * longer_side // 500, height * longer_side // 500
    longer = longer_side * float(np.clip(np.exp(draws.normal(-0.2, 0.6)), 0.15, 5))
    ratio = 2 ** draws.uniform(-1, 1)
    return max(1, round(longer * min(1, ratio))), max(1, round(longer * min(1, 1 / ratio)))


def _picture(draws: np.random.Generator, size: tuple[int, int], tint: np.ndarray, texture: Image.Image) -> Image.Image:
    """Lay shapes of one texture on another, and colour both."""
    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    for _ in range(draws.integers(2, 6)):
        corners = draws.uniform(-0.2, 1.2, (int(draws.integers(3, 6)), 2)) * size
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=int(draws.integers(128, 256)))
    image = Image.composite(_cut(draws, texture, size), _cut(draws, texture, size), mask)
    return Image.blend(image, Image.new("RGB", size, tuple(int(value) for value in tint)), 0.25)


def _cut(draws: np.random.Generator, texture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Take a window of a texture; one for a larger picture is stretched, as large pictures are smoother."""
    width, height = (min(length, texture.width) for length in size)
    left, top = draws.integers(0, texture.width - width + 1), draws.integers(0, texture.height - height + 1)
    window = texture.crop((int(left), int(top), int(left) + width, int(top) + height))
    return window if window.size == size else window.resize(size, Image.Resampling.BICUBIC)


@lru_cache(maxsize=2)
def _texture(longer_side: int, seed: int) -> Image.Image:
    """Add noise of all scales, each as strong as the next, which is what photographs are made of.

    Whole numbers throughout, so that every machine makes the same pictures.
    """
    side = 1 << (2 * longer_side - 1).bit_length()
    draws = np.random.default_rng(derive(seed, "texture"))
    total = np.zeros((side, side, 3), dtype=np.int32)
    cells = 4
    while cells <= side:
        light = draws.integers(-64, 65, (cells, cells, 1))
        colours = draws.integers(-24, 25, (cells, cells, 3))
        noise = Image.fromarray((128 + light + colours).astype(np.uint8))
        total += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int32) - 128
        cells *= 2
    return Image.fromarray((128 + total * 3 // 4).clip(0, 255).astype(np.uint8))


def main(arguments: list[str] | None = None) -> int:
    """Write a folder from the command line, with a bar of what is done."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.tasks.data.files.imagenet_shaped",
        description="Write pictures shaped like ImageNet.",
    )
    parser.add_argument("folder", type=Path)
    for name, default in (("classes", 10), ("train", 100), ("val", 10), ("longer-side", 500), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args(arguments)
    for name in ("classes", "train", "val", "longer_side", "processes"):
        if getattr(given, name) < 1:
            parser.error(f"--{name.replace('_', '-')}={getattr(given, name)}: allowed are 1 and more")
    try:
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("writing", total=given.classes * (given.train + given.val))
            write(**vars(given), done=lambda: progress.advance(bar))
    except UsageError as error:
        print(f"sparsebench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
