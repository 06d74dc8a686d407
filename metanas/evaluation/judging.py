"""Whether single tasks can be judged: what a choice of an architecture per task knew, and what came of it.

Mean accuracy over episodes hides whether an estimate made on one task's support set says anything of that
task (Shimabucoro et al., "Evaluating the Evaluators", 2023). A method that chooses per task keeps, for every
meta-validation task, what it estimated of each candidate (the leave-one-out loss) and what each then lost on
the queries: judged/loo/DOMAIN and judged/query/DOMAIN (n tasks, K candidates) of `seedN/state.safetensors`.
Both are losses at the temperature at which the method judges a candidate, not at that of its answers.
From them, per domain, over tasks and trainings:

- ranks: Spearman's correlation of the two over the candidates of a task;
- tells: Pearson's correlation of the two over tasks, for the candidate chosen: does it know a hard task?
- optimism: loss of the chosen one minus its estimate, which is low because it is the least of many;
- regret: loss of the chosen one minus the least loss of any candidate, for a choice by the task alone, by the
  mean of the domain's other tasks, and at random. The least of many noisy losses is too low, so regrets are
  too high, all three alike: their differences are not.

Losses are in nats. No torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from metanas.evaluation.result import ResultError
from metanas.evaluation.statistics import Floats, Interval, estimate

EVIDENCE, OUTCOME = "judged/loo/", "judged/query/"


@dataclass(frozen=True)
class Judging:
    """The figures of one domain, with 95 % intervals over tasks and trainings."""

    domain: str
    tasks: int
    ranks: Interval
    tells: float
    optimism: Interval
    by_task: Interval  # regrets
    by_domain: Interval
    at_random: Interval


def judging(run: Path, seeds: Sequence[int]) -> list[Judging]:
    """The figures of every domain that all trainings judged; empty if the method judges nothing.

    ResultError for a damaged state. A run without its states, as from a bundle, has no figures.
    """
    states = [_judged(run / f"seed{seed}" / "state.safetensors") for seed in seeds]
    domains = [name for name in states[0] if all(name in state for state in states)]
    found = []
    for domain in domains:
        evidence = np.stack([state[domain][0] for state in states])  # (S, n, K)
        outcome = np.stack([state[domain][1] for state in states])
        if evidence.shape[1] > 1 < evidence.shape[2]:
            found.append(_figures(domain, evidence, outcome))
    return found


def _judged(path: Path) -> Mapping[str, tuple[Floats, Floats]]:
    """Evidence and outcome (n, K) by domain."""
    if not path.exists():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            names = sorted(name.removeprefix(EVIDENCE) for name in file.keys() if name.startswith(EVIDENCE))
            return {
                name: (file.get_tensor(EVIDENCE + name), file.get_tensor(OUTCOME + name)) for name in names
            }
    except (SafetensorError, OSError) as error:
        reason = f"is damaged ({error}); delete this seed's folder and run it again"
        raise ResultError(f"{path}: {reason}") from error


def _figures(domain: str, evidence: Floats, outcome: Floats) -> Judging:
    """The figures of evidence and outcome (S, n, K)."""
    tasks = evidence.shape[1]
    others = (evidence.sum(1, keepdims=True) - evidence) / (tasks - 1)
    best = outcome.min(-1)
    estimated, came = (_of(values, evidence) for values in (evidence, outcome))
    regrets = (came - best, _of(outcome, others) - best, outcome.mean(-1) - best)

    def interval(values: Floats) -> Interval:
        return estimate({f"{domain}/judged": values}).interval()

    return Judging(
        domain,
        tasks,
        interval(_correlation(_ranks(evidence), _ranks(outcome))),
        float(_correlation(estimated, came).mean()),
        interval(came - estimated),
        *map(interval, regrets),
    )


def _of(values: Floats, by: Floats) -> Floats:
    """The values (S, n) of the candidate that is least in `by`; both (S, n, K)."""
    chosen: Floats = np.take_along_axis(values, by.argmin(-1)[..., None], -1)[..., 0]
    return chosen


def _ranks(values: Floats) -> Floats:
    """Ranks over the last axis, ties share the mean rank."""
    from scipy.stats import rankdata  # half a second to import

    ranks: Floats = rankdata(values, axis=-1)
    return ranks


def _correlation(a: Floats, b: Floats) -> Floats:
    """Pearson's correlation over the last axis; 0 where one of the two is constant."""
    a, b = (x - x.mean(-1, keepdims=True) for x in (a, b))
    scale = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    found: Floats = np.divide((a * b).sum(-1), scale, out=np.zeros_like(scale), where=scale > 0)
    return found
