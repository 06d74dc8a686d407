"""An SVG chart of architecture probabilities, one column per layer. Torch-free.

Each layer shows the probability of every candidate op and activation as a bar, the largest opaque, and the
probability of its exit below. Bars have one colour per family of ops, from the colour-blind-safe palette of
Okabe and Ito (2008). `picture.py` draws a discrete architecture instead.
"""

from collections.abc import Sequence
from html import escape

from metanas.space.families import OTHER, family
from metanas.space.space import SearchSpace

COLOURS = {
    "convolution": "#0072B2",
    "pooling": "#E69F00",
    "recurrent": "#009E73",
    "attention": "#CC79A7",
    "fully connected": "#D55E00",
    "skip or none": "#999999",
    OTHER: "#555555",
}
ROW, COLUMN, LABEL, BAR, LEFT = 17, 236, 74, 106, 24  # pixels


def colour(op: str) -> str:
    """The colour of an op's family, as #rrggbb."""
    return COLOURS[family(op)]


def draw(
    title: str,
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
    text: str,
) -> str:
    """The SVG text for the probabilities node (L * E, O), activation (L, A), depth (X,).

    Op probabilities are averaged over the E edges of a layer. text: the derived architecture, a caption.
    """
    rows = len(space.ops) + len(space.activations)
    width, height = LEFT * 2 + COLUMN * space.layers, 150 + rows * ROW
    elements = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title><desc>Derived: {escape(text)}</desc>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 26, title, size=16, weight=600),
        _text(LEFT, 46, f"derived: {text}", fill="#444"),
    ]
    for layer in range(space.layers):
        x = LEFT + COLUMN * layer
        elements.append(_text(x, 76, f"layer {layer + 1}", weight=600))
        if layer:
            elements.append(f'<path d="M{x - 26} 72h12m-4 -4l4 4l-4 4" fill="none" stroke="#666"/>')
        edges = node[layer * space.edges : (layer + 1) * space.edges]
        shares = [sum(column) / space.edges for column in zip(*edges, strict=True)]
        elements += _bars(x, 88, space.ops, shares, [colour(op) for op in space.ops])
        y = 98 + ROW * len(space.ops)
        elements += _bars(x, y, space.activations, activation[layer], ["#444444"] * len(space.activations))
        if layer in space.exits:
            share, exit_y = depth[space.exits.index(layer)], y + 10 + ROW * len(space.activations)
            elements += _bars(x, exit_y, ["exit"], [share], ["#000000"])
    return "\n".join([*elements, "</svg>\n"])


def _bars(x: int, y: int, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> list[str]:
    maximum = max(values)
    elements = []
    for i, (name, value, fill) in enumerate(zip(names, values, colours, strict=True)):
        top, is_maximum = y + i * ROW, value == maximum
        weight = 700 if is_maximum else 400
        elements.append(_text(x, top + 12, name, weight=weight))
        opacity = "1" if is_maximum else "0.45"
        elements.append(
            f'<rect x="{x + LABEL}" y="{top + 3}" width="{max(1.0, BAR * value):.1f}" height="11" rx="2" '
            f'fill="{fill}" fill-opacity="{opacity}"/>'
        )
        end = x + LABEL + BAR * value
        elements.append(_text(round(end + 4, 1), top + 12, f"{100 * value:.0f}", weight=weight, fill="#444"))
    return elements


def _text(x: float, y: float, text: str, *, size: int = 12, weight: int = 400, fill: str = "#111") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
    )
