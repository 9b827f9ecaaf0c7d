"""Bytes of a kept network: as it is packed, compressed, and as it would be without masks."""

import hashlib

from harness.networks.packing import unpack
from harness.networks.tensors import content

LEVEL = 3
"""Of zstd: its default. Mantissas of trained weights hardly compress at any level."""


def sizes(kept: bytes) -> dict[str, int | str]:
    """Return the ``network`` of a deployment.

    Args:
        kept: The content of the file of a kept network.

    Returns:
        The file's SHA-256 and ``bytes``; ``zstd_bytes`` of it compressed; ``dense_bytes`` of every tensor in its own
        shape, zeros included, as a safetensors file, and ``dense_zstd_bytes`` of that compressed.
    """
    import zstandard  # of the extra `train`, as torch is

    dense = content(unpack(kept).state())
    squeeze = zstandard.ZstdCompressor(level=LEVEL).compress
    return {
        "sha256": hashlib.sha256(kept).hexdigest(),
        "bytes": len(kept),
        "zstd_bytes": len(squeeze(kept)),
        "dense_bytes": len(dense),
        "dense_zstd_bytes": len(squeeze(dense)),
        "zstd_level": LEVEL,
    }
