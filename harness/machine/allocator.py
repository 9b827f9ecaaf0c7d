"""Keeps freed memory in the process while it trains: the C library returns none of it to the kernel."""

import ctypes

# Of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Have this process keep freed memory for its next allocation.

    A training step allocates and frees the same hundreds of megabytes each time. By default glibc returns large ones to
    the kernel, which hands them out again page by page, zeroed: a sixth of a ResNet-20 step on a CPU. Nothing
    happens where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)
