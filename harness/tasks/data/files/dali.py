"""Batches of images that NVIDIA DALI decodes: on the GPU for CUDA, in threads on a CPU."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

import numpy as np
import torch
from nvidia.dali import Pipeline, fn
from nvidia.dali.types import DALIDataType
from torch import Tensor

from harness.budget.epoch import largest_batch
from harness.errors import UsageError
from harness.tasks.data.files.crops import Shape
from harness.tasks.data.files.encoded import Encoded, EncodedBatch
from harness.tasks.data.files.pillow import FileBatches
from harness.tasks.data.files.reading import Reading
from methods.parts.transfer import moved

_AHEAD = 2  # batches in the pipeline
_MOST_THREADS = 16  # each holds memory of the GPU, and these decode faster than a GPU trains


class _Source:
    """Hands batches to the pipeline, and holds them until their pictures are out: it reads them where they lie."""

    def __init__(self) -> None:
        self.held: deque[tuple[EncodedBatch, Any]] = deque()
        self.unreadable: str | None = None
        self._batches: Iterator[EncodedBatch] = iter(())

    def begin(self, batches: Iterator[EncodedBatch]) -> None:
        self._batches = batches

    def __call__(self) -> Any:
        try:
            batch = next(self._batches)
        except UsageError as error:
            self.unreadable = str(error)  # for later: batches before this one are still to come out
            raise StopIteration from None
        box, part = batch.regions.numpy()[:, :4].astype(np.int32), batch.regions.numpy()[:, 4:]
        pairs = [np.ascontiguousarray(pair) for of in (box, part) for pair in (of[:, :2], of[:, 2:])]
        inputs = ([file.numpy() for file in batch.files()], *pairs)
        self.held.append((batch, inputs))
        return inputs


class _Decoder:
    """A pipeline from files to pictures.

    Args:
        batch_size: Files of the largest batch.
        target: Height and width of a picture in pixels.
        device: Where pictures are wanted.
    """

    def __init__(self, batch_size: int, target: Shape, device: torch.device) -> None:
        cuda = device.type == "cuda"
        self._source = _Source()
        self._pipeline = Pipeline(
            batch_size=batch_size,
            num_threads=min(len(os.sched_getaffinity(0)), _MOST_THREADS),
            device_id=(torch.cuda.current_device() if device.index is None else device.index) if cuda else None,
            prefetch_queue_depth=_AHEAD,
        )
        with self._pipeline:
            files, corner, shape, begin, end = fn.external_source(
                source=self._source,
                num_outputs=5,
                batch=True,
                no_copy=True,
                dtype=[DALIDataType.UINT8, *2 * [DALIDataType.INT32], *2 * [DALIDataType.FLOAT]],
                ndim=1,
            )
            decoded = fn.decoders.image_slice(
                files,
                device="mixed" if cuda else "cpu",
                start=corner,
                shape=shape,
                axis_names="HW",
                adjust_orientation=False,  # Pillow does not turn pictures either
                jpeg_fancy_upsampling=True,  # of colours on a GPU, as on a CPU and in Pillow
                affine=False,  # runs that share a machine would tie their threads to the same cores
            )
            # Linear with antialiasing is Pillow's "bilinear"; a part from right to left comes out mirrored.
            pictures = fn.resize(decoded, size=list(target), roi_start=begin, roi_end=end, antialias=True)
            self._pipeline.set_outputs(pictures)
        self._pipeline.build()

    def decode(self, batches: Iterator[EncodedBatch]) -> Iterator[tuple[Tensor, EncodedBatch]]:
        """Yield pictures, uint8 [batch, height, width, 3] on the device, with what they were made of.

        After an error, or left before its end, the pipeline is of no more use.

        Raises:
            UsageError: A file could not be read.
            RuntimeError: One of `held` could not be decoded.
        """
        self._source.begin(batches)
        self._pipeline.schedule_run()
        while True:
            try:
                (pictures,) = self._pipeline.share_outputs()
            except StopIteration:
                self._pipeline.reset()
                break
            yield torch.from_dlpack(pictures.as_tensor()), self._source.held.popleft()[0]
            self._pipeline.release_outputs()
            self._pipeline.schedule_run()
        if self._source.unreadable is not None:
            raise UsageError(self._source.unreadable)

    @property
    def held(self) -> list[EncodedBatch]:
        """The batches that went in and have not come out."""
        return [batch for batch, _ in self._source.held]


class _InUse:
    """Holds pictures until the GPU has read them: DALI takes memory back once nobody holds it.

    Leaving it waits for those that are left, also where an epoch is left in the middle.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[torch.cuda.Event, Tensor]] = deque()

    def hold(self, pictures: Tensor) -> None:
        """Hold pictures until what has been launched so far is done."""
        event = torch.cuda.Event()
        event.record()
        self._held.append((event, pictures))
        if len(self._held) > _AHEAD:
            self._release()

    def _release(self) -> None:
        event, _ = self._held.popleft()
        event.synchronize()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._held:
            self._release()


class DaliBatches(FileBatches):
    """Serves the same crops of the same files in the same order as `FolderBatches`, decoded by DALI.

    Worker processes read files and draw crops. DALI decodes what lies in the crop and no more; on CUDA it does so on
    the device, where the pictures stay. They differ from Pillow's by how decoders and filters round: a fifth of a
    grey level on average.
    A worker reads some 5,000 images a second.
    """

    def _read(self) -> Reading[Any, Any]:
        return self._reading_of(Encoded(self._pictures), EncodedBatch.of)

    def picks(self, index: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches of epoch ``index`` from step ``start`` on, normalised already; see `Batches.picks`.

        Raises:
            UsageError: If an image cannot be read.
        """
        # Workers are started before the pipeline: they are forked without its threads. They end with the epoch even
        # where the traceback of an error holds on to what was going on.
        with closing(self._reading.epoch(index, start, self.share)) as batches:
            # One an epoch: it is made in an instant, and one that was left in the middle still has batches of that.
            decoder = self._pipeline_for(largest_batch(self.samples, self.batch_size))
            with _InUse() as in_use:
                for pictures, labels in self._decoded(decoder, batches):
                    inputs = self._normalise(pictures.permute(0, 3, 1, 2))
                    if self._device.type == "cuda":
                        in_use.hold(pictures)
                    yield inputs, moved(labels, self._device)

    def _pipeline_for(self, batch_size: int) -> _Decoder:
        return _Decoder(batch_size, self._pictures.shape, self._device)

    def _decoded(self, decoder: _Decoder, batches: Iterator[EncodedBatch]) -> Iterator[tuple[Tensor, Tensor]]:
        try:
            for pictures, batch in decoder.decode(batches):
                yield pictures, batch.labels
        except RuntimeError:
            self._name_the_undecodable(decoder.held)
            raise

    def _name_the_undecodable(self, batches: list[EncodedBatch]) -> None:
        """Raise the error of the file that DALI failed at, which it does not name, if it was one."""
        decoder = self._pipeline_for(1)
        for single in (single for batch in batches for single in batch.singles()):
            try:
                list(decoder.decode(iter([single])))
            except RuntimeError as error:
                index = int(single.samples)
                self._pictures.picture((0, index))  # Pillow's reason is the better one
                said = str(error).partition("encountered:")[2].split("\n")
                reason = f"DALI says {next(filter(None, said), 'nothing')!r}; loader=torchvision can"
                raise UsageError(f"cannot read the image {self._pictures.path(index)}: {reason}") from error
