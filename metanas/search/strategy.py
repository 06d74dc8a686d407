"""Strategies: which choices are searched, which are fixed, and what is believed beforehand.

One YAML file each in `metanas/search/strategies/`, read without torch; one's own is given as a mapping
(`--set 'space.strategy={activation: {fixed: gelu}}'`) or a file (`--set space.strategy=mine.yaml`).
A strategy narrows the candidates a space offers and never adds to them:

    summary: Convolutions alone, and rather deep.
    node: {search: [convolution]}               # names or families; without it, all candidates
    activation: {fixed: relu}
    depth: {prior: {deeper: 1.0}, kl: 0.1}      # each exit's logit starts 1.0 above the one before

prior: initial logits by name or family (for depth by exit, counted from 1, or `deeper` per layer), 0 for
the rest. kl: weight of KL(mixture || prior) in every task's loss; 0 lets the prior be forgotten.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from metanas.kinds import ACTIVATIONS, OPS
from metanas.registry import UnknownName
from metanas.supernet.families import FAMILIES, among

FOLDER = Path(__file__).parent / "strategies"
DEEPER = "deeper"
Name = Annotated[str, BeforeValidator(str)]  # exits are written as numbers


class Choice(BaseModel):
    """How one group of choices is treated; empty: all candidates are searched from equal logits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search: tuple[Name, ...] = ()
    fixed: Name | None = None
    prior: dict[Name, float] = {}
    kl: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.fixed is not None and (self.search or self.prior):
            raise ValueError("a choice that is fixed has nothing to search and no prior")
        if self.kl and not self.prior:
            raise ValueError("kl needs a prior")
        return self

    def narrow(self, candidates: Sequence[str], group: str) -> tuple[str, ...]:
        """The candidates that are left. ValueError if there are none."""
        names = self.search if self.fixed is None else (self.fixed,)
        left = among(names, candidates) if names else tuple(candidates)
        if not left:
            raise ValueError(
                f"the strategy wants {group} from {', '.join(names)}, "
                f"but the space has {', '.join(candidates)}"
            )
        return left

    def logits(self, candidates: Sequence[str]) -> list[float]:
        """Initial logits of the candidates (of depth: the exits, from 1)."""
        slope = self.prior.get(DEEPER)
        if slope is not None:
            return [slope * (int(exit_) - 1) for exit_ in candidates]
        found = [0.0] * len(candidates)
        for name, value in self.prior.items():
            for chosen in among((name,), candidates):
                found[candidates.index(chosen)] = value
        return found


class Strategy(BaseModel):
    """How every group of choices is treated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    node: Choice = Choice()
    activation: Choice = Choice()
    depth: Choice = Choice()

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for registry, choice, more in ((OPS, self.node, FAMILIES), (ACTIVATIONS, self.activation, ())):
            for name in (*choice.search, *choice.prior, *filter(None, [choice.fixed])):
                if name not in registry and name not in more:
                    raise ValueError(str(UnknownName(registry.kind, name, (*registry, *more))))
        for name in (*self.depth.search, *self.depth.prior, *filter(None, [self.depth.fixed])):
            if not name.isdecimal() and name != DEEPER:
                raise ValueError(f"a depth is a number of layers or {DEEPER!r}, got {name!r}")
        return self


def names() -> tuple[str, ...]:
    """All strategies that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(text: str) -> Strategy:
    """The strategy of that name, or that a YAML mapping describes. UnknownName, or pydantic's error."""
    if text.lstrip().startswith("{"):
        return Strategy.model_validate(yaml.safe_load(text))
    if text not in names():
        raise UnknownName("strategy", text, names())
    return Strategy.model_validate(yaml.safe_load((FOLDER / f"{text}.yaml").read_text(encoding="utf-8")))


def as_text(given: object) -> object:
    """A mapping, or the path of one's own YAML file, as the text `load` reads; all else unchanged.

    So a run's configuration holds the whole strategy and not the name of a file that may change.
    """
    if isinstance(given, str) and given.endswith((".yaml", ".yml")):
        given = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
    if isinstance(given, dict):
        return Strategy.model_validate(given).model_dump_json(exclude_defaults=True)
    return given
