"""The domain `outlines`: what a series of it is, and what is left out of it."""

import numpy as np

from metanas.data.store import open_store
from tasks.outlines import CLOSE, CURVE, FONTS, LETTERS, LINE, MOVE, SPACING, STEPS, strokes


def test_a_square_is_walked_around_at_equal_steps() -> None:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], np.float64)
    codes = np.array([MOVE, LINE, LINE, LINE, CLOSE], np.uint8)
    x, y, begins = strokes(corners, codes)
    assert len(x) == 4 / SPACING
    np.testing.assert_allclose(np.abs(np.diff(x)) + np.abs(np.diff(y)), SPACING, rtol=1e-6)
    assert begins.tolist() == [1] + [0] * (len(x) - 1)
    assert (x.min(), x.max(), y.min(), y.max()) == (0, 1, 0, 1)


def test_a_circle_of_curves_and_a_hole_are_two_contours() -> None:
    bends = [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    ends = [[0, 1], [-1, 0], [0, -1], [1, 0]]
    ring = np.array(
        [[1, 0], *[p for pair in zip(bends, ends, strict=True) for p in pair], [0, 0]], np.float64
    )
    codes = np.array([MOVE, *[CURVE] * 8, CLOSE], np.uint8)
    x, y, begins = strokes(np.concatenate([ring, ring / 4]), np.concatenate([codes, codes]))
    radius = np.hypot(x, y)
    hole = int(begins.nonzero()[0][1])
    assert begins.sum() == 2 and len(x) <= STEPS
    assert (abs(radius[:hole] - 1) < 0.1).all() and (abs(radius[hole:] - 0.25) < 0.03).all()


def test_a_long_outline_fits_at_wider_steps() -> None:
    corners = np.array([[0, 0], [100, 0], [100, 100], [0, 0]], np.float64)
    x, _, _ = strokes(corners, np.array([MOVE, LINE, LINE, CLOSE], np.uint8))
    assert STEPS - 3 <= len(x) <= STEPS


def test_no_font_draws_two_classes_alike_and_fonts_are_groups() -> None:
    examples = open_store("outlines").examples
    x, labels = np.nan_to_num(np.asarray(examples.x)), np.asarray(examples.labels)
    assert x.shape == (sum(map(len, LETTERS.values())) * len(FONTS), 3, STEPS)
    for font in range(len(FONTS)):
        mine = x[np.asarray(examples.groups) == font].reshape(-1, 3 * STEPS)
        assert len(np.unique(mine, axis=0)) == len(mine) == len(examples.classes)
    assert np.bincount(labels).tolist() == [len(FONTS)] * len(examples.classes)
