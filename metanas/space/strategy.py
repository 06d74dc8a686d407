"""Strategies: which candidates are searched, which are fixed, and the prior over them. Torch-free.

The package has one YAML file per strategy in `metanas/space/strategies/`. A user's own is a mapping
(`--set 'space.strategy={activation: {fixed: gelu}}'`) or a file (`--set space.strategy=mine.yaml`).
A strategy narrows the candidates of a space and never adds to them:

    summary: Convolutions alone, and rather deep.
    node: {search: [convolution]}               # names or families; without it, all candidates
    activation: {fixed: relu}
    depth: {prior: {deeper: 1.0}, kl: 0.1}      # each exit's logit starts 1.0 above the one before

prior: initial logits by name or family (for depth: by exit, counted from 1, or `deeper` per layer); 0 for
the rest. kl: weight of KL(mixture || prior) in every task's loss; with 0 the prior is only the initial value.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from metanas.base import yaml_text
from metanas.base.errors import InvalidValue
from metanas.base.registry import UnknownName
from metanas.space.candidates import ACTIVATIONS, OPS
from metanas.space.families import FAMILIES, among

FOLDER = Path(__file__).parent / "strategies"
DEEPER = "deeper"
Name = Annotated[str, BeforeValidator(str)]  # exits are written as numbers


class GroupStrategy(BaseModel):
    """Candidates and prior of one group (node, activation or depth).

    search: names or families to choose from. fixed: the one candidate. prior: initial logits. kl: weight of
    the KL term. Without any of them, all candidates are searched from equal logits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    search: tuple[Name, ...] = ()
    fixed: Name | None = None
    prior: dict[Name, float] = {}
    kl: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.fixed is not None and (self.search or self.prior):
            raise InvalidValue("a choice that is fixed has nothing to search and no prior")
        if self.kl and not self.prior:
            raise InvalidValue("kl needs a prior")
        return self

    def narrow(self, candidates: Sequence[str], group: str) -> tuple[str, ...]:
        """The candidates that the strategy allows, in their order. InvalidValue if there are none."""
        names = self.search if self.fixed is None else (self.fixed,)
        narrowed = among(names, candidates) if names else tuple(candidates)
        if not narrowed:
            raise InvalidValue(
                f"the strategy wants {group} from {', '.join(names)}, "
                f"but the space has {', '.join(candidates)}"
            )
        return narrowed

    def logits(self, candidates: Sequence[str]) -> list[float]:
        """One initial logit per candidate; candidates of the depth group are exits, counted from 1."""
        slope = self.prior.get(DEEPER)
        if slope is not None:
            return [slope * (int(exit_) - 1) for exit_ in candidates]
        logits = [0.0] * len(candidates)
        for name, value in self.prior.items():
            for candidate in among((name,), candidates):
                logits[candidates.index(candidate)] = value
        return logits


class Strategy(BaseModel):
    """One `GroupStrategy` for each group of architecture logits; `summary` is one line for listings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    node: GroupStrategy = GroupStrategy()
    activation: GroupStrategy = GroupStrategy()
    depth: GroupStrategy = GroupStrategy()

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for registry, group, families in ((OPS, self.node, FAMILIES), (ACTIVATIONS, self.activation, ())):
            for name in (*group.search, *group.prior, *filter(None, [group.fixed])):
                if name not in registry and name not in families:
                    raise InvalidValue(str(UnknownName(registry.kind, name, (*registry, *families))))
        for name in (*self.depth.search, *self.depth.prior, *filter(None, [self.depth.fixed])):
            if not name.isdecimal() and name != DEEPER:
                raise InvalidValue(f"a depth is a number of layers or {DEEPER!r}, got {name!r}")
        return self


def names() -> tuple[str, ...]:
    """The names of the strategies in the package, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(text: str) -> Strategy:
    """The strategy with this name, or described by a YAML mapping. UnknownName, or pydantic's error."""
    if text.lstrip().startswith("{"):
        return Strategy.model_validate(yaml_text.parse(text, "space.strategy"))
    if text not in names():
        raise UnknownName("strategy", text, names())
    return Strategy.model_validate(yaml_text.read(FOLDER / f"{text}.yaml"))


def as_text(given: object) -> object:
    """A mapping, or the path of a YAML file, as text that `load` reads; other values unchanged.

    So a run's configuration holds the whole strategy, not the path of a file that may change.
    """
    if isinstance(given, str) and given.endswith((".yaml", ".yml")):
        given = yaml_text.read(Path(given))
    if isinstance(given, dict):
        return Strategy.model_validate(given).model_dump_json(exclude_defaults=True)
    return given
