"""The Reference's page of samples: test examples of the domains that need no download, as people see them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS
from metanas.data.domain import Domain
from metanas.data.store import Store
from metanas.data.suite import load_suite

SUITE = "mini-v1"
CLASSES, EACH = 5, 6  # per domain, and examples of a class
GAP, TALL = 4, 56  # pixels between two pictures; least height of one


def write(folder: Path) -> None:
    """Write samples.md and its pictures. A domain whose data is not here is named, with the reason."""
    text = "# Samples\n\n*This page is generated from the data.* Rows are meta-test classes.\n\n"
    suite = load_suite(SUITE)
    for name in suite.domains:
        synthetic = " (synthetic)" if DOMAINS[name].synthetic else ""
        text += f"## {name}: {DOMAINS[name].modality}{synthetic}\n\n"
        try:
            text += _samples(name, Domain.open(name, None, suite.of(name)).store, folder)
        except (DataError, ModuleNotFoundError) as error:
            text += f"Not shown, since its data was not there when this page was built: {error}\n\n"
    (folder / "samples.md").write_text(text, encoding="utf-8")


def _samples(name: str, store: Store, folder: Path) -> str:
    examples, rows = store.examples, []
    for label in examples.splits["test"][:CLASSES]:
        of_class = np.flatnonzero(examples.labels == examples.classes.index(label))
        rows.append((label, of_class[:EACH]))
    if texts := store.extra.get("text"):
        lines = [f"| {label} | {', '.join(texts[i] for i in of_class)} |\n" for label, of_class in rows]
        return "| class | examples |\n| --- | --- |\n" + "".join(lines) + "\n"
    pictures = [[_picture(examples.x[i]) for i in of_class] for _, of_class in rows]
    Image.fromarray(_sheet(pictures)).save(folder / f"{name}.png")
    classes = ", ".join(f"`{label}`" for label, _ in rows)
    what = "Time from left to right, pitch from bottom to top. " if examples.x.ndim == 3 else ""
    return f"![examples of {name}]({name}.png)\n\n{what}Classes from top to bottom: {classes}.\n\n"


def _picture(x: NDArray[np.generic]) -> NDArray[np.uint8]:
    """An image (C, H, W), or log-mel bands (F, T) with NaN in padding, as (H, W, 3)."""
    if x.ndim == 2:
        known = np.nan_to_num(x.astype(np.float32), nan=float(np.nanmin(x)))
        scaled = (known - known.min()) / max(float(np.ptp(known)), 1e-6)
        x = (255 * scaled[None, ::-1]).astype(np.uint8)
    shown = np.broadcast_to(x, (3, *x.shape[1:])) if len(x) == 1 else x[:3]
    times = -(-TALL // shown.shape[1])
    return np.ascontiguousarray(shown.transpose(1, 2, 0).repeat(times, 0).repeat(times, 1)).astype(np.uint8)


def _sheet(rows: list[list[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Pictures of one size side by side and below each other, on white."""
    height, width, _ = rows[0][0].shape
    columns = max(map(len, rows))
    sheet = np.full((len(rows) * (height + GAP), columns * (width + GAP), 3), 255, np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            y, x = r * (height + GAP), c * (width + GAP)
            sheet[y : y + height, x : x + width] = picture
    return sheet
