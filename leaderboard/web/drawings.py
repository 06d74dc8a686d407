"""SVG drawings of the adapted architectures that a submission reports in `architecture.json`.

In: per task, the mean probability of every candidate in every layer and in what share of the episodes it was
the strongest, written by the entrant and therefore checked here (`Choices`). Out: a `Drawing` of every task
that passes, made by `metanas/space/drawing.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from metanas.base.errors import InvalidValue
from metanas.space.drawing import Values, draw
from metanas.space.space import SearchSpace

MOST = 64  # layers, and candidates in a layer

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Row = Annotated[list[Probability], Field(min_length=1, max_length=MOST)]
Names = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(min_length=1, max_length=MOST)]


class Shares(BaseModel):
    """In what share of the episodes each candidate was chosen, in the shapes of `Choices`."""

    node: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    activation: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    depth: Row


class Choices(BaseModel):
    """One task of architecture.json: mean probabilities of the candidates in L layers.

    node: (L, O) over `ops`. activation: (L, A) over `activations`. depth: (L,), of the exit after each layer.
    shares: None in results of earlier versions.
    """

    text: Annotated[str, Field(max_length=4000)]
    ops: Names
    activations: Names
    node: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    activation: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    depth: Row
    shares: Shares | None = None

    def space(self) -> SearchSpace:
        """The search space with these candidates and layers.

        ValueError if the shapes do not fit each other; KeyError for a candidate that is not registered.
        """
        layers = len(self.node)
        both: list[Choices | Shares] = [self, self.shares] if self.shares else [self]
        if any(not len(c.node) == len(c.activation) == len(c.depth) == layers for c in both):
            raise InvalidValue(f"node has {layers} layers, so all of activation, depth and shares must")
        pairs = [(c.node, self.ops) for c in both] + [(c.activation, self.activations) for c in both]
        for rows, names in pairs:
            if wrong := [row for row in rows if len(row) != len(names)]:
                raise InvalidValue(
                    f"a layer must have {len(names)} probabilities, one per candidate, got {len(wrong[0])}"
                )
        return SearchSpace(ops=self.ops, activations=self.activations, layers=layers, reductions=())


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


def drawings(method: str, architectures: Mapping[str, Mapping[str, Any]]) -> list[Drawing]:
    """The drawings of a method's architectures, which are entries of architecture.json by task.

    Left out: entries that are not valid, and those of a space with cells or without an exit in every layer.
    """
    attempts = (_drawing(method, task, entry) for task, entry in architectures.items())
    return [drawing for drawing in attempts if drawing is not None]


def _drawing(method: str, task: str, entry: Mapping[str, Any]) -> Drawing | None:
    try:
        choices = Choices.model_validate(entry)
        space = choices.space()
    except (ValidationError, ValueError, KeyError):  # KeyError: an unknown operation or activation
        return None
    mean = _values(choices)
    shares = _values(choices.shares) if choices.shares else None
    svg = draw(f"{method} on {task}", space, *mean, text=choices.text, shares=shares)
    texts = [[f"{100 * p:.1f}" for p in values] for values in _by_name(mean)]
    if shares:
        pairs = zip(_by_name(shares), texts, strict=True)
        texts = [[f"{100 * s:.1f} (p {p})" for s, p in zip(values, ps, strict=True)] for values, ps in pairs]
    names = (*choices.ops, *choices.activations, "exit")
    rows = tuple((name, tuple(values)) for name, values in zip(names, texts, strict=True))
    return Drawing(task, choices.text, svg, rows, shares is not None)


def _values(choices: Choices | Shares) -> Values:
    return Values(choices.node, choices.activation, choices.depth)


def _by_name(values: Values) -> list[Sequence[float]]:
    """The values of every layer (L,), for each op, each activation and the exit."""
    return [*zip(*values.node, strict=True), *zip(*values.activation, strict=True), values.depth]
