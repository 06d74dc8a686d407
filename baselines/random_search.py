"""Random search over architectures with shared weights, then training of the best, once for all domains.

Li, Talwalkar: Random Search and Reproducibility for Neural Architecture Search (UAI 2019). Meta-training has
three phases: first-order MAML on the weights of sampled architectures (single paths; Guo et al., ECCV 2020),
trials of architectures with these weights (fitness: query accuracy after adaptation to the batch's tasks),
and first-order MAML on the best. So search and training share one budget. The other searches (`evolution`,
`tpe`, `gp`, `successive-halving`, the zero-cost proxies) override `propose` or `fitness`. InvalidValue for a
space of 2^62 architectures or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.base.ranges import Count, Limit, Rate, Share, Steps
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.inner import ParamGroups, adapt, adapted_predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import adam, sgd
from metanas.meta.outer import descend, over_domains, pack
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, detach, expand_tasks, group_of
from metanas.search.discretize import logits_of, single, single_of
from metanas.search.propose import Trial, best
from metanas.search.variation import sample
from metanas.space.architecture import Architecture
from metanas.space.enumeration import at, number, size
from metanas.space.space import SearchSpace


@METHODS.register("random-search")
class RandomSearch(Method):
    """Random search with shared weights, then training of the best (Li and Talwalkar, 2019)."""

    transductive = False
    trains = True

    @dataclass(frozen=True)
    class Settings:
        """sharing, searching: shares of meta-training for the first two phases; the rest trains the best.

        candidates: trials per iteration of the second phase. clip: the largest norm of a meta-gradient.
        """

        space: SearchSpace = field(default_factory=SearchSpace)
        sharing: Share = 0.4
        searching: Share = 0.2
        candidates: Count = 4
        steps: Count = 2
        test_steps: Steps = 2
        weight_rate: Rate = 0.2
        outer_weight_rate: Rate = 3e-3
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        if size(settings.space) >= 2**62:
            raise InvalidValue(
                f"the space has {size(settings.space):.1e} architectures, a search needs fewer than 2^62"
            )
        self.settings = settings
        self.net = SuperNet(settings.space, specs)
        self.policy = ParamGroups(sgd(settings.weight_rate), None)

    def start(self, generator: torch.Generator) -> State:
        params = self.net.init(generator)
        logits = logits_of(self.settings.space, sample(self.settings.space, generator))
        return pack(Params(params.weights, logits)) | {
            "seed": torch.randint(2**31, (), generator=generator),
            "history/number": torch.zeros(0, dtype=torch.int64),
            "history/fitness": torch.zeros(0, dtype=torch.float64),
        }

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s, rng = self.settings, generator(int(state["seed"]), "search", progress.iteration)
        if progress.iteration < s.sharing * progress.total:
            return self._train(state, sample(s.space, rng), progress, batch)
        if progress.iteration < (s.sharing + s.searching) * progress.total:
            return self._run_trials(state, rng, batch)
        return self._train(state, self._best(state), progress, batch)

    def phases(self) -> Sequence[float]:
        """Where the trials begin, and where the training of the best."""
        return (self.settings.sharing, self.settings.sharing + self.settings.searching)

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        start, loss = expand_tasks(state.params, len(support.y)), TaskLoss(self.net, spec, single)
        steps = [support] * self.settings.test_steps
        return adapted_predictor(loss, adapt(loss, start, steps, policy=self.policy, order=0))

    def propose(self, history: Sequence[Trial], rng: torch.Generator) -> Architecture:
        """The next architecture to try. history: the trials so far, oldest first."""
        return sample(self.settings.space, rng)

    def fitness(self, params: Params, episodes: Episodes) -> float:
        """Mean query accuracy of T tasks after adaptation. params: shared weights, hard logits; without T."""
        loss = TaskLoss(self.net, episodes.spec, single)
        start = expand_tasks(params, len(episodes.support.y))
        adapted = adapt(loss, start, [episodes.support] * self.settings.steps, policy=self.policy, order=0)
        predictions: Tensor = adapted_predictor(loss, adapted).predict(episodes.query.x).argmax(-1)
        return float((predictions == episodes.query.y).cpu().double().mean())

    def _train(
        self, state: State, architecture: Architecture, progress: Progress, batch: Sequence[Episodes]
    ) -> tuple[State, Metrics]:
        """One step of first-order MAML on the weights of an architecture."""
        s = self.settings
        params = detach(Params(state.group("weights"), logits_of(s.space, architecture, state.device)))
        relax = single_of(s.space, architecture)

        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            loss, steps = TaskLoss(self.net, episodes.spec, relax), final_step_weights(s.steps)
            gradients, value = meta_gradient(loss, params, episodes, policy=self.policy, order=1, steps=steps)
            return {name: g for name, g in gradients.items() if group_of(name) == "weights"}, value

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        return descend(state, gradients, lambda name: adam(s.outer_weight_rate * progress.remaining)), losses

    def _run_trials(
        self, state: State, rng: torch.Generator, batch: Sequence[Episodes]
    ) -> tuple[State, Metrics]:
        """Try `candidates` architectures on this batch; the best so far becomes the state's."""
        space = self.settings.space
        for _ in range(self.settings.candidates):
            architecture = self.propose(self._history(state), rng)
            params = Params(state.group("weights"), logits_of(space, architecture, state.device))
            accuracies = [self.fitness(params, episodes) for episodes in batch]
            fitness = torch.tensor([sum(accuracies) / len(accuracies)], dtype=torch.float64)
            index = torch.tensor([number(space, architecture)])
            state |= {
                "history/number": torch.cat([state["history/number"], index]),
                "history/fitness": torch.cat([state["history/fitness"], fitness]),
            }
        logits = logits_of(space, self._best(state), state.device)
        state |= {f"arch/{name}": t for name, t in logits.items()}
        return state, {"fitness": float(state["history/fitness"].max())}

    def _history(self, state: State) -> list[Trial]:
        """The trials, oldest first; evaluations of one architecture in a row are one trial."""
        trials: list[Trial] = []
        pairs = zip(state["history/number"].tolist(), state["history/fitness"].tolist(), strict=True)
        previous = None
        for index, fitness in pairs:
            if index == previous:
                trials[-1] = trials[-1]._replace(fitness=(*trials[-1].fitness, fitness))
            else:
                trials.append(Trial(at(self.settings.space, index), (fitness,)))
            previous = index
        return trials

    def _best(self, state: State) -> Architecture:
        """The best trial's architecture; before the first trial, one drawn by the seed."""
        if len(state["history/number"]):
            return best(self._history(state))
        return sample(self.settings.space, generator(int(state["seed"]), "untried"))
