"""outlines: letters as pen strokes, the outlines of 151 letters in the 16 fonts that matplotlib brings.

The modality is `series`: the pen goes once around every contour of a letter; channels are x and y in units
of the font's em, and 1 where a contour begins. Points are 1/16 em apart along the outline, or farther where
`STEPS` of them would not reach around; shorter ones are padded. Cyrillic is for meta-training, Greek for
meta-validation, Latin for meta-testing. Letters with accents are left out, and Greek and Cyrillic ones that
some font draws exactly as a letter of the scripts before: a class would be in two splits.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.episode import Split

STYLES = {
    "DejaVuSans": ("", "-Bold", "-Oblique", "-BoldOblique"),
    "DejaVuSansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
    "DejaVuSerif": ("", "-Bold", "-Italic", "-BoldItalic"),
    "STIXGeneral": ("", "Bol", "Italic", "BolIta"),
}
FONTS = tuple(family + style for family, styles in STYLES.items() for style in styles)
LETTERS: dict[Split, str] = {
    "train": "ЂЄЉЊЋЏБДЖЗИЛУФЦЧШЩЪЫЬЭЮЯбвгджзлмнфцчшщъыьэюяђєљњћџѢѣѲѳҐґ",
    "val": "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμνξπρςστυφχψωϘϙϚϛϝϞϟϠϡ",
    "test": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}
STEPS, SPACING = 128, 1 / 16  # points, and how far apart they are in em
MOVE, LINE, CURVE, CLOSE = 1, 2, 3, 79  # matplotlib's codes of a path; CURVE has two points
CUTS = 16  # straight pieces of a curve

Outline = tuple[
    NDArray[np.int32], NDArray[np.uint8]
]  # points (P, 2) in units of the font, and their codes (P,)


@DOMAINS.register("outlines")
class Outlines(Adapter):
    """Outlines of letters in 16 fonts as pen strokes, from matplotlib; Cyrillic, Greek and Latin split."""

    modality = "series"
    licence = "DejaVu Fonts (Bitstream Vera, Arev); STIX Fonts"
    citation = "DejaVu Fonts 2.37; STIX Fonts 1.1; both as matplotlib ships them"
    synthetic = False
    packages = ("matplotlib",)
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        letters = "".join(LETTERS.values())
        x = np.full((len(letters), len(FONTS), 3, STEPS), np.nan, np.float32)
        read = hashlib.sha256()
        for font, (em, outlines) in enumerate(_fonts(letters)):
            for number, (points, codes) in enumerate(outlines):
                read.update(points.astype("<i4").tobytes() + codes.tobytes())
                series = strokes(points / em, codes)
                x[number, font, :, : series.shape[1]] = series
        return Examples(
            x=x.reshape(-1, 3, STEPS),
            labels=np.arange(len(letters)).repeat(len(FONTS)),
            classes=tuple(letters),
            splits={split: tuple(names) for split, names in LETTERS.items()},
            source=read.hexdigest(),
            groups=np.tile(np.arange(len(FONTS)), len(letters)),
        )


def _fonts(letters: str) -> Iterator[tuple[int, list[Outline]]]:
    """The units of an em of every font, and the outlines of the letters in it."""
    import matplotlib
    from matplotlib.ft2font import FT2Font, LoadFlags

    for name in FONTS:
        font: Any = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf")
        outlines = []
        for letter in letters:
            font.load_char(ord(letter), flags=LoadFlags.NO_SCALE)  # in whole units, on every machine the same
            points, codes = font.get_path()  # in 64ths
            outlines.append((np.rint(points * 64).astype(np.int32), np.asarray(codes, np.uint8)))
        yield font.units_per_EM, outlines


def strokes(points: NDArray[np.float64], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pen's way around an outline as a series (3, steps): x, y, and 1 where a contour begins.

    points (P, 2) in em and their codes (P,) are a path of matplotlib.
    """
    contours = [_straightened(points[part], codes[part]) for part in _contours(codes)]
    lengths = [np.hypot(*np.diff(contour, axis=0).T).cumsum() for contour in contours]
    total = sum(float(length[-1]) for length in lengths)
    spacing = max(SPACING, total / (STEPS - len(contours)))
    parts = []
    for contour, length in zip(contours, lengths, strict=True):
        at = np.arange(0, length[-1], spacing)
        way = np.concatenate([[0.0], length])
        x, y = (np.interp(at, way, contour[:, axis]) for axis in (0, 1))
        parts.append(np.stack([x, y, at == 0]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _contours(codes: NDArray[np.uint8]) -> list[slice]:
    """Where each contour of a path lies in it."""
    starts = np.flatnonzero(codes == MOVE)
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(codes)], strict=True)]


def _straightened(points: NDArray[np.float64], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The corners (P, 2) of one closed contour whose curves are cut into straight pieces."""
    corners, at = [points[:1]], 1
    share = np.linspace(0, 1, CUTS + 1)[1:, None]
    while at < len(codes):
        if codes[at] == CURVE:
            start, bend, end = corners[-1][-1], points[at], points[at + 1]
            corners.append((1 - share) ** 2 * start + 2 * share * (1 - share) * bend + share**2 * end)
            at += 2
        else:
            corners.append(points[:1] if codes[at] == CLOSE else points[at : at + 1])
            at += 1
    return np.concatenate(corners)
