"""Independent random streams from one seed."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """Return the seed (63 bits) of the stream called ``names`` under ``seed``.

    Streams are independent of each other and of the order in which they are made, so adding one stream never
    changes another; a hash rather than ``hash()``, which Python salts anew in each process.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
