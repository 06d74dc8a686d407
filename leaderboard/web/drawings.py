"""SVG drawings of the adapted architectures that a submission reports in `architecture.json`.

In: per task what the entrant wrote, checked by `bundle/choices.py`. Out: a `Drawing` of every task that
passes, made by `metanas/space/drawing.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from leaderboard.bundle.choices import Choices, Shares
from metanas.space.drawing import Values, draw
from metanas.space.overview import Chosen, families, overview, present


class Drawing(NamedTuple):
    """The adapted architecture of one task: its text form, an SVG, and the numbers it shows.

    rows: (candidate, in each layer in how many % of the episodes it was chosen and its mean probability p in
    %), or the latter alone where `counted` is False.
    """

    task: str
    text: str
    svg: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    counted: bool


class Overview(NamedTuple):
    """All tasks in one picture: an SVG, and by task the share in % of each family among the chosen nodes."""

    svg: str
    families: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def in_all(method: str, architectures: Mapping[str, Mapping[str, Any]]) -> Overview | None:
    """The overview of a method's architectures; None where nobody counted what was chosen on two tasks."""
    valid = ((task, _valid(entry)) for task, entry in architectures.items())
    tasks = [
        Chosen(task, choices.ops, choices.shares.node, choices.text)
        for task, choices in valid
        if choices is not None and choices.shares is not None
    ]
    if len(tasks) < 2:
        return None
    found = [families(chosen) for chosen in tasks]
    names = present(found)
    rows = tuple(
        (chosen.task, tuple(f"{100 * shares.get(name, 0):.1f}" for name in names))
        for chosen, shares in zip(tasks, found, strict=True)
    )
    return Overview(overview(f"Architectures of {method}", tasks), names, rows)


def drawings(method: str, architectures: Mapping[str, Mapping[str, Any]]) -> list[Drawing]:
    """The drawings of a method's architectures, which are entries of architecture.json by task.

    Left out: entries that are not valid, and those of a space with cells or without an exit in every layer.
    """
    attempts = (_drawing(method, task, entry) for task, entry in architectures.items())
    return [drawing for drawing in attempts if drawing is not None]


def _drawing(method: str, task: str, entry: Mapping[str, Any]) -> Drawing | None:
    choices = _valid(entry)
    if choices is None:
        return None
    space = choices.space()
    mean = _values(choices)
    shares = _values(choices.shares) if choices.shares else None
    svg = draw(f"{method} on {task}", space, *mean, derived=choices.text, shares=shares)
    texts = [[f"{100 * p:.1f}" for p in values] for values in _by_name(mean)]
    if shares:
        pairs = zip(_by_name(shares), texts, strict=True)
        texts = [[f"{100 * s:.1f} (p {p})" for s, p in zip(values, ps, strict=True)] for values, ps in pairs]
    names = (*choices.ops, *choices.activations, "exit")
    rows = tuple((name, tuple(values)) for name, values in zip(names, texts, strict=True))
    return Drawing(task, choices.text, svg, rows, shares is not None)


def _valid(entry: Mapping[str, Any]) -> Choices | None:
    """An entry of architecture.json whose shapes fit each other and whose candidates are known; else None."""
    try:
        choices = Choices.model_validate(entry)
        choices.space()
    except (ValidationError, ValueError, KeyError):  # KeyError: an unknown operation or activation
        return None
    return choices


def _values(choices: Choices | Shares) -> Values:
    return Values(choices.node, choices.activation, choices.depth)


def _by_name(values: Values) -> list[Sequence[float]]:
    """The values of every layer (L,), for each op, each activation and the exit."""
    return [*zip(*values.node, strict=True), *zip(*values.activation, strict=True), values.depth]
