"""malloc settings for training: freed memory stays with the process.

glibc returns blocks of more than some hundred kilobytes to the system at once, so that every large tensor
costs a page fault per 4 KB: a fifth of a meta-gradient's time, a third where feature maps are large.
"""

import ctypes
import sys

_GIB = 2**30
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8  # parameters of mallopt(3)


def keep_freed_memory() -> None:
    """Allocate every block on the heap and keep up to 2 GiB of freed heap; without glibc nothing happens.

    Blocks that are mapped one by one (above 32 MiB, whatever the threshold) would all be returned.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2 * _GIB - 1})  # the largest int


def return_freed_memory() -> None:
    """Map blocks above 1 MiB one by one, for a server with many threads; without glibc nothing happens.

    By itself glibc raises that limit to the largest block that was freed, and keeps an arena per thread.
    """
    _set({_MMAP_THRESHOLD: 2**20, _TRIM_THRESHOLD: 2**20, _ARENA_MAX: 2})


def _set(parameters: dict[int, int]) -> None:
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in parameters.items():
            mallopt(parameter, value)
