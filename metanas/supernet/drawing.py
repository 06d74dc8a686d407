"""A derived architecture and the choices behind it as an SVG, one column per layer.

Every layer shows its candidates as bars, the strongest dark; the depth share of its exit stands below.
Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart, one per family of ops.
"""

from collections.abc import Sequence
from html import escape

from metanas.supernet.families import OTHER, family
from metanas.supernet.space import SearchSpace

COLOURS = {
    "convolution": "#0072B2",
    "pooling": "#E69F00",
    "recurrent": "#009E73",
    "attention": "#CC79A7",
    "fully connected": "#D55E00",
    "skip or none": "#999999",
    OTHER: "#555555",
}
ROW, COLUMN, LABEL, BAR, LEFT = 17, 236, 74, 106, 24


def colour(op: str) -> str:
    """The colour of an op's family."""
    return COLOURS[family(op)]


def draw(
    title: str,
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
    text: str,
) -> str:
    """The drawing of one task's mean adapted probabilities: node (L * E, O), activation (L, A), depth (X,).

    Of a cell's E edges the mean is shown.
    """
    rows = len(space.ops) + len(space.activations)
    width, height = LEFT * 2 + COLUMN * space.layers, 150 + rows * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title><desc>Derived: {escape(text)}</desc>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 26, title, size=16, weight=600),
        _text(LEFT, 46, f"derived: {text}", fill="#444"),
    ]
    for layer in range(space.layers):
        x = LEFT + COLUMN * layer
        parts.append(_text(x, 76, f"layer {layer + 1}", weight=600))
        if layer:
            parts.append(f'<path d="M{x - 26} 72h12m-4 -4l4 4l-4 4" fill="none" stroke="#666"/>')
        edges = node[layer * space.edges : (layer + 1) * space.edges]
        shares = [sum(column) / space.edges for column in zip(*edges, strict=True)]
        parts += _bars(x, 88, space.ops, shares, [colour(op) for op in space.ops])
        y = 98 + ROW * len(space.ops)
        parts += _bars(x, y, space.activations, activation[layer], ["#444444"] * len(space.activations))
        if layer in space.exits:
            share, below = depth[space.exits.index(layer)], y + 10 + ROW * len(space.activations)
            parts += _bars(x, below, ["exit"], [share], ["#000000"])
    return "\n".join([*parts, "</svg>\n"])


def _bars(x: int, y: int, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> list[str]:
    best = max(values)
    parts = []
    for i, (name, value, fill) in enumerate(zip(names, values, colours, strict=True)):
        top, strongest = y + i * ROW, value == best
        weight = 700 if strongest else 400
        parts.append(_text(x, top + 12, name, weight=weight))
        opacity = "1" if strongest else "0.45"
        parts.append(
            f'<rect x="{x + LABEL}" y="{top + 3}" width="{max(1.0, BAR * value):.1f}" height="11" rx="2" '
            f'fill="{fill}" fill-opacity="{opacity}"/>'
        )
        end = x + LABEL + BAR * value
        parts.append(_text(round(end + 4, 1), top + 12, f"{100 * value:.0f}", weight=weight, fill="#444"))
    return parts


def _text(x: float, y: float, text: str, *, size: int = 12, weight: int = 400, fill: str = "#111") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
    )
