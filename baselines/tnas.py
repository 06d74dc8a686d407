"""T-NAS: first-order MAML on weights and architecture, and an architecture decoded for each task.

Lian, Zheng, Xu, Lu, Lin, Zhao, Huang, Gao: Towards Fast Adaptation of Neural Architectures with Meta Learning
(ICLR 2020), algorithms 1 and 2, eq. 5 and 6. At a test task both adapt, then the strongest candidates are
kept and the decoded network's weights take `decoded_steps` more. Where we differ: the paper meta-trains
decoded networks again from scratch (sec. 5.2.2); here their weights are the supernet's, and the last
`decoded` of the meta-training runs on decoded architectures, so that search and training share one budget.
T-NAS++, the same on MAML++, is not implemented.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from baselines.maml import Maml
from metanas.base.ranges import Rate, Share, Steps
from metanas.choice.candidates import pure
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.given_arch import start_with
from metanas.meta.inner import ParamGroups, adapt, adapted_predictor
from metanas.meta.loss import TaskLoss
from metanas.meta.maml import final_step_weights, meta_gradient
from metanas.meta.optimizers import sgd
from metanas.meta.outer import descend, over_domains
from metanas.method import METHODS, Adapted, Metrics, Progress, State
from metanas.models.supernet import SuperNet
from metanas.params import Params, Tensors, detach, expand_tasks, group_of
from metanas.search.discretize import discretize, logits_of, single
from metanas.space.space import SearchSpace


@METHODS.register("tnas")
class TNas(Maml):
    """First-order MAML on both, with an architecture decoded per task (Lian et al., 2020)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """decoded: the share of meta-training, at its end, on the decoded meta-architecture.

        decoded_steps: weight steps of a test task on its decoded architecture.
        """

        space: SearchSpace = field(default_factory=SearchSpace)  # one meta-architecture, as in the paper
        second_order: bool = False
        outer_arch_rate: Rate = 1e-2
        decoded: Share = 0.5
        decoded_steps: Steps = 2

    settings: Settings

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s = self.settings
        if progress.iteration < (1 - s.decoded) * progress.total:
            return super().step(state, progress, batch)
        params = state.params

        def gradient(episodes: Episodes) -> tuple[Tensors, Tensor]:
            hard = discretize(s.space, params.arch, episodes.spec)
            gradients, loss = meta_gradient(
                TaskLoss(self.net, episodes.spec, single),
                detach(Params(params.weights, hard)),
                episodes,
                policy=ParamGroups(sgd(s.weight_rate), None),
                order=1,
                steps=final_step_weights(s.steps),
            )
            return {name: g for name, g in gradients.items() if group_of(name) == "weights"}, loss

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        return descend(state, gradients, lambda name: self.outer(name, progress)), losses

    def phases(self) -> Sequence[float]:
        """Where training on the decoded architecture begins."""
        return (1 - self.settings.decoded,)

    def may_select(self, state: State) -> Sequence[State]:
        """Those whose meta-architecture has one operation in all layers."""
        space, found = self.settings.space, []
        for architecture in pure(space):
            logits = {f"arch/{name}": t for name, t in logits_of(space, architecture).items()}
            found += [State(state) | logits] if logits.keys() <= state.keys() else []
        return found

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        s, start = self.settings, expand_tasks(state.params, len(support.y))
        soft = adapt(
            TaskLoss(self.net, spec), start, [support] * s.test_steps, policy=self.policy({}), order=0
        )
        return self._decoded(state, spec, support, discretize(s.space, soft.arch, spec))

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        return self._decoded(state, spec, support, arch) if isinstance(self.net, SuperNet) else None

    def _decoded(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted:
        """The predictor of T decoded networks after their weight steps. arch: hard logits (T, ...)."""
        s, loss = self.settings, TaskLoss(self.net, spec, single)
        start = start_with(state.params, arch, len(support.y))
        steps, policy = [support] * s.decoded_steps, ParamGroups(sgd(s.weight_rate), None)
        return adapted_predictor(loss, adapt(loss, start, steps, policy=policy, order=0))
