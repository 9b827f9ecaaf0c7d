"""Files as they are on disk, with what is wanted of each: what a loader reads that decodes elsewhere."""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harness.errors import UsageError
from harness.tasks.data.files.colours import UNREADABLE
from harness.tasks.data.files.crops import Region, central_region, crop_region
from harness.tasks.data.files.pillow import Pictures
from harness.tasks.data.files.reading import Key


class EncodedSample(NamedTuple):
    """The bytes of a file, what is wanted of its picture, its label, and which sample it is."""

    content: bytes
    region: Region
    label: int
    sample: int


class EncodedBatch(NamedTuple):
    """Samples of one batch.

    Attributes:
        content: Their bytes end to end, uint8.
        lengths: Bytes of each, int64 [batch].
        regions: What is wanted of each, float32 [batch, 8] in the order of `Region`.
        labels: int64 [batch].
        samples: Which sample each is, int64 [batch].
    """

    content: Tensor
    lengths: Tensor
    regions: Tensor
    labels: Tensor
    samples: Tensor

    @classmethod
    def of(cls, samples: Sequence[EncodedSample]) -> "EncodedBatch":
        """Put samples together."""
        return cls(
            torch.frombuffer(bytearray().join(sample.content for sample in samples), dtype=torch.uint8),
            torch.tensor([len(sample.content) for sample in samples]),
            torch.tensor([sample.region for sample in samples], dtype=torch.float32),
            torch.tensor([sample.label for sample in samples]),
            torch.tensor([sample.sample for sample in samples]),
        )

    def files(self) -> tuple[Tensor, ...]:
        """Return the bytes of each file, as views."""
        return torch.split(self.content, self.lengths.tolist())

    def singles(self) -> Iterator["EncodedBatch"]:
        """Yield each sample as a batch of one."""
        rest = (part.split(1) for part in (self.lengths, self.regions, self.labels, self.samples))
        for parts in zip(self.files(), *rest, strict=True):
            yield EncodedBatch(*parts)


class Encoded(Dataset[EncodedSample | UsageError]):
    """Reads files and draws their crops, from the size in the file's header.

    What a decoder might take for something else than Pillow does is decoded by Pillow, and goes on as the bytes of
    the finished picture (PPM): PNG or CMYK under the name of JPEG, both in ImageNet, or a JPEG that has no end.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __getitem__(self, key: Key) -> EncodedSample | UsageError:
        index = key[1]
        content, region = b"", None
        try:
            with open(self._pictures.path(index), "rb") as file:
                content = file.read()
            with Image.open(io.BytesIO(content)) as header:  # reads no pixels
                if _is_plain(header, content):
                    region = self._region(key, *header.size)
        except UNREADABLE:
            pass  # Pillow will say why
        if region is None:
            try:
                content, region = self._finished(key)
            except UsageError as error:
                return error
        return EncodedSample(content, region, int(self._pictures.labels[index]), index)

    def _region(self, key: Key, width: int, height: int) -> Region:
        if self._pictures.augment:
            return crop_region(self._pictures.crop(width, height, key))
        return central_region(width, height, self._pictures.shape)

    def _finished(self, key: Key) -> tuple[bytes, Region]:
        height, width = self._pictures.shape
        content = b"P6\n%d %d\n255\n" % (width, height) + self._pictures.picture(key).tobytes()
        return content, Region(0, 0, height, width, 0, 0, height, width)


def _is_plain(header: Image.Image, content: bytes) -> bool:
    """Say whether a file is a whole JPEG in the colours that every decoder takes for the same."""
    if header.format != "JPEG" or not content.endswith(b"\xff\xd9"):
        return False
    return header.mode == "L" or (header.mode == "RGB" and header.info.get("adobe_transform") != 0)
