"""A domain in Python: images that are computed, one class for each number and width of rings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas import DOMAINS, Adapter, Examples

CLASSES = tuple(f"{rings} rings of {width}" for rings in (1, 2, 3, 4) for width in (1, 2, 3))
SIDE, EACH = 12, 12


@DOMAINS.register("field-rings")
class Rings(Adapter):
    """Rings by number and width, with noise."""

    modality = "image"
    licence = "CC0"
    citation = "none: generated"
    synthetic = True
    packages = ()
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        radius = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE // 2))
        noise = np.random.default_rng(0).integers(0, 40, (len(CLASSES), EACH, SIDE, SIDE))
        shapes = [(rings, width) for rings in (1, 2, 3, 4) for width in (1, 2, 3)]
        drawn = np.stack([(radius % (7 - rings) < width) * 200 for rings, width in shapes])
        x = (drawn[:, None] + noise).astype(np.uint8).reshape(-1, 1, SIDE, SIDE)
        return Examples(
            x=x,
            labels=np.arange(len(CLASSES)).repeat(EACH),
            classes=CLASSES,
            splits={"train": CLASSES[:6], "test": CLASSES[6:]},
            source="rings-1",
        )
