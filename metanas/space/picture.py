"""A drawing of one discrete architecture as SVG, layers from left to right. Torch-free.

A chain: one box per layer in the colour of the op's family, with the activation below the op. A cell: its
two inputs at the left, one row per node, and the operations as labelled edges. An arc marks a residual
connection, a wedge a halved feature map. `drawing.py` draws the probabilities of a search instead.
"""

from collections.abc import Iterator
from html import escape

from metanas.space.architecture import Architecture, Layer, Node
from metanas.space.drawing import colour

WIDE, HIGH, GAP, TOP, LEFT, CELL = 118, 46, 58, 92, 26, 520
INK, SOFT, LINE = "#1b1f24", "#57606a", "#8c959f"


def picture(architecture: Architecture, title: str = "") -> str:
    """The SVG text of an architecture. Its description is the text form, and so is its title by default."""
    is_chain = isinstance(architecture.layers[0], Node)
    body = list(_chain(architecture) if is_chain else _cells(architecture))
    num_layers = len(architecture.layers)
    if is_chain:
        width = 2 * LEFT + 2 * 64 + num_layers * (WIDE + GAP) + GAP
        height = TOP + HIGH + 58
    else:
        width = 2 * LEFT + num_layers * CELL
        height = TOP + 74 * len(architecture.layers[0].graph) + 60
    width = max(width, 2 * LEFT + 7 * len(str(architecture)))
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif">',
        f"<title>{escape(title or str(architecture))}</title><desc>{escape(str(architecture))}</desc>",
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        f'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 28, title or "Architecture", 15, weight=600, anchor="start"),
        _text(LEFT, 47, str(architecture), 11, fill=SOFT, anchor="start"),
    ]
    foot = f"{architecture.channels} channels; a wedge halves the feature map"
    foot += "; arcs add a layer's input to its output" if architecture.residual else ""
    return "\n".join(
        [*head, *body, _text(LEFT, height - 14, foot, 10, fill=SOFT, anchor="start"), "</svg>\n"]
    )


def _chain(architecture: Architecture) -> Iterator[str]:
    middle, x = TOP + HIGH / 2, LEFT
    yield from _end(x, middle, "stem")
    x += 64
    for i, layer in enumerate(architecture.layers):
        yield _arrow(x, middle, x + GAP, middle)
        x += GAP
        yield from _box(x, TOP, WIDE, HIGH, layer.graph[0][0].op, _act(layer))
        if architecture.residual:
            yield _arc(x - 15, middle, x + WIDE + 17, TOP - 20)
        x += WIDE
        if i in architecture.reductions:
            yield _wedge(x + 25, middle)
    yield _arrow(x, middle, x + GAP, middle)
    yield from _end(x + GAP, middle, "head")


def _cells(architecture: Architecture) -> Iterator[str]:
    for index, layer in enumerate(architecture.layers):
        left = LEFT + index * CELL
        positions = {0: (left + 24.0, TOP + 24.0), 1: (left + 24.0, TOP + 74.0)}
        for source, name in ((0, "in"), (1, "in before")):
            x, y = positions[source]
            yield _dot(x, y)
            yield _text(x, y - 14, name, 10, fill=SOFT)
        for i, edges in enumerate(layer.graph):
            x, y = left + 160 + 84.0 * i, TOP + 24 + 74.0 * i
            positions[2 + i] = (x, y)
            for rank, edge in enumerate(edges):
                from_x, from_y = positions[edge.source]
                detour = 56 * max(0, i + 1 - edge.source) if edge.source > 1 else 0  # around nodes between
                bend = from_y + (y - from_y) * 0.5 - 26 + 44 * rank - detour
                middle_x = (from_x + x) / 2
                yield (
                    f'<path d="M{from_x:.0f} {from_y:.0f}Q{middle_x:.0f} {bend:.0f} {x - 8:.0f} {y:.0f}" '
                    f'fill="none" stroke="{colour(edge.op)}" stroke-width="2.2" marker-end="url(#tip)"/>'
                )
                yield _text(middle_x, 0.25 * from_y + 0.5 * bend + 0.25 * y - 4, edge.op, 10.5, halo=True)
            yield _dot(x, y)
            yield _text(x, y + 20, _act(layer) or "identity", 10, fill=SOFT, halo=True)
        x, middle = left + 424.0, TOP + 60.0
        for node in list(positions)[2:]:
            yield _arrow(positions[node][0] + 8, positions[node][1], x, middle)
        yield from _box(x, middle - 16, 42, 32, "mean", "")
        yield _arrow(x + 42, middle, left + CELL - 8, middle)
        if architecture.residual:
            yield _arc(left + 8, TOP + 24, x + 54, TOP - 22, to_y=middle)
        if index in architecture.reductions:
            yield _wedge(x + 62, middle)


def _act(layer: Layer) -> str:
    return "" if layer.activation == "identity" else layer.activation


def _box(x: float, y: float, width: float, height: float, name: str, note: str) -> Iterator[str]:
    fill = colour(name) if name != "mean" else "#ffffff"
    yield (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="9" fill="{fill}" '
        f'fill-opacity="0.16" stroke="{fill if name != "mean" else LINE}" stroke-width="1.8"/>'
    )
    middle = y + height / 2
    yield _text(x + width / 2, middle + (-2 if note else 5), name, 14 if name != "mean" else 11, weight=600)
    if note:
        yield _text(x + width / 2, middle + 15, note, 11.5, fill=SOFT)


def _end(x: float, middle: float, name: str) -> Iterator[str]:
    yield (
        f'<rect x="{x:.0f}" y="{middle - 17:.0f}" width="64" height="34" rx="17" fill="#f6f8fa" '
        f'stroke="{LINE}"/>'
    )
    yield _text(x + 32, middle + 4, name, 12, fill=SOFT)


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    return (
        f'<path d="M{x:.0f} {y:.0f}L{to_x - 2:.0f} {to_y:.0f}" stroke="{LINE}" stroke-width="1.6" '
        'fill="none" marker-end="url(#tip)"/>'
    )


def _arc(x: float, middle: float, to_x: float, top: float, to_y: float | None = None) -> str:
    end = middle if to_y is None else to_y
    return (
        f'<path d="M{x:.0f} {middle:.0f}V{top + 8:.0f}Q{x:.0f} {top:.0f} {x + 8:.0f} {top:.0f}H{to_x - 8:.0f}'
        f'Q{to_x:.0f} {top:.0f} {to_x:.0f} {top + 8:.0f}V{end - 3:.0f}" stroke="{LINE}" '
        'stroke-width="1.3" stroke-dasharray="4 3" fill="none" marker-end="url(#tip)"/>'
    )


def _wedge(x: float, middle: float) -> str:
    return (
        f'<path d="M{x:.0f} {middle - 14:.0f}L{x + 11:.0f} {middle - 6:.0f}V{middle + 6:.0f}'
        f'L{x:.0f} {middle + 14:.0f}z" fill="#d0d7de" stroke="{LINE}"><title>halved</title></path>'
    )


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="6" fill="{INK}"/>'


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    fill: str = INK,
    weight: int = 400,
    anchor: str = "middle",
    halo: bool = False,
) -> str:
    paint = ' paint-order="stroke" stroke="#ffffff" stroke-width="4"' if halo else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}"{paint}>{escape(text)}</text>'
    )
