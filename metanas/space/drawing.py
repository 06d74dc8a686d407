"""An SVG chart of adapted architectures, one column per layer. Torch-free.

Each layer shows in what share of the episodes every candidate op and activation was the strongest, as a bar,
the largest opaque, and below how often the network ended there. A layer after the exit is not computed, so a
layer's bars sum to the share of the episodes that reach it. Where the choices are soft, a small figure gives
the mean probability, which is the bar where nobody counted the episodes. Bars have one colour per family of
ops, from the colour-blind-safe palette of Okabe and Ito (2008). `picture.py` draws a discrete architecture
instead.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

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
ROW, COLUMN, LABEL, BAR, LEFT = 17, 250, 74, 106, 24  # pixels
SMALL = LABEL + BAR + 34  # where the small figures begin
SAME = 0.005  # mean probabilities that differ less from the shares are not shown


class Values(NamedTuple):
    """One value per candidate: node (L * E, O), activation (L, A), depth (X,)."""

    node: Sequence[Sequence[float]]
    activation: Sequence[Sequence[float]]
    depth: Sequence[float]


def colour(op: str) -> str:
    """The colour of an op's family, as #rrggbb."""
    return COLOURS[family(op)]


def draw(
    title: str,
    space: SearchSpace,
    node: Sequence[Sequence[float]],
    activation: Sequence[Sequence[float]],
    depth: Sequence[float],
    derived: str,
    *,
    shares: Values | None = None,
) -> str:
    """The SVG text for the mean probabilities node (L * E, O), activation (L, A), depth (X,).

    Ops are averaged over the E edges of a layer. derived: the most frequent architecture, a
    caption. shares: of the episodes in which each candidate was the strongest (`decoding.shares`); None:
    nobody counted.
    """
    mean = Values(node, activation, depth)
    bars, small = (mean, None) if shares is None else (shares, mean if _differ(shares, mean) else None)
    rows = len(space.ops) + len(space.activations)
    width, height = LEFT * 2 + COLUMN * space.layers, 168 + rows * ROW
    elements = [
        *head(width, height, title, f"Derived: {derived}"),
        text(LEFT, 46, f"most frequent: {derived}", fill="#444"),
        text(LEFT, 64, _legend(shares is not None, small is not None), size=11, fill="#444"),
    ]
    for layer in range(space.layers):
        x = LEFT + COLUMN * layer
        elements.append(text(x, 94, f"layer {layer + 1}", weight=600))
        if layer:
            elements.append(f'<path d="M{x - 26} 90h12m-4 -4l4 4l-4 4" fill="none" stroke="#666"/>')
        y = 106
        beside = None if small is None else _column(space, small, layer)
        for i, (names, values) in enumerate(_column(space, bars, layer)):
            colours = [colour(op) for op in names] if i == 0 else [("#444444", "#000000")[i - 1]] * len(names)
            elements += _bars(x, y, names, values, colours, None if beside is None else beside[i][1])
            y += ROW * len(names) + 10
    return "\n".join([*elements, "</svg>\n"])


def _column(space: SearchSpace, values: Values, layer: int) -> list[tuple[Sequence[str], Sequence[float]]]:
    """Names and values of a layer: its ops, its activations, and its exit if it has one."""
    edges = values.node[layer * space.edges : (layer + 1) * space.edges]
    ops = [sum(column) / space.edges for column in zip(*edges, strict=True)]
    found: list[tuple[Sequence[str], Sequence[float]]] = [
        (space.ops, ops),
        (space.activations, values.activation[layer]),
    ]
    if layer in space.exits:
        found.append((["exit"], [values.depth[space.exits.index(layer)]]))
    return found


def _differ(a: Values, b: Values) -> bool:
    """Whether the probabilities say more than the shares: somewhere one is above what was ever chosen."""
    pairs = [(a.depth, b.depth), *zip([*a.node, *a.activation], [*b.node, *b.activation], strict=True)]
    computed = [(x, y) for x, y in pairs if sum(x) > 1 - SAME]  # layers after an exit have no shares
    return any(abs(p - q) > SAME for x, y in computed for p, q in zip(x, y, strict=True))


def _legend(counted: bool, soft: bool) -> str:
    if not counted:
        return "bars: mean probability of each candidate, in %"
    words = "bars: in how many % of the episodes it was chosen"
    return f"{words} (the strongest); p: its mean probability, in %" if soft else words


def _bars(
    x: int,
    y: int,
    names: Sequence[str],
    values: Sequence[float],
    colours: Sequence[str],
    beside: Sequence[float] | None,
) -> list[str]:
    maximum = max(values)
    elements = []
    for i, (name, value, fill) in enumerate(zip(names, values, colours, strict=True)):
        top, is_maximum = y + i * ROW, value == maximum and value > 0
        weight = 700 if is_maximum else 400
        elements.append(text(x, top + 12, name, weight=weight))
        opacity = "1" if is_maximum else "0.45"
        elements.append(
            f'<rect x="{x + LABEL}" y="{top + 3}" width="{max(1.0, BAR * value):.1f}" height="11" rx="2" '
            f'fill="{fill}" fill-opacity="{opacity}"/>'
        )
        end = x + LABEL + BAR * value
        elements.append(text(round(end + 4, 1), top + 12, f"{100 * value:.0f}", weight=weight, fill="#444"))
        if beside is not None:
            elements.append(text(x + SMALL, top + 12, f"p {100 * beside[i]:.0f}", size=10, fill="#555"))
    return elements


def head(width: int, height: int, title: str, summary: str) -> list[str]:
    """The first elements of a drawing on white: size in pixels, title, and a summary for screen readers."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title><desc>{escape(summary)}</desc>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(LEFT, 26, title, size=16, weight=600),
    ]


def text(x: float, y: float, words: str, *, size: int = 12, weight: int = 400, fill: str = "#111") -> str:
    """A text element; the words are escaped."""
    look = f'font-size="{size}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x}" y="{y}" {look}>{escape(words)}</text>'
