"""Accuracy against MACs per query of `loo-nas` under several limits, from one trained state a seed.

    python -m tests.benchmarks.macs_limits RUN

RUN is a run of loo-nas with --regret, so that the right answers under every candidate are known. What is
asked here is only which candidate each test task gets when candidates may cost so much at most
(`LooNas.choose(..., macs=LIMIT)`, the setting `macs`): by the run's own rule, and by the rule `shared`. A
random choice is the mean over the affordable candidates, the best one in hindsight as in
`evaluation/regret.py`. Results and the picture go to docs/; with --draw the picture alone is made again.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

import metanas
from baselines.loo_nas import LooNas
from metanas.base.atomic import write_atomically
from metanas.choice.candidates import candidates
from metanas.choice.rules import RuleName
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED
from metanas.engine import config
from metanas.evaluation import regret, result
from metanas.evaluation.charts.budget import CANDIDATE, Spent, budgets
from metanas.evaluation.charts.theme import svg
from metanas.evaluation.regret import best_of_half
from metanas.evaluation.statistics import Interval, View, difference_within, domain_of, estimate
from metanas.models.macs import macs
from metanas.space.space import SearchSpace

DOCS = Path(__file__).parents[2] / "docs"
KEPT, PICTURE = DOCS / "architecture" / "mini-v1-macs", DOCS / "pictures" / "macs-limits.svg"
Numbers = NDArray[np.int64]
TITLE = "loo-nas on mini-v1 under a limit on MACs (1 and 5 shots)"
LIMITS = 6  # of each domain
CHUNK = 10  # tasks side by side
RULES: dict[RuleName, str] = {"hierarchical": "chosen for each task", "shared": "shared by all domains"}
SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("seed", pa.int16()),
        ("rule", pa.string()),
        ("limit", pa.int64()),  # MACs per query
        ("candidate", pa.list_(pa.int16())),  # of each episode, by number
    ]
)


def costs(folder: Path, domain: str) -> Numbers:
    """MACs (K,) of a query of this domain under each candidate of the run in `folder`."""
    found = config.read(folder / "config.yaml")
    spec = Domain.open(domain).spec(found.suite.ways_of(domain))
    architectures = candidates(SearchSpace(**found.settings["space"]), found.settings["count"])
    return np.array([macs(architecture, spec) for architecture in architectures])


def limits(folder: Path, domain: str) -> list[int]:
    """LIMITS of the different costs of a domain's candidates, from the least to the most."""
    different = np.unique(costs(folder, domain))
    return [int(different[i]) for i in np.linspace(0, len(different) - 1, LIMITS).round().astype(int)]


def choices(run: metanas.Run) -> Iterator[dict[str, object]]:
    """The candidate of every test task of a run under each limit, by both rules."""
    for seed in run.config.seeds:
        learner = run.learner(seed)
        method = learner.method
        assert isinstance(method, LooNas)
        for domain, shape in run.data.tasks():
            under = limits(run.folder, domain.name)
            found: dict[tuple[RuleName, int], list[int]] = {(r, limit): [] for limit in under for r in RULES}
            for first in range(0, run.config.budget.eval_episodes, CHUNK):
                last = min(first + CHUNK, run.config.budget.eval_episodes)
                tasks = domain.episodes("test", shape, EVALUATION_SEED, range(first, last))
                for (rule, limit), numbers in found.items():
                    chosen = method.choose(learner.state, tasks.spec, tasks.support, rule, macs=limit)
                    numbers += chosen.tolist()
            for (rule, limit), numbers in found.items():
                name = f"{domain.name}/{shape.name}"
                row = {"task": name, "seed": seed, "rule": rule, "limit": limit, "candidate": numbers}
                print(*list(row.values())[:4], f"{len(set(numbers))} different", flush=True)
                yield row


def keep(run: metanas.Run) -> None:
    """Copy what a picture needs of a run to docs/, with the choices under every limit."""
    KEPT.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pylist(list(choices(run)), schema=SCHEMA)
    result.write_table(KEPT / "chosen.parquet", rows)
    for name in ("config.yaml", result.SUBMISSION, regret.CANDIDATES):
        shutil.copyfile(run.folder / name, KEPT / name)


