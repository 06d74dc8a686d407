"""Search on a table: searchers ask for accuracies of listed architectures, and nothing is trained.

A query is one stand-alone training: it returns the meta-validation accuracy of an architecture with one of
its seeds, in an order that is drawn for each repetition. After every query the searcher's choice is the best
of its history (`propose.best`). Its regret is judged on test: (oracle - choice) / (oracle - mean).
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.evaluation.charts.regret import Regret, regret_chart
from metanas.evaluation.charts.theme import svg
from metanas.search.propose import Trial, best
from metanas.search.searcher import SEARCHERS, Problem, Searcher
from metanas.space.architecture import Architecture
from metanas.space.enumeration import member
from metanas.tables.table import SHARED, Floats, Table

MARKS = (10, 25, 50)  # queries after which the text forms give the regret
RESULT, ROWS, PICTURE = "search.json", "search.csv", "regret.svg"


@dataclass(frozen=True)
class Searched:
    """Regret (R, Q) of one searcher on one domain: R repetitions, after each of Q queries."""

    searcher: str
    domain: str
    regrets: Floats

    def at(self, queries: int) -> str:
        """Mean regret after so many queries with half its 95 % interval, as text."""
        point = self.curve()[queries - 1]
        return f"{point.regret:.2f} +-{point.high - point.regret:.2f}"

    def curve(self) -> list[Regret]:
        """Mean over the repetitions with its 95 % interval, after each query."""
        mean, count = self.regrets.mean(0), len(self.regrets)
        half = 1.96 * self.regrets.std(0, ddof=1) / count**0.5 if count > 1 else np.zeros_like(mean)
        return [
            Regret(self.searcher, self.domain, query + 1, float(m), float(m - h), float(m + h))
            for query, (m, h) in enumerate(zip(mean, half, strict=True))
        ]


def search(
    table: Table, searcher: str, domain: str, *, queries: int, repetitions: int, shots: int | None = None
) -> Searched:
    """Repeat one search. domain: "shared" asks for the mean over the domains. shots: None for their mean.

    Only architectures of the table's space are candidates. UnknownName for the searcher or domain;
    InvalidValue for numbers that are too small or large, or a searcher that proposes something else.
    """
    candidates = [i for i, a in enumerate(table.architectures) if member(table.space, a) is not None]
    if not 1 <= queries <= len(candidates) or repetitions < 1:
        raise InvalidValue(
            f"queries lie in 1..{len(candidates)} and repetitions are positive, got {queries}, {repetitions}"
        )
    kind, problem = SEARCHERS[searcher], _problem(table, domain, candidates)
    fitness = table.by_seed(domain, "val", shots)
    regrets = table.regrets(domain, shots)
    index = {table.architectures[i]: i for i in candidates}
    rows = [
        [
            regrets[index[choice]]
            for choice in _choices(kind(problem), searcher, index, fitness, queries, repetition)
        ]
        for repetition in range(repetitions)
    ]
    return Searched(searcher, domain, np.array(rows))


def write(searches: Sequence[Searched], table: Table, folder: Path) -> None:
    """Write search.json (every curve, how it was made), search.csv (the same as rows) and regret.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = [point for searched in searches for point in searched.curve()]
    repetitions, queries = searches[0].regrets.shape
    content = {
        "schema_version": 1,
        "table": table.about.definition.name,
        "table_version": table.about.definition.version,
        "queries": queries,
        "repetitions": repetitions,
        "regrets": [vars(point) for point in curves],
    }
    write_atomically(folder / RESULT, json.dumps(content).encode())
    text = io.StringIO()
    writer = csv.DictWriter(text, list(vars(curves[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(point) for point in curves)
    write_atomically(folder / ROWS, text.getvalue().encode())
    write_atomically(folder / PICTURE, svg(chart(searches, table)).encode())


def chart(searches: Sequence[Searched], table: Table) -> dict[str, object]:
    """The picture of all curves, one panel a domain, as a Vega-Lite specification."""
    curves = [point for searched in searches for point in searched.curve()]
    return regret_chart(
        f"Regret on {table.about.definition.name}, {len(searches[0].regrets)} searches each", curves
    )


def domains_of(table: Table) -> tuple[str, ...]:
    """What can be searched for: every domain, and one architecture for all."""
    return (*table.domains, SHARED) if len(table.domains) > 1 else table.domains


def _problem(table: Table, domain: str, candidates: Sequence[int]) -> Problem:
    places = table.domains if domain == SHARED else (domain,)
    table.by_seed(domain)  # UnknownName before anything is searched

    def of(values: Sequence[Floats]) -> dict[Architecture, float]:
        mean = np.mean(values, 0)
        return {table.architectures[i]: float(mean[i]) for i in candidates}

    mean_macs = of([table.macs[d].astype(float) for d in places])
    proxies = {
        name.replace("_", "-"): of([_ranks(by_domain[d].mean(0)) for d in places])
        for name, by_domain in table.proxies.items()
    }
    macs = {a: round(value) for a, value in mean_macs.items()}
    return Problem(table.space, domain, tuple(macs), len(table.seeds), macs, proxies)


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, so that scores of several domains can be averaged."""
    return values.argsort().argsort().astype(float)


def _choices(
    searcher: Searcher,
    name: str,
    index: dict[Architecture, int],
    fitness: Floats,
    queries: int,
    repetition: int,
) -> list[Architecture]:
    """The choice after each query. fitness: of every training (S, A)."""
    rng = generator(repetition, "table search", name)
    order = np.random.default_rng(repetition).permuted(
        np.tile(np.arange(len(fitness))[:, None], fitness.shape[1]), axis=0
    )
    history: list[Trial] = []
    place: dict[Architecture, int] = {}  # in the history
    left, choices = dict.fromkeys(index), []
    for _ in range(queries):
        proposed = searcher.propose(tuple(history), tuple(left), rng)
        known = history[place[proposed]].fitness if proposed in place else ()
        if proposed not in index or len(known) >= len(fitness):
            raise InvalidValue(f"{name} proposed {proposed}, which is not listed or has no training left")
        at = index[proposed]
        trial = Trial(proposed, (*known, float(fitness[order[len(known), at], at])))
        if known:
            history[place[proposed]] = trial
        else:
            place[proposed] = len(history)
            history.append(trial)
            del left[proposed]
        choices.append(best(history))
    return choices
