"""Costs that follow from the architectures of a bundle, recounted without torch.

Of a method that answers with one architecture a task, `recount` gives the multiply-accumulates of a query; of
every method that searches a space, the least that its choices can cost. What it cannot recount (networks of
one's own, cells, ops of other packages, suites of one's own) stays as declared. `scoring/plausibility.py`
compares, `store/store.py` keeps. A server recounts in its own process, so what the entrant wrote is bounded
before anything is made of it.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboard.bundle import domain_cards
from leaderboard.bundle.choices import MOST, Choices, Shares
from metanas.data.episode import TaskSpec
from metanas.data.suite import built_in
from metanas.evaluation.result import Submission, Task
from metanas.space.op_costs import op_macs, op_parameters
from metanas.space.sizes import exit_macs, exit_parameters, halved, head_macs, stem_macs
from metanas.space.space import SearchSpace, StemName

SAME = 1e-4  # apart, at most, are mean probability and share of what was always 0 or 1
WIDEST = 2**16  # channels, and the side of a patch


class _Frame(BaseModel):
    """What costs follow from in the settings of a space; all else in them is not looked at.

    `SearchSpace` itself makes as many layers as it is told to, and reads the file that a strategy may be.
    """

    model_config = ConfigDict(strict=True)

    ops: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MOST)]
    layers: Annotated[int, Field(ge=1, le=MOST)]
    channels: Annotated[int, Field(ge=2, le=WIDEST, multiple_of=2)]
    reductions: Annotated[list[int], Field(max_length=MOST)]
    stem: StemName = "conv"
    patch: Annotated[int, Field(ge=1, le=WIDEST)] = 4
    nodes: Literal[0] = 0
    partial: Literal[1] = 1

    @classmethod
    def space(cls, settings: Any) -> SearchSpace:
        """The space of these settings. ValueError for one with cells, or that is no space of this version."""
        return SearchSpace(**cls.model_validate(settings).model_dump())


class Recount(NamedTuple):
    """What a submission's architectures cost.

    macs: multiply-accumulates of one query, the mean over tasks, seeds and episodes; None where a task is
    answered by a mixture of candidates. least_macs, least_parameters: what nothing with these choices is
    below; stems and heads have no part in the latter.
    """

    macs: int | None
    least_macs: int
    least_parameters: int


def recount(submission: Submission, architectures: Mapping[str, Any]) -> Recount | None:
    """The costs of a submission's architectures; None where they cannot be recounted.

    architectures: entries of architecture.json by task.
    """
    if submission.suite not in built_in():
        return None
    try:
        space = _Frame.space(submission.settings["space"])
        tasks = [
            _Task(space, _spec(task), _choices(space, architectures[task.name])) for task in submission.tasks
        ]
        if not tasks:
            return None
        discrete = all(task.discrete for task in tasks)
        macs = [task.expected_macs() for task in tasks] if discrete else []
        least = [task.least_macs() for task in tasks]
        parameters = max(task.least_parameters() for task in tasks)
    except (ValidationError, ValueError, KeyError, TypeError):  # settings and choices are the entrant's
        return None
    mean = round(sum(macs) / len(macs)) if macs else None
    return Recount(mean, round(sum(least) / len(least)), parameters)


def _spec(task: Task) -> TaskSpec:
    """Modality and shape of a task's inputs by its domain's card. KeyError for a domain without one."""
    card = domain_cards.cards()[task.domain]
    vocabulary = int(card.modality == "text")
    return TaskSpec(task.domain, card.modality, card.shape, task.ways, vocabulary)


def _choices(space: SearchSpace, entry: Any) -> tuple[Choices, Shares]:
    """An entry of architecture.json. ValueError without shares, with impossible ones, or of another space."""
    choices = Choices.model_validate(entry)
    own = choices.space()
    if choices.shares is None or (own.ops, own.layers) != (space.ops, space.layers):
        raise ValueError("no shares, or choices of another space")
    _check_shares(choices.shares)
    return choices, choices.shares


def _check_shares(shares: Shares) -> None:
    """ValueError unless every episode has one exit, and one candidate in every layer up to it."""
    for layer, row in enumerate(shares.node):
        if abs(sum(row) - sum(shares.depth[layer:])) > SAME:
            raise ValueError("candidates of a layer in other episodes than those that come to it")
    if abs(sum(shares.depth) - 1) > SAME:
        raise ValueError("other than one exit an episode")


class _Task(NamedTuple):
    """What was chosen on one task of a space, and how often."""

    space: SearchSpace
    spec: TaskSpec
    chosen: tuple[Choices, Shares]

    @property
    def discrete(self) -> bool:
        """Whether each episode was answered by one architecture; layers past an exit have no shares."""
        choices, shares = self.chosen
        pairs = [
            *zip(choices.node[0], shares.node[0], strict=True),
            *zip(choices.depth, shares.depth, strict=True),
        ]
        return all(abs(mean - share) < SAME for mean, share in pairs)

    def expected_macs(self) -> float:
        """MACs of a query: the mean over the episodes' architectures."""
        return self._macs(lambda costs, shares: sum(c * s for c, s in zip(costs, shares, strict=True)))

    def least_macs(self) -> float:
        """The fewest MACs that an architecture of these choices can have."""
        return self._macs(_least)

    def _macs(self, cost: Callable[[list[int], list[float]], float]) -> float:
        """MACs of stem, layers, exit and head. cost: of a layer, from its candidates' costs and shares."""
        spec, channels = self.spec, self.space.channels
        fixed, size = stem_macs(spec, self.space)
        total, exits = float(fixed + head_macs(spec, channels)), []
        _, chosen = self.chosen
        for layer, shares in enumerate(chosen.node):
            total += cost([op_macs(op, channels, *size) for op in self.space.ops], shares)
            size = halved(size) if layer in self.space.reductions else size
            exits.append(exit_macs(spec, channels, size))
        return total + cost(exits, chosen.depth)

    def least_parameters(self) -> int:
        """The fewest parameters that layers and exit of these choices can have."""
        channels, (_, chosen) = self.space.channels, self.chosen
        parameters = [op_parameters(op, channels) for op in self.space.ops]
        return round(sum(_least(parameters, shares) for shares in chosen.node)) + exit_parameters(channels)


def _least(costs: list[int], shares: list[float]) -> float:
    """The least cost of a layer: of what was ever chosen; 0 if it is left out in some episodes."""
    if sum(shares) < 1 - SAME:
        return 0
    return min(cost for cost, share in zip(costs, shares, strict=True) if share > 0)
