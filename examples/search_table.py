"""A search method of your own on table-v1: 200 architectures whose stand-alone accuracies are known.

    python examples/search_table.py

A query costs nothing here, since the training was done once, so searches can be repeated in seconds.
Regret: 0 is the best architecture of the table, 1 no better than the mean one.
"""

from collections.abc import Sequence

import torch

import metanas
from metanas.search.propose import Trial, best
from metanas.search.searcher import SEARCHERS, Problem
from metanas.search.searchers import distance
from metanas.search.variation import pick
from metanas.space.architecture import Architecture
from metanas.studies.table_search import search


@SEARCHERS.register("hill-climb")
class HillClimb:
    """After ten random architectures, always one of those nearest to the best so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def propose(
        self, history: Sequence[Trial], candidates: Sequence[Architecture], rng: torch.Generator
    ) -> Architecture:
        if len(history) < 10:
            return pick(candidates, rng)
        top = best(history)
        least = min(distance(top, candidate) for candidate in candidates)
        return pick([candidate for candidate in candidates if distance(top, candidate) == least], rng)


table = metanas.load_table("table-v1")
for domain in table.domains:
    for name in ("hill-climb", "random"):
        searched = search(table, name, domain, queries=50, repetitions=10)
        print(f"{domain:13} {name:11} regret after 10, 25, 50 queries: ", end="")
        print("  ".join(searched.at(queries) for queries in (10, 25, 50)))
