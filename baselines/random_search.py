"""Random search over architectures with shared weights, then training of the best: once for a whole suite.

Li, Talwalkar: Random Search and Reproducibility for Neural Architecture Search (UAI 2019). Meta-training has
three phases: first-order MAML on the weights of sampled architectures (single paths; Guo et al., ECCV 2020),
trials of architectures with these weights (fitness: query accuracy after adaptation to the batch's tasks),
and first-order MAML on the best. So search and training are charged to one budget. The other searches
(`evolution`, `tpe`, `gp`, `successive-halving`, the zero-cost proxies) are this file with another proposal
or another fitness.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, TaskLoss, adapt, predicting
from metanas.meta.maml import last, meta_gradient
from metanas.meta.outer import descend, group, over_domains, pack, params_of
from metanas.meta.rule import adam, sgd
from metanas.method import Adapted, Method, Metrics, Moment, State
from metanas.params import Params, Tensors, detach, stack
from metanas.search.harden import logits_of, single
from metanas.search.propose import Trial, best
from metanas.search.variation import sample
from metanas.seeding import generator
from metanas.supernet.architecture import Architecture
from metanas.supernet.index import at, number, size
from metanas.supernet.network import SuperNet
from metanas.supernet.space import SearchSpace


@METHODS.register("random-search")
class RandomSearch(Method):
    """Random search with shared weights, then training of the best (Li and Talwalkar, 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """sharing, searching: shares of meta-training for the first two phases; the rest trains the best.

        candidates: trials per iteration of the second phase.
        """

        space: SearchSpace = field(default_factory=SearchSpace)
        sharing: float = 0.4
        searching: float = 0.2
        candidates: int = 4
        steps: int = 2
        test_steps: int = 2
        weight_rate: float = 0.2
        outer_weight_rate: float = 3e-3
        clip: float = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        if size(settings.space) >= 2**62:
            raise ValueError(f"the space has {size(settings.space):.1e} architectures, at most 2^62 will do")
        self.settings = settings
        self.net = SuperNet(settings.space, specs)
        self.rules = Rules(sgd(settings.weight_rate), None)

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        first = logits_of(self.settings.space, sample(self.settings.space, generator))
        state = pack(Params(params.weights, first))
        state["seed"] = torch.randint(2**31, (), generator=generator)
        state["history/number"] = torch.zeros(0, dtype=torch.int64)
        state["history/fitness"] = torch.zeros(0, dtype=torch.float64)
        return state

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, dice = self.settings, generator(int(state["seed"]), "search", moment.at)
        if moment.at < s.sharing * moment.of:
            return self.train(state, sample(s.space, dice), moment, batch)
        if moment.at < (s.sharing + s.searching) * moment.of:
            return self.try_some(state, dice, batch)
        return self.train(state, self.chosen(state), moment, batch)

    def phases(self) -> Sequence[float]:
        return (self.settings.sharing, self.settings.sharing + self.settings.searching)

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start, loss = stack(params_of(state), len(support.y)), TaskLoss(self.net, spec, single)
        steps = [support] * self.settings.test_steps
        return predicting(loss, adapt(loss, start, steps, rules=self.rules, order=0))

    def propose(self, history: Sequence[Trial], dice: torch.Generator) -> Architecture:
        """The next architecture to try."""
        return sample(self.settings.space, dice)

    def fitness(self, params: Params, episodes: Episodes) -> float:
        """Query accuracy of these weights and hard logits after adaptation, over T tasks."""
        loss = TaskLoss(self.net, episodes.spec, single)
        start = stack(params, len(episodes.support.y))
        adapted = adapt(loss, start, [episodes.support] * self.settings.steps, rules=self.rules, order=0)
        answers: Tensor = predicting(loss, adapted).predict(episodes.query.x).argmax(-1)
        return float((answers == episodes.query.y).double().mean())

    def train(
        self, state: State, architecture: Architecture, moment: Moment, batch: Sequence[Episodes]
    ) -> tuple[State, Metrics]:
        """One step of first-order MAML on the weights of an architecture."""
        s = self.settings
        params = detach(Params(group(state, "weights"), logits_of(s.space, architecture)))

        def gradient(episodes: Episodes) -> tuple[Tensors, float]:
            loss, steps = TaskLoss(self.net, episodes.spec, single), last(s.steps)
            found, value = meta_gradient(loss, params, episodes, rules=self.rules, order=1, steps=steps)
            return {name: g for name, g in found.items() if name.startswith("weights/")}, value

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        return descend(state, gradients, lambda name: adam(s.outer_weight_rate * moment.left)), losses

    def try_some(
        self, state: State, dice: torch.Generator, batch: Sequence[Episodes]
    ) -> tuple[State, Metrics]:
        """Try `candidates` architectures on this batch; the best so far becomes the state's."""
        space, state = self.settings.space, dict(state)
        for _ in range(self.settings.candidates):
            drawn = self.propose(self.history(state), dice)
            params = Params(group(state, "weights"), logits_of(space, drawn))
            scores = [self.fitness(params, episodes) for episodes in batch]
            value = torch.tensor([sum(scores) / len(scores)], dtype=torch.float64)
            chosen = torch.tensor([number(space, drawn)])
            state["history/number"] = torch.cat([state["history/number"], chosen])
            state["history/fitness"] = torch.cat([state["history/fitness"], value])
        winner = logits_of(space, self.chosen(state))
        state |= {f"arch/{name}": t for name, t in winner.items()}
        return state, {"fitness": float(state["history/fitness"].max())}

    def history(self, state: State) -> list[Trial]:
        """What was tried, oldest first; tries of one architecture in a row are one trial."""
        trials: list[Trial] = []
        pairs = zip(state["history/number"].tolist(), state["history/fitness"].tolist(), strict=True)
        previous = None
        for where, value in pairs:
            if where == previous:
                trials[-1] = trials[-1]._replace(fitness=(*trials[-1].fitness, value))
            else:
                trials.append(Trial(at(self.settings.space, where), (value,)))
            previous = where
        return trials

    def chosen(self, state: State) -> Architecture:
        """The best of what was tried; before anything was, an architecture drawn by the seed."""
        if len(state["history/number"]):
            return best(self.history(state))
        return sample(self.settings.space, generator(int(state["seed"]), "untried"))
