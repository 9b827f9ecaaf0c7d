"""From a file of any colours to three channels of bytes: one rule, whichever loader serves the picture.

Grey is repeated, palettes are looked up, transparency is ignored, CMYK is converted as Pillow does; of 16 bits the
upper eight are kept. The orientation in EXIF is not applied, and of an animation the first frame counts. Floating-point
and 32-bit pixels have no known range and are refused.
"""

import numpy as np
from PIL import Image

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What is raised for a file that cannot be decoded, or has no meaning as a picture."""


def decoded(path: str) -> Image.Image:
    """Decode a file to RGB.

    Raises:
        One of `UNREADABLE`: It cannot be.
    """
    with Image.open(path) as file:
        return _rgb(file)


def has_wide_pixels(image: Image.Image) -> bool:
    """Say whether grey levels have 16 bits; Pillow itself keeps the upper half of colours of 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")


def reason(error: Exception) -> str:
    """Return why a file cannot be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path, which the message names already
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _rgb(image: Image.Image) -> Image.Image:
    if has_wide_pixels(image):
        levels = np.asarray(image).astype(np.int64).clip(0, 65_535) >> 8
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(f"its pixels (Pillow's mode {image.mode}) are numbers without a known range")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")  # at once it warns; the colours are the same
    return image.convert("RGB")
