"""How much of a planted domain's gap a run closes: the table of docs/architecture.md, in Markdown.

    python -m tests.benchmarks.planted_gap RUN

The gap of a domain lies between the mean and the best of the networks of docs/planted.md, each trained alone
on the domain (`planted_nodes.py`), in accuracy averaged over 1 and 5 shots. More than 100 % is more than the
best.
"""

import sys
from pathlib import Path

import numpy as np

from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.statistics import domain_of
from tests.benchmarks.planted_nodes import SUITE, read


def alone() -> dict[str, list[float]]:
    """The accuracy in % of each network on each domain, over seeds, shots and episodes."""
    found: dict[str, dict[str, list[float]]] = {}
    for address, cell in read().items():
        domain, node, _ = address.split()
        mean = float(np.mean([np.mean(values) for values in cell["accuracies"].values()]))
        found.setdefault(domain, {}).setdefault(node, []).append(mean)
    return {name: [float(np.mean(seeds)) for seeds in found[name].values()] for name in SUITE.domains}


def main() -> None:
    """One line a domain: accuracy by shots, and the share of the gap that each seed closes."""
    (run,) = load_runs([Path(sys.argv[1])]).values()
    tasks = run.scores.view()  # by task: (seeds, episodes)
    print("| domain | accuracy | gap | closed, by seed | mean |\n|---|---|---|---|---|")
    for domain, networks in alone().items():
        mine = [
            np.asarray(values).mean(1) * 100 for task, values in tasks.items() if domain_of(task) == domain
        ]
        if not mine:
            continue
        mean, best = float(np.mean(networks)), max(networks)
        closed = 100 * (np.mean(mine, 0) - mean) / (best - mean)
        accuracy = " / ".join(f"{values.mean():.1f}" for values in mine)
        seeds = ", ".join(f"{value:.0f}" for value in closed)
        print(f"| {domain} | {accuracy} | {mean:.1f} to {best:.1f} | {seeds} % | {closed.mean():.0f} % |")


if __name__ == "__main__":
    main()
