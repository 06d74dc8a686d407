"""Text as token ids. Bytes need no vocabulary, so nothing of the test classes can leak into one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BYTES = 257  # 256 byte values, shifted by one; 0 is padding


def encode_bytes(texts: Sequence[str], width: int) -> NDArray[np.int32]:
    """UTF-8 bytes + 1, cut or padded with 0 to `width`: (n, width)."""
    ids = np.zeros((len(texts), width), np.int32)
    for row, text in zip(ids, texts, strict=True):
        raw = np.frombuffer(text.encode()[:width], np.uint8)
        row[: len(raw)] = raw.astype(np.int32) + 1
    return ids
