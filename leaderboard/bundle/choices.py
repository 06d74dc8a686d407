"""The architectures that a bundle says its method chose: one task of architecture.json, checked.

Per task it has the mean probability of every candidate in every layer and in what share of the episodes it
was the strongest. All of it is written by the entrant. `recount.py` recounts costs from it,
`web/drawings.py` draws it.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from metanas.base.errors import InvalidValue
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
