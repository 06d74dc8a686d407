"""LOO-NAS: an architecture per task by leave-one-out loss, a closed-form head, learned weight steps.

This project's flagship. Meta-training takes single paths (Guo et al., ECCV 2020): every iteration and domain
draws one architecture and improves the shared weights on it, so that weights fit discrete architectures and
need no mixture. A task's architecture is the candidate with the least leave-one-out loss of its support set,
plus the domain's mean of that loss on meta-validation tasks, times a fitted weight (`metanas/choice/`). Its
head is the nearest-mean classifier by Mahalanobis distance (Simple CNAPS, Bateni et al., CVPR 2020) or by
Euclidean distance (Snell et al., NeurIPS 2017), or ridge regression (R2-D2, Bertinetto et al., ICLR 2019);
then weights can take first-order steps at learned rates (Finn et al., 2017; MAML++, Antoniou et al., 2019).
All parts can be switched off: `rule=shared`, `head=prototype`, `steps=0` (the default: at equal operations
steps cost more than they gave).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.func import functional_call

from metanas.base.ranges import (
    Amount,
    Count,
    Limit,
    NonNegative,
    Number,
    Part,
    Positive,
    Rate,
    Share,
    Steps,
    Weight,
)
from metanas.base.seeding import generator
from metanas.choice.beam import beam
from metanas.choice.calibration import fitted_scales, losses_at, losses_at_all, scales_of
from metanas.choice.candidates import affordable, candidates
from metanas.choice.evidence import mean_loss, shots_of
from metanas.choice.heads import HeadName, head_of
from metanas.choice.judged import judged, recorded
from metanas.choice.paths import Paths, embed_all
from metanas.choice.rules import NEEDS_EVIDENCE, Features, Known, RuleName, choose
from metanas.data.episode import Batch, Episodes, TaskSpec, one_of_each
from metanas.meta.augmented import Augmentation, augmented
from metanas.meta.inner import adapt, adapted_predictor, moves, trajectory
from metanas.meta.loss import TaskLoss, cross_entropy
from metanas.meta.optimizers import adam
from metanas.meta.outer import descend, leaves, mean_gradient, over_domains, pack
from metanas.meta.pretrain import class_loss, classifiers
from metanas.meta.prototypes import prototype_head, start_with_head, wide_loss
from metanas.meta.rates import LearnedRates, start_nodes
from metanas.meta.reptile import support_and_query
from metanas.method import METHODS, Adapted, Method, Metrics, Progress, State
from metanas.models.macs import macs
from metanas.models.relaxation import one_hot
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, group_of
from metanas.search.discretize import logits_of, single_of
from metanas.space.architecture import Architecture, derive
from metanas.space.sampling import draw
from metanas.space.space import SearchSpace


@METHODS.register("loo-nas")
class LooNas(Method):
    """Single paths; an architecture per task by leave-one-out, a closed-form head, learned steps (ours)."""

    transductive = False
    trains = True

    before = {"voices": 0.0, "letters": 0.0, "bands": 0.2, "tempo": 0.25, "calibrated": False, "lapse": 0.0}

    @dataclass(frozen=True)
    class Settings:
        """rule: how a task's architecture is chosen (`choice/rules.py`). count: candidates. macs: the most a
        candidate may cost on an example; 0: no limit. rounds: of beam search beyond the candidates, by a
        task's own evidence (`choice/beam.py`). head: `choice/heads.py`. calibrated: whether candidates are
        judged at the temperature that suits each; lapse: the share of answers that count as drawn evenly
        then, 0: no candidate is judged surer than it is (`choice/calibration.py`).

        steps, test_steps: learned steps on the weights after the choice, 0 for none; steps_from: the share of
        meta-training after which they are trained. rate: their first rate. sharpness, amount: of the head.
        voices, letters: shares of meta-training tasks that are augmented; masks: of those in other voices;
        bands, tempo: by what share these are stretched at most (`meta/augmented.py`).
        paths: architectures that an iteration trains on a domain's tasks; their gradients are averaged.
        focus: the share of meta-training after which paths come from the candidates instead of the whole
        space; 1: never. judgements: so often, at equal distances from then on, candidates are judged, and
        each domain keeps the better half (successive halving, Jamieson and Talwalkar, AISTATS 2016) and
        whatever is within `spread` nats of the best.
        wide, after, pretrain: weights in the outer loss, as in metanas-ours. outer_*: of Adam, linear to 0.
        clip: the largest norm of a meta-gradient.
        """

        space: SearchSpace = field(default_factory=lambda: SearchSpace(sampling="uniform"))
        rule: RuleName = "hierarchical"
        count: Count = 32
        macs: NonNegative = 0.0
        rounds: Number = 0
        head: HeadName = "mahalanobis"
        calibrated: bool = True
        lapse: Part = 0.02
        steps: Steps = 0
        test_steps: Steps = 0
        steps_from: Share = 0.5
        rate: Positive = 0.03
        sharpness: NonNegative = 8.0
        amount: Amount = 1.0
        voices: Share = 1.0
        letters: Share = 0.25
        masks: Share = 1.0
        bands: Share = 0.1
        tempo: Share = 0.1
        paths: Count = 1
        focus: Share = 0.25
        spread: NonNegative = 0.05
        judgements: Count = 4
        wide: Weight = 1.0
        after: Weight = 0.3
        pretrain: Weight = 0.3
        outer_weight_rate: Rate = 6e-3
        outer_eta_rate: Rate = 1e-2
        clip: Limit = 1.0

    def __init__(self, specs: Sequence[TaskSpec], settings: Settings) -> None:
        self.settings, self.specs = settings, one_of_each(specs)
        self.net = SuperNet(replace(settings.space, sampling="mixture"), specs)  # paths are drawn here
        even = settings.space.sampling in ("uniform", "fair")
        self._drawn = settings.space if even else replace(settings.space, sampling="uniform")
        self.candidates = candidates(settings.space, settings.count)
        self.head = head_of(settings.head, settings.sharpness, settings.amount)
        self.lapse = settings.lapse if settings.calibrated else 0.0
        self.scales = scales_of(settings.calibrated, self.lapse)
        self._within = {spec.name: affordable(self.candidates, spec, settings.macs) for spec in self.specs}
        self._modules: dict[tuple[int, ...], Paths] = {}

    def start(self, generator: torch.Generator) -> State:
        s, weights = self.settings, self.net.init(generator).weights
        rates = start_nodes(Params(weights, {}), s.steps, s.rate, s.rate) if s.steps else {}
        return (
            pack(Params(weights, {}), rates)
            | classifiers(self.net, Params(weights, self.net.arch()), self.specs)
            | self.head.start
            | {"seed": torch.randint(2**31, (), generator=generator)}
        )

    def phases(self) -> Sequence[float]:
        """Where the learned steps begin."""
        return (self.settings.steps_from,) if self.settings.steps else ()

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        """One step on the shared weights, through the drawn architectures of each domain."""
        s, learned = self.settings, leaves(state, ("weights", "rates", "classifier", "head"))
        names = sorted(learned)  # a checkpoint may change the order
        steps = s.steps if progress.iteration >= s.steps_from * progress.total else 0
        shares, seed = Augmentation(s.voices, s.letters, s.masks, s.bands, s.tempo), int(state["seed"])
        batch = [augmented(episodes, shares, seed, progress.iteration) for episodes in batch]

        def of_path(episodes: Episodes, path: Architecture) -> tuple[Tensors, Tensor]:
            loss, pretrain = self._losses(learned, episodes, path, steps)
            at = [learned[name] for name in names]
            partials = torch.autograd.grad(loss + s.pretrain * pretrain, at, allow_unused=True)
            found = {name: g for name, g in zip(names, partials, strict=True) if g is not None}
            return found, loss.detach()

        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            paths = self._trained(state, episodes.spec, progress)
            parts, losses = zip(*(of_path(episodes, path) for path in paths), strict=True)
            return mean_gradient(parts), torch.stack(losses).mean()

        gradients, losses = over_domains(batch, gradient, limit=s.clip, whole=True)
        usual = adam(s.outer_weight_rate * progress.remaining)
        rates = adam(s.outer_eta_rate * progress.remaining)
        return descend(state, gradients, lambda name: rates if group_of(name) == "rates" else usual), losses

    def _trained(self, state: State, spec: TaskSpec, progress: Progress) -> list[Architecture]:
        """The architectures that this iteration trains on a domain."""
        s, seed = self.settings, int(state["seed"])
        if progress.iteration < s.focus * progress.total or f"judged/loo/{spec.name}" not in state:
            numbers = range(progress.iteration * s.paths, (progress.iteration + 1) * s.paths)
            return [draw(self._drawn, spec, seed, number) for number in numbers]
        losses = judged(state, spec, self.specs, len(self.candidates)).domain.cpu()
        halvings = sum(progress.iteration >= share * progress.total for share in self.selects_at())
        kept = halved(losses, self._within[spec.name], halvings, s.spread)
        dice = generator(seed, "focus", spec.name, progress.iteration)
        return [
            self.candidates[kept[int(torch.randint(len(kept), (), generator=dice))]] for _ in range(s.paths)
        ]

    def selects_at(self) -> Sequence[float]:
        """Where candidates are judged for the paths that follow."""
        s = self.settings
        return (
            [s.focus + (1 - s.focus) * i / s.judgements for i in range(s.judgements)] if s.focus < 1 else ()
        )

    def select(self, state: State, tasks: Sequence[Episodes]) -> State:
        """Judge every candidate on meta-validation tasks: its leave-one-out and query losses."""
        paths = Paths(self.net, self.candidates)
        found: Tensors = {}
        for episodes in tasks:
            spec, support, query = episodes.spec, episodes.support.y.cpu(), episodes.query.y.cpu()
            parts = [self._logits_of_all(state, paths, e) for e in by_task(episodes)]
            left_out, asked = (torch.cat(rows, 1).cpu() for rows in zip(*parts, strict=True))
            labels = query if shots_of(support, spec.ways) == 1 else support
            at = fitted_scales(losses_at_all(left_out, labels, self.scales, self.lapse), self.scales)
            scales = torch.tensor(self.scales, dtype=torch.float64)[at]
            loo = losses_at(left_out, labels, scales, self.lapse)
            found |= recorded(spec.name, loo, losses_at(asked, query, scales, self.lapse), scales)
        return state | found

    @torch.no_grad()
    def _logits_of_all(self, state: State, paths: Paths, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Leave-one-out and query logits (K, T, B, ways) of T tasks under each candidate; at one shot twice
        the latter."""
        spec, support, query = episodes.spec, episodes.support, episodes.query
        features = embed_all(paths, state.group("weights"), spec, torch.cat([support.x, query.x], 1))
        known, asked = features.tensor_split([support.y.shape[1]], 2)  # (K, T, B, F)
        weight, bias = self.head.fit(state, known, support, spec.ways)
        logits = asked @ weight.mT + bias[..., None, :]
        if shots_of(support.y, spec.ways) == 1:
            return logits, logits
        return self.head.loo(state, known, support.y, spec.ways), logits

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        if self.settings.rounds and shots_of(support.y, spec.ways) > 1:
            found = self._refined(state, spec, support)
        else:
            found = [self.candidates[i] for i in self.choose(state, spec, support).tolist()]
        return self._under(state, spec, support, found)

    @torch.no_grad()
    def _refined(self, state: State, spec: TaskSpec, support: Batch) -> list[Architecture]:
        """The architecture of each task by beam search from the candidates, by its own evidence alone."""
        s, weights = self.settings, state.group("weights")
        scales = judged(state, spec, self.specs, len(self.candidates)).scales
        usual = scales[self._within[spec.name]].log().mean().exp()  # new architectures have none of their own

        def fitness(architectures: Sequence[Architecture]) -> Tensor:
            features = embed_all(Paths(self.net, architectures), weights, spec, support.x)
            logits = self.head.loo(state, features, support.y, spec.ways)
            return losses_at(logits, support.y, usual.expand(len(architectures)), self.lapse).T

        start = [self.candidates[i] for i in self._within[spec.name]]
        rng = generator(int(state["seed"]), "beam", spec.name)
        return beam(
            self._drawn,
            start,
            fitness(start),
            fitness,
            rng,
            rounds=s.rounds,
            allowed=lambda a: not s.macs or macs(a, spec) <= s.macs,
        )

    def choose(
        self,
        state: State,
        spec: TaskSpec,
        support: Batch,
        rule: RuleName | None = None,
        macs: float | None = None,
    ) -> Tensor:
        """The number of each task's candidate (T,), by the settings' rule and limit or by others."""
        rule, affords = rule or self.settings.rule, self._within[spec.name]
        affords = affords if macs is None else affordable(self.candidates, spec, macs)
        within = torch.tensor(affords)
        evidence = features = None
        prior = judged(state, spec, self.specs, len(self.candidates))
        if rule in NEEDS_EVIDENCE and shots_of(support.y, spec.ways) > 1:
            paths = self._paths(affords)
            with torch.no_grad():
                values = embed_all(paths, state.group("weights"), spec, support.x)
                logits = self.head.loo(state, values, support.y, spec.ways)
                evidence = losses_at(logits, support.y, prior.scales[within], self.lapse).cpu()
            features = Features(
                values, lambda f: mean_loss(self.head.loo(state, f, support.y, spec.ways), support.y)
            )
        rng = generator(int(state["seed"]), "choice", spec.name)
        known = Known(
            evidence, prior.domain[within], prior.shared[within], prior.weight, len(support.y), rng, features
        )
        return within[choose(rule, known)]

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted:
        space = self.settings.space
        rows = [{name: t[i].tolist() for name, t in arch.items()} for i in range(len(support.y))]
        return self._under(state, spec, support, [derive(space, **row) for row in rows])

    def fixed_archs(self, state: State, spec: TaskSpec) -> Mapping[str, Tensors]:
        prior = judged(state, spec, self.specs, len(self.candidates))
        within = torch.tensor(self._within[spec.name])
        best = {"shared": prior.shared, "domain": prior.domain}
        return {
            name: logits_of(self.settings.space, self.candidates[int(within[losses[within].argmin()])])
            for name, losses in best.items()
        }

    def candidate_archs(self, state: State, spec: TaskSpec) -> Sequence[Tensors]:
        return [logits_of(self.settings.space, self.candidates[i]) for i in self._within[spec.name]]

    def _losses(
        self, state: State, episodes: Episodes, path: Architecture, steps: int
    ) -> tuple[Tensor, Tensor]:
        """The weighted sum of query losses, and the loss over all meta-train classes."""
        s, spec, everything = self.settings, episodes.spec, support_and_query(episodes)
        embedded = self._embed(state, path, spec, everything.x)
        known, queries = embedded.tensor_split([episodes.support.y.shape[1]], 1)
        weight, bias = self.head.trained(state, known, episodes.support, spec.ways)
        total = cross_entropy(queries @ weight.mT + bias[:, None], episodes.query.y).mean()
        if s.wide:
            means = weight, bias  # whose logits alone can be compared between tasks
            if s.head == "ridge":
                means = prototype_head(known, episodes.support, spec.ways, s.sharpness)
            total = total + s.wide * wide_loss(queries, *means, episodes)
        if steps:
            start = self._start(state, path, (weight, bias))
            loss, support = self._loss(spec, path), [episodes.support] * steps
            for adapted in trajectory(loss, start, support, policy=self._policy(state), order=1):
                total = total + s.after / steps * loss(adapted, episodes.query).mean()
        classifier = state[f"classifier/{spec.name}"]
        return total, class_loss(classifier, embedded, everything, episodes)

    def _under(
        self, state: State, spec: TaskSpec, support: Batch, architectures: Sequence[Architecture]
    ) -> Adapted:
        """Adapt T tasks, each under its own architecture; tasks with the same one go together."""
        groups: dict[Architecture, list[int]] = {}
        for task, architecture in enumerate(architectures):
            groups.setdefault(architecture, []).append(task)
        parts = {
            architecture: self._under_one(state, spec, Batch(support.x[rows], support.y[rows]), architecture)
            for architecture, rows in groups.items()
        }

        def predict(x: Tensor) -> Tensor:
            out = x.new_zeros((len(x), x.shape[1], spec.ways), dtype=torch.get_default_dtype())
            for architecture, rows in groups.items():
                out[rows] = parts[architecture].predict(x[rows])
            return out

        space, device = self.settings.space, state.device
        hard = [logits_of(space, architecture, device) for architecture in architectures]
        weights = next(iter(parts.values())).weights if len(parts) == 1 else None
        return Adapted(predict, {name: torch.stack([h[name] for h in hard]) for name in hard[0]}, weights)

    def _under_one(self, state: State, spec: TaskSpec, support: Batch, path: Architecture) -> Adapted:
        s = self.settings
        with torch.no_grad():
            embedded = self._embed(state, path, spec, support.x)
            weight, bias = self.head.fit(state, embedded, support, spec.ways)
        if s.test_steps and s.steps:
            loss, start = self._loss(spec, path), self._start(state, path, (weight, bias))
            steps = [support] * s.test_steps
            return adapted_predictor(loss, adapt(loss, start, steps, policy=self._policy(state), order=0))

        @torch.no_grad()
        def predict(x: Tensor) -> Tensor:
            return (self._embed(state, path, spec, x) @ weight.mT + bias[:, None]).softmax(-1)

        return Adapted(predict, weights=self._start(state, path, (weight, bias)).weights)

    def _embed(self, state: State, path: Architecture, spec: TaskSpec, x: Tensor) -> Tensor:
        """x (T, B, *input_shape) to features (T, B, F) under the shared weights and one architecture."""
        inputs = (x.flatten(0, 1), one_hot(self.settings.space, path), spec)
        features: Tensor = functional_call(self.net, state.group("weights"), inputs, {"head": False})
        return features.unflatten(0, x.shape[:2])

    def _loss(self, spec: TaskSpec, path: Architecture) -> TaskLoss:
        return TaskLoss(self.net, spec, single_of(self.settings.space, path))

    def _start(self, state: State, path: Architecture, head: tuple[Tensor, Tensor]) -> Params:
        """T tasks' parameters (T, ...) before the first step, with their closed-form heads."""
        arch = logits_of(self.settings.space, path, state.device)
        return start_with_head(Params(state.group("weights"), arch), *head)

    def _policy(self, state: State) -> LearnedRates:
        return LearnedRates(state.rates, "node", moves("weights"))

    def _paths(self, numbers: Sequence[int]) -> Paths:
        """Some candidates as one module; made once."""
        within = tuple(numbers)
        if within not in self._modules:
            self._modules[within] = Paths(self.net, [self.candidates[i] for i in within])
        return self._modules[within]


def halved(losses: Tensor, within: Sequence[int], halvings: int, spread: float) -> list[int]:
    """The candidates that are left: the best 1 / 2^halvings of `within`, and those near the best.

    losses (K,): of all candidates. spread: how near, in nats.
    """
    order = sorted(within, key=lambda i: float(losses[i]))
    least, count = float(losses[order[0]]) + spread, -(-len(order) // 2**halvings)
    return [i for rank, i in enumerate(order) if rank < count or float(losses[i]) <= least]


def by_task(episodes: Episodes) -> Iterator[Episodes]:
    """T tasks one by one: all candidates' features of one task fit into memory."""
    for task in range(len(episodes.support.y)):
        yield episodes.tasks(slice(task, task + 1))
