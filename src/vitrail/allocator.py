"""How the C library hands out large blocks of memory."""

from __future__ import annotations

import ctypes
import os

# Parameters of mallopt(3).
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
# Blocks of so many bytes are mapped on their own: an image plane of a tile, not what a network
# computes with, of which there are thousands a tile.
LARGE = 16 << 20
# Free memory that is kept for the next block.
KEPT = 256 << 20


def give_back_large_blocks() -> None:
    """Let this process give memory back to the system as soon as a large block is free.

    By default glibc learns from the first freed blocks to carve even those of 32 MB out of its
    heap, whose holes stay with the process: its peak then grows with the number of tiles. Torch is
    told to ask for huge pages, which makes up for the time that mapping takes; it must not have
    been used before. What the environment says of either counts first, and without glibc its part
    is left out.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGE)
        mallopt(TRIM_THRESHOLD, KEPT)
