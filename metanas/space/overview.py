"""An SVG chart of a method's architectures on all its tasks: a bar a task, of which families its layers are.

`drawing.py` draws each task in full. Torch-free.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metanas.space.drawing import COLOURS, LEFT, head, text
from metanas.space.families import family

LABEL, BAR, ROW, TEXTS = 170, 330, 26, 380  # pixels
PALE = ("pooling", "attention", "skip or none")  # families whose colour wants dark figures
SAID = 0.08  # least share that has room for its figure


class Chosen(NamedTuple):
    """A task: how often each op was chosen, node (L * E, O) shares over `ops`; the derived architecture."""

    task: str
    ops: Sequence[str]
    node: Sequence[Sequence[float]]
    derived: str


def overview(title: str, tasks: Sequence[Chosen]) -> str:
    """The SVG text: a row a task, the share of each family among all nodes that the chosen exits reach."""
    width, height = 2 * LEFT + LABEL + BAR + TEXTS, 100 + ROW * len(tasks)
    shares = [families(chosen) for chosen in tasks]
    elements = [
        *head(width, height, title, "; ".join(f"{chosen.task}: {chosen.derived}" for chosen in tasks)),
        *_legend(present(shares)),
        text(LEFT + LABEL, 84, "share of the chosen nodes, %", size=11, fill="#444"),
        text(LEFT + LABEL + BAR + 16, 84, "most frequent candidates", size=11, fill="#444"),
    ]
    for i, (chosen, of_task) in enumerate(zip(tasks, shares, strict=True)):
        y = 92 + i * ROW
        elements.append(text(LEFT, y + 14, chosen.task))
        elements += _bar(LEFT + LABEL, y, of_task)
        elements.append(text(LEFT + LABEL + BAR + 16, y + 14, chosen.derived, size=11, fill="#444"))
    return "\n".join([*elements, "</svg>\n"])


def families(chosen: Chosen) -> dict[str, float]:
    """The share of every family that was chosen at all, in the order of COLOURS; they sum to 1."""
    found = dict.fromkeys(COLOURS, 0.0)
    for row in chosen.node:
        for op, share in zip(chosen.ops, row, strict=True):
            found[family(op)] += share
    total = sum(found.values()) or 1.0
    return {name: share / total for name, share in found.items() if share > 0}


def present(shares: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """The families that any of the tasks chose, in the order of COLOURS."""
    return tuple(name for name in COLOURS if any(name in of_task for of_task in shares))


def _legend(names: Sequence[str]) -> list[str]:
    elements, x = [], LEFT
    for name in names:
        elements.append(f'<rect x="{x}" y="42" width="11" height="11" rx="2" fill="{COLOURS[name]}"/>')
        elements.append(text(x + 16, 52, name, fill="#444"))
        x += 34 + 7 * len(name)
    return elements


def _bar(x: float, y: int, shares: dict[str, float]) -> list[str]:
    elements = []
    for name, share in shares.items():
        width = BAR * share
        elements.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" fill="{COLOURS[name]}" '
            f'stroke="#ffffff"><title>{name}: {100 * share:.0f} %</title></rect>'
        )
        if share >= SAID:
            figure = f"{100 * share:.0f}"
            ink = "#111" if name in PALE else "#ffffff"
            elements.append(text(round(x + width / 2 - 3.5 * len(figure), 1), y + 13, figure, fill=ink))
        x += width
    return elements
