"""SVG drawings of the adapted architectures that a submission reports in `architecture.json`.

In: per task, the mean probability of every candidate in every layer, written by the entrant and therefore
checked here (`Choices`). Out: a `Drawing` of every task that passes, made by `metanas/space/drawing.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from metanas.base.errors import InvalidValue
from metanas.space.drawing import draw
from metanas.space.space import SearchSpace

MOST = 64  # layers, and candidates in a layer

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Row = Annotated[list[Probability], Field(min_length=1, max_length=MOST)]
Names = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(min_length=1, max_length=MOST)]


class Choices(BaseModel):
    """One task of architecture.json: mean probabilities of the candidates in L layers.

    node: (L, O) over `ops`. activation: (L, A) over `activations`. depth: (L,), of the exit after each layer.
    """

    text: Annotated[str, Field(max_length=4000)]
    ops: Names
    activations: Names
    node: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    activation: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    depth: Row

    def space(self) -> SearchSpace:
        """The search space with these candidates and layers.

        ValueError if the shapes do not fit each other; KeyError for a candidate that is not registered.
        """
        layers = len(self.node)
        if not len(self.activation) == len(self.depth) == layers:
            raise InvalidValue(
                f"node has {layers} layers, so activation and depth must have as many, "
                f"got {len(self.activation)} and {len(self.depth)}"
            )
        for rows, names in ((self.node, self.ops), (self.activation, self.activations)):
            if wrong := [row for row in rows if len(row) != len(names)]:
                raise InvalidValue(
                    f"a layer must have {len(names)} probabilities, one per candidate, got {len(wrong[0])}"
                )
        return SearchSpace(ops=self.ops, activations=self.activations, layers=layers, reductions=())


class Drawing(NamedTuple):
    """The mean adapted architecture of one task: its text form, an SVG, and the probabilities it shows."""

    task: str
    text: str
    svg: str
    rows: tuple[tuple[str, tuple[float, ...]], ...]  # (candidate, its probability in each layer)


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
    svg = draw(
        f"{method} on {task}", space, choices.node, choices.activation, choices.depth, text=choices.text
    )
    rows = [(name, tuple(layer[i] for layer in choices.node)) for i, name in enumerate(choices.ops)]
    rows += [
        (name, tuple(layer[i] for layer in choices.activation)) for i, name in enumerate(choices.activations)
    ]
    return Drawing(task, choices.text, svg, (*rows, ("exit", tuple(choices.depth))))