def spent() -> list[Spent]:
    """Every point of the picture, from the kept results alone."""
    submission = result.read_submission(KEPT / result.SUBMISSION)
    right = regret.read(KEPT, submission.tasks, submission.seeds)
    rows = result.read_table(KEPT / "chosen.parquet", SCHEMA).to_pylist()
    kept = {(r["task"], r["rule"], r["limit"], r["seed"]): np.array(r["candidate"]) for r in rows}
    points = []
    for domain in dict.fromkeys(domain_of(task) for task in right):
        mine, cost = {t: a for t, a in right.items() if domain_of(t) == domain}, costs(KEPT, domain)
        for number in range(len(cost)):
            points.append(_point(domain, CANDIDATE, cost[number], mine, cost, dict.fromkeys(mine, number)))
        for limit in limits(KEPT, domain):
            for rule, words in RULES.items():
                chosen = {t: np.stack([kept[t, rule, limit, s] for s in submission.seeds]) for t in mine}
                points.append(_point(domain, words, limit, mine, cost, chosen))
            within = np.flatnonzero(cost <= limit)
            best = {t: within[best_of_half(a[within])] for t, a in mine.items()}
            points.append(_point(domain, "best in hindsight", limit, mine, cost, best))
            drawn = {t: a[within].mean(0) for t, a in mine.items()}
            points.append(_spent(domain, "drawn at random", limit, float(cost[within].mean()), drawn))
    return points


def _point(
    domain: str, rule: str, limit: float, right: View, cost: Numbers, chosen: Mapping[str, Numbers | int]
) -> Spent:
    """Accuracy and mean cost of the chosen candidates (S, E) by task. right: (K, S, E) by task."""
    numbers = {t: np.broadcast_to(chosen[t], a.shape[1:]) for t, a in right.items()}
    view = {t: np.take_along_axis(a, numbers[t][None], 0)[0] for t, a in right.items()}
    mean = float(np.mean([cost[of_task].mean() for of_task in numbers.values()]))
    return _spent(domain, rule, limit, mean, view)


def _spent(domain: str, rule: str, limit: float, cost: float, view: View) -> Spent:
    return Spent(domain, rule, float(limit), cost, *estimate(view).interval().percents)


def price() -> dict[str, Interval]:
    """What the least limit costs in accuracy, by domain: chosen under it minus chosen under none."""
    submission = result.read_submission(KEPT / result.SUBMISSION)
    right = regret.read(KEPT, submission.tasks, submission.seeds)
    rows = result.read_table(KEPT / "chosen.parquet", SCHEMA).to_pylist()
    chosen = {(r["task"], r["limit"], r["seed"]): r["candidate"] for r in rows if r["rule"] == "hierarchical"}

    def view(mine: View, limits: Mapping[str, int]) -> View:
        numbers = {t: np.array([chosen[t, limits[t], s] for s in submission.seeds]) for t in mine}
        return {t: np.take_along_axis(a, numbers[t][None], 0)[0] for t, a in mine.items()}

    found = {}
    for domain in dict.fromkeys(domain_of(task) for task in right):
        mine, under = {t: a for t, a in right.items() if domain_of(t) == domain}, limits(KEPT, domain)
        least, most = (view(mine, dict.fromkeys(mine, limit)) for limit in (under[0], under[-1]))
        found[domain] = difference_within(least, most).interval()
    return found


def table(points: list[Spent]) -> str:
    """A Markdown table: by domain and limit, accuracy and mean cost of every rule."""
    rules = list(dict.fromkeys(p.rule for p in points if p.rule != CANDIDATE))
    lines = [f"| domain | at most | {' | '.join(rules)} |", "|---" * (len(rules) + 2) + "|"]
    for domain, limit in dict.fromkeys((p.domain, p.limit) for p in points if p.rule != CANDIDATE):
        of_limit = {p.rule: p for p in points if (p.domain, p.limit) == (domain, limit)}
        cells = [
            f"{p.accuracy:.1f} [{p.low:.1f}, {p.high:.1f}] at {p.cost / 1e6:.2f} M"
            for p in map(of_limit.__getitem__, rules)
        ]
        lines.append(f"| {domain} | {limit / 1e6:.2f} M | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Ask for the choices, then draw; print the points as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", nargs="?", help="the run folder")
    parser.add_argument("--draw", action="store_true", help="only draw, from what is kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.draw:
        keep(metanas.load_run(asked.run))
    points = spent()
    print(table(points) + "\n\nChosen under the least limit minus without a limit, in points:")
    for domain, interval in price().items():
        print(f"{domain} {100 * interval.mean:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]")
    write_atomically(PICTURE, svg(budgets(TITLE, points, "MACs per query")).encode())


if __name__ == "__main__":
    main()
