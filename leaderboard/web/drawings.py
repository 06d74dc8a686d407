"""Architectures as drawings: what a bundle says of its choices, checked before anything is made of it."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from metanas.supernet.drawing import draw
from metanas.supernet.space import SearchSpace

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Row = Annotated[list[Share], Field(min_length=1, max_length=64)]
Names = Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(min_length=1, max_length=64)]
LAYERS = 64


class Choices(BaseModel):
    """One task of architecture.json: mean probabilities of every choice, per layer."""

    text: Annotated[str, Field(max_length=4000)]
    ops: Names
    activations: Names
    node: Annotated[list[Row], Field(min_length=1, max_length=LAYERS)]
    activation: Annotated[list[Row], Field(min_length=1, max_length=LAYERS)]
    depth: Row

    def space(self) -> SearchSpace:
        """What was chosen from. ValueError or KeyError if it does not fit the probabilities."""
        layers = len(self.node)
        if not len(self.activation) == len(self.depth) == layers:
            raise ValueError(f"{layers} layers of nodes, but other numbers of activations or exits")
        for rows, names in ((self.node, self.ops), (self.activation, self.activations)):
            if any(len(row) != len(names) for row in rows):
                raise ValueError(f"a layer has not one probability for each of {len(names)} choices")
        return SearchSpace(ops=self.ops, activations=self.activations, layers=layers, reductions=())


class Drawing(NamedTuple):
    """The mean adapted architecture of a task: its text form, an SVG, and the numbers behind it."""

    task: str
    text: str
    svg: str
    rows: tuple[tuple[str, tuple[float, ...]], ...]  # choice -> probability per layer


def drawings(method: str, architectures: Mapping[str, Mapping[str, Any]]) -> list[Drawing]:
    """Those that can be drawn, by task. What is no architecture is left out."""
    found = (_drawing(method, task, kept) for task, kept in architectures.items())
    return [drawing for drawing in found if drawing is not None]


def _drawing(method: str, task: str, kept: Mapping[str, Any]) -> Drawing | None:
    try:
        c = Choices.model_validate(kept)
        space = c.space()
    except (ValidationError, ValueError, KeyError):  # unknown operations are a KeyError
        return None
    picture = draw(f"{method} on {task}", space, c.node, c.activation, c.depth, text=c.text)
    rows = [(name, tuple(layer[i] for layer in c.node)) for i, name in enumerate(c.ops)]
    rows += [(name, tuple(layer[i] for layer in c.activation)) for i, name in enumerate(c.activations)]
    return Drawing(task, c.text, picture, (*rows, ("exit", tuple(c.depth))))
