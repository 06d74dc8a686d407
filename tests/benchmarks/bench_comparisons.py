"""Whether the comparisons of one method with all others hold what they claim, in simulated studies.

`python tests/benchmarks/bench_comparisons.py [STUDIES]` prints for each setting the coverage of the intervals
with a baseline (all at once), of the intervals with the best (MCB, all at once), how often a range of ranks
or the verdict "not the best" is wrong (family-wise error), and how often a difference as large as those
that are said to be told is found. Scores are mean + episode + seed common to all + seed of the method +
rest, as in tests/evaluation/test_coverage.py. Every method is as good as the others, but for the first, which
is better by 0.0001, too little to be found: the hardest case for both procedures.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metanas.evaluation.one_to_many import OneToMany
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.statistics import View

EPISODES, AHEAD = 60, 1e-4


class Setting(NamedTuple):
    """methods, seeds; how much a method's seeds differ, and how much for all alike; scale of each method."""

    methods: int
    seeds: int
    between: float
    common: float
    scale: Sequence[float] = (1.0,)  # of a method's own variation, in turn


class Found(NamedTuple):
    """Shares of the studies."""

    baseline: float  # all intervals with the baseline cover
    best: float  # all intervals with the best cover
    rank_error: float  # a baseline's range of ranks misses a rank that is true
    best_error: float  # the best method is said not to be the best
    power: float  # of a difference as large as `Resolution.now`, with all others


SETTINGS = (
    *(Setting(5, 1, 0.0, 0.0), Setting(20, 1, 0.0, 0.0)),
    *(Setting(5, 3, between, 0.0) for between in (0.0, 0.01, 0.05)),
    *(Setting(5, 5, between, 0.05) for between in (0.0, 0.006, 0.01, 0.05)),
    *(Setting(5, 8, 0.01, 0.05), Setting(5, 10, 0.02, 0.0)),
    *(Setting(20, 3, 0.01, 0.0), Setting(20, 5, 0.01, 0.05), Setting(20, 5, 0.05, 0.0)),
    *(Setting(20, 8, 0.01, 0.05), Setting(50, 5, 0.02, 0.05)),
    *(Setting(5, 5, 0.01, 0.05, scale) for scale in ((0.1, 1, 1, 1, 1), (2, 1, 1, 1, 1), (1, 0.2, 2))),
)


def study(random: np.random.Generator, setting: Setting, ahead: Sequence[float]) -> dict[str, View]:
    """One study. ahead: what the first methods are better by than the rest."""
    shared = (
        0.7 + 0.08 * random.normal(size=EPISODES) + setting.common * random.normal(size=(setting.seeds, 1))
    )
    views = {}
    for i in range(setting.methods):
        own = setting.between * random.normal(size=(setting.seeds, 1))
        own = own + 0.05 * random.normal(size=(setting.seeds, EPISODES))
        skill = ahead[i] if i < len(ahead) else 0.0
        views[f"m{i}"] = {"a/5w1s": shared + skill + setting.scale[i % len(setting.scale)] * own}
    return views


def simulate(setting: Setting, studies: int, *, number: int = 0) -> Found:
    """Shares over that many studies. number: of the stream of random numbers."""
    random = np.random.default_rng([number, setting.methods, setting.seeds, int(1000 * setting.between)])
    true = np.zeros(setting.methods)
    true[0] = AHEAD
    to_best = true - np.where(np.arange(setting.methods) == 0, 0.0, AHEAD)
    covers, holds, errors, excluded, sizes = 0, 0, 0, 0, []
    for _ in range(studies):
        compared = OneToMany(study(random, setting, (AHEAD,)))
        half = compared.margin(LEVEL, sides=2)[0]
        inside = np.abs(compared.gap[0] - (true[0] - true)) <= half
        covers += bool(inside.all())
        first, last = compared.ranks(LEVEL)
        errors += bool(first[0] > 1 or last[0] < setting.methods)
        low, high, best = compared.to_best(LEVEL)
        holds += bool(((low <= to_best + 1e-12) & (to_best - 1e-12 <= high)).all())
        excluded += not best[0]
        resolution = compared.resolution(LEVEL)
        assert resolution is not None
        sizes.append(resolution.now)
    shares = [count / studies for count in (covers, holds, errors, excluded)]
    return Found(*shares, _power(random, setting, float(np.median(sizes)), max(studies // 4, 50)))


def _power(random: np.random.Generator, setting: Setting, size: float, studies: int) -> float:
    """How often a method that is better than the rest by `size` is found better, mean over the rest."""
    found = []
    for _ in range(studies):
        compared = OneToMany(study(random, setting, (size,)))
        found.append((compared.gap[0] > compared.margin(LEVEL, sides=2)[0])[1:].mean())
    return float(np.mean(found))


def main() -> None:
    """Print a line for each setting."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(
        f"{studies} studies each, {EPISODES} episodes, in %; power at the difference said to be told",
        flush=True,
    )
    print("methods seeds between common scale: coverage baseline, best; errors rank, best; power")
    for setting in SETTINGS:
        found = simulate(setting, studies)
        print(*setting, ": ", *(f"{100 * share:.1f}" for share in found), flush=True)


if __name__ == "__main__":
    main()
