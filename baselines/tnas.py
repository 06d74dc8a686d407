"""T-NAS: MAML on weights and architecture, by first order, and an architecture decoded for every task.

Lian, Zheng, Xu, Lu, Lin, Zhao, Huang, Gao: Towards Fast Adaptation of Neural Architectures with Meta
Learning (ICLR 2020), algorithms 1 and 2, eq. 5 and 6. At a task both adapt, then the strongest candidates
are kept and the decoded network's weights take `decoded_steps` more. Where we differ: the paper meta-trains
decoded networks again from scratch (sec. 5.2.2); here their weights are the supernet's, and the last
`decoded` of the meta-training runs on decoded architectures, so that search and training share one budget.
T-NAS++, the same on MAML++, is not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from baselines.maml import Maml
from metanas.episode import Batch, Episodes, TaskSpec
from metanas.kinds import METHODS
from metanas.meta.inner import Rules, TaskLoss, adapt, predicting
from metanas.meta.maml import last, meta_gradient
from metanas.meta.outer import descend, over_domains, params_of
from metanas.meta.rule import sgd
from metanas.method import Adapted, Metrics, Moment, State
from metanas.params import Params, Tensors, detach, stack
from metanas.search.harden import harden, single


@METHODS.register("tnas")
class TNas(Maml):
    """First-order MAML on both, with an architecture decoded per task (Lian et al., 2020)."""

    @dataclass(frozen=True)
    class Settings(Maml.Settings):
        """decoded: the share of meta-training, at its end, on the decoded meta-architecture."""

        second_order: bool = False
        decoded: float = 0.5
        decoded_steps: int = 2

    settings: Settings

    def step(self, state: State, moment: Moment, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        s = self.settings
        if moment.at < (1 - s.decoded) * moment.of:
            return super().step(state, moment, batch)
        params = params_of(state)
        chosen = detach(Params(params.weights, harden(s.space, params.arch)))

        def gradient(episodes: Episodes) -> tuple[Tensors, float]:
            found, loss = meta_gradient(
                TaskLoss(self.net, episodes.spec, single),
                chosen,
                episodes,
                rules=Rules(sgd(s.weight_rate), None),
                order=1,
                steps=last(s.steps),
            )
            return {name: g for name, g in found.items() if name.startswith("weights/")}, loss

        gradients, losses = over_domains(batch, gradient, limit=s.clip)
        return descend(state, gradients, lambda name: self.outer(name, moment)), losses

    def phases(self) -> Sequence[float]:
        return (1 - self.settings.decoded,)

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        s, start = self.settings, stack(params_of(state), len(support.y))
        soft = adapt(TaskLoss(self.net, spec), start, [support] * s.test_steps, rules=self.rules({}), order=0)
        decoded = Params(start.weights, harden(s.space, soft.arch))
        loss, rules = TaskLoss(self.net, spec, single), Rules(sgd(s.weight_rate), None)
        return predicting(loss, adapt(loss, decoded, [support] * s.decoded_steps, rules=rules, order=0))
