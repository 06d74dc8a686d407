"""Shared parts of all charts: colours, fonts, and how a Vega-Lite specification becomes an SVG. No torch.

A chart is a function from plain rows to a specification (a dict of JSON values), one file each in this
folder. Pages draw it in the browser; papers, static sites and readers without JavaScript get the SVG that
`svg` makes through vl-convert. The same rows give the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]
Theme = Literal["light", "dark"]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # an identifier, never fetched

WIDTH = 640  # pixels of an SVG whose chart fills its container on a page

# Okabe and Ito (2008): distinguishable for colour-blind readers.
BLUE, ORANGE, GREEN, PINK, VERMILION, SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
PALETTE = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)
_INK = {"light": ("#16202a", "#5a6672", "#d8dee4"), "dark": ("#e6ebf0", "#a3afba", "#36424d")}


def figure(title: str, summary: str, rows: Rows, **rest: Any) -> Spec:
    """A specification with its data inline. summary: the text for screen readers. rest: Vega-Lite fields."""
    return {
        "$schema": SCHEMA,
        "title": {"text": title, "anchor": "start"},
        "description": summary,
        "data": {"values": [dict(row) for row in rows]},
        **rest,
    }


def config(theme: Theme) -> Spec:
    """Vega-Lite's `config` for a light or a dark page; the background is the page's own."""
    ink, soft, line = _INK[theme]
    label = {"labelColor": soft, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "mark": {"aria": False},  # the picture as a whole has a description, and its numbers a table
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "title": {"color": ink, "fontSize": 14, "fontWeight": 600, "offset": 12},
        "axis": {**label, "titleFontWeight": 400, "gridColor": line, "domainColor": soft, "tickColor": soft},
        "legend": {**label, "labelLimit": 240},
        "header": label,
        "view": {"stroke": None},
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": soft},
        "range": {"category": list(PALETTE), "symbol": list(SHAPES)},
    }


def svg(spec: Spec, theme: Theme = "light") -> str:
    """The picture as an SVG text with a title and a description for screen readers."""
    import vl_convert

    size = {"width": WIDTH} if spec.get("width") == "container" else {}
    drawing: str = vl_convert.vegalite_to_svg({**spec, **size, "config": config(theme)})
    numbered = dict.fromkeys(re.findall(r'id="([a-z]+_?)(\d+)"', drawing))  # counted per process: renumber
    for i, (word, number) in enumerate(numbered):
        drawing = re.sub(rf"{word}{number}(?=[\")])", f"{word}-{i}", drawing)
    head, _, rest = drawing.partition(">")
    words = f"<title>{escape(spec['title']['text'])}</title><desc>{escape(spec['description'])}</desc>"
    return f'{head} role="img">{words}{rest}\n'
