"""The page about a table, `docs/table.md`: every figure on it follows from the table and one command."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile
from metanas.evaluation.charts.theme import svg
from metanas.evaluation.statistics import View, difference
from metanas.evaluation.tables import Table as Text
from metanas.evaluation.tables import markdown, points
from metanas.search.searcher import SEARCHERS
from metanas.space.architecture import Architecture, Node, frame
from metanas.studies.table_search import MARKS, Searched, chart, domains_of, search
from metanas.studies.table_tau import kendall
from metanas.tables.table import SHARED, Table

QUERIES, REPETITIONS = 100, 100


def write(table: Table, path: Path, taus: Sequence[Path]) -> None:
    """Write the page and its picture, <page>-regret.svg. taus: files that `metanas table tau --out` wrote."""
    searches = [
        search(table, name, domain, queries=QUERIES, repetitions=REPETITIONS)
        for domain in domains_of(table)
        for name in SEARCHERS
    ]
    picture = path.with_name(f"{path.stem}-regret.svg")
    write_atomically(picture, svg(chart(searches, table)).encode())
    parts = [
        _head(table),
        markdown(_choices(table)),
        markdown(_differences(table)),
        markdown(_families(table)),
        markdown(_noise(table)),
        _search_text(table, picture.name),
        markdown(_regrets(searches)),
        _tau_text(table, taus),
    ]
    write_atomically(path, ("\n\n".join(parts) + "\n").encode())


def _head(table: Table) -> str:
    about, d, space = table.about, table.about.definition, table.space
    trainings = len(table.architectures) * len(table.domains) * len(table.seeds)
    flops = sum(int(table.train_flops[name].sum()) for name in table.domains) * len(table.seeds)
    hours = sum(float(np.nansum(table.seconds[name])) for name in table.domains) / 3600
    measured = sum(int(np.isfinite(table.seconds[name]).sum()) for name in table.domains)
    of = "in all" if measured == trainings else f"of the {measured:,} on one kind of device"
    settings = ", ".join(f"{key}={value}" for key, value in d.settings.items())
    seeds = ", ".join(map(str, d.seeds))
    domains = ", ".join(f"{name} ({a.suite} {a.suite_version})" for name, a in about.domains.items())
    code = f" with commit {about.commit[:12]}" if about.commit else ""
    return f"""# {d.name}: the stand-alone truth of {len(table.architectures)} architectures

{d.summary}
Right answers are kept for each test and meta-validation episode, so whatever a method chooses can be judged
without training anything: `metanas.load_table("{d.name}")`. Made on {about.created:%Y-%m-%d}{code}. This page
is written by `metanas table page`, the table by `metanas table build`, which goes on after a kill and grows
by suites, seeds or architectures.

- **Architectures**: {_listed(table)}.
- **Space**: {space.layers} layers of {space.channels} channels, stem {space.stem} with patch {space.patch},
  operations {", ".join(space.ops)}.
- **Recipe**: `{d.method}` ({settings}), {d.iterations} iterations of {d.tasks} tasks,
  the numbers of shots in turn, seeds {seeds}; {trainings:,} trainings,
  {flops / 1e12:.1f} TFLOP and {hours:.1f} hours of meta-training {of}.
- **Episodes**: for each number of shots the first {d.episodes["test"]} pinned test episodes, to report, and
  {d.episodes["val"]} meta-validation episodes of other classes, to choose by.
- **Domains**: {domains}."""


def _listed(table: Table) -> str:
    d = table.about.definition
    pure = len(table.architectures) - len(d.named) - d.random
    named = f", {', '.join(d.named)}" if d.named else ""
    return (
        f"{pure} pure ones (one operation throughout, {d.pure}, every depth){named}, {d.random} random ones"
    )


def _choices(table: Table) -> Text:
    shared = table.best(SHARED)
    rows = []
    for domain in table.domains:
        for shots in table.shots(domain):
            own = table.best(domain)
            values = (
                table.mean(domain, "test", shots),
                table.accuracy(shared, domain, "test", shots),
                table.accuracy(own, domain, "test", shots),
                table.oracle_crossed(domain, shots),
                table.oracle(domain, shots),
                table.oracle_per_task(domain, shots),
            )
            rows.append((domain, str(shots), *(f"{100 * value:.1f}" for value in values)))
    chosen = "; ".join(f"{domain}: {table.text(table.best(domain))}" for domain in table.domains)
    return Text(
        "What a choice of the architecture is worth",
        (
            "domain",
            "shots",
            "mean architecture",
            "shared, by validation",
            "per domain, by validation",
            "best, crossed",
            "best",
            "best per task",
        ),
        tuple(rows),
        f"Test accuracy in %, mean over seeds. Shared: {table.text(shared)}, best on the mean of all "
        f"domains' meta-validation. Per domain: {chosen}. Best: chosen and judged by the same test answers; "
        "crossed: chosen by one seed's and judged by the other's. Best per task: the best architecture of "
        "each single episode, which no rule can reach: much of it is the luck of an episode's few queries.",
        keys=2,
    )


def _differences(table: Table) -> Text:
    shared = table.best(SHARED)
    rows = []
    for domain in table.domains:
        own, top = table.best(domain), table.best(domain, "test")
        rows.append(
            (
                domain,
                points(difference(_view(table, own, domain), _view(table, shared, domain)).interval()),
                points(difference(_view(table, top, domain), _view(table, shared, domain)).interval()),
            )
        )
    return Text(
        "Against the best shared architecture",
        ("domain", "per domain, by validation", "best on test (biased)"),
        tuple(rows),
        "Paired differences of test accuracy in points, over all numbers of shots, with 95 % intervals over "
        "seeds and episodes; 0 where both are the same architecture.",
    )


def _view(table: Table, architecture: Architecture, domain: str) -> View:
    return {
        f"{domain}/{shots}": table.episodes(architecture, domain, "test", shots)
        for shots in table.shots(domain)
    }


def _families(table: Table) -> Text:
    space, d = table.space, table.about.definition
    rows = []
    for op in space.ops:
        pure = frame(space, [Node(op, d.pure)] * space.layers)
        if pure in table.architectures:
            values = [f"{100 * table.accuracy(pure, domain):.1f}" for domain in table.domains]
            rows.append((op, *values, f"{table.parameters[table.index(pure)]:,}"))
    return Text(
        "Pure architectures",
        ("operation", *table.domains, "parameters"),
        tuple(rows),
        f"Test accuracy in %, mean over shots and seeds, of {space.layers} layers of one operation with "
        f"{d.pure}. Parameters are those of layers and exit.",
    )


def _noise(table: Table) -> Text:
    rows = []
    for domain in table.domains:
        by_seed = table.by_seed(domain)
        [val_and_test] = kendall(table, {domain: table.accuracies(domain)})
        spread = by_seed.mean(0).std()
        noise = by_seed.std(0, ddof=1).mean() if len(by_seed) > 1 else float("nan")
        rows.append(
            (
                domain,
                f"{100 * spread:.1f}",
                f"{100 * noise:.1f}",
                f"{val_and_test.ceiling:.2f}",
                f"{val_and_test.tau:.2f} [{val_and_test.low:.2f}, {val_and_test.high:.2f}]",
            )
        )
    return Text(
        "How far the ranking can be trusted",
        (
            "domain",
            "spread of architectures",
            "spread of seeds",
            "tau between seeds",
            "tau of validation and test",
        ),
        tuple(rows),
        "Standard deviations of test accuracy in points. Kendall's tau between the seeds' meta-validation "
        "accuracies is what no predictor of one training can surpass by much. The last column, with its 95 % "
        "bootstrap interval over architectures, says how well the classes that a searcher may see tell of "
        "those it may not.",
    )


def _search_text(table: Table, picture: str) -> str:
    return f"""### Searching on the table

    metanas table search --queries {QUERIES} --repetitions {REPETITIONS}

A query tells a searcher the meta-validation accuracy of one stand-alone training. Regret is judged on test:
(best - chosen) / (best - mean architecture), 0 for the best architecture of the list and 1 for a random one.
Evolution is that of the search method; its child is replaced by the nearest listed architecture that was not
asked for yet. TPE and the Gaussian process score the list itself. Successive halving asks for a second
training of the better half. Proxies and `largest` (most multiply-accumulates) rank the list beforehand.
The domain *shared* is one architecture for all domains. In the picture the dashed line at 1 is a random
architecture, and a solid and a dashed line of one colour are two searchers.

![regret of every searcher over queries]({picture})"""


def _regrets(searches: Sequence[Searched]) -> Text:
    marks = (*MARKS, QUERIES)
    return Text(
        "Regret",
        ("domain", "searcher", *(f"after {n}" for n in marks)),
        tuple((s.domain, s.searcher, *(s.at(n) for n in marks)) for s in searches),
        f"Mean of {REPETITIONS} searches with half the 95 % interval.",
        keys=2,
    )


def _tau_text(table: Table, files: Sequence[Path]) -> str:
    head = """### How well does a weight-sharing supernet rank?

    metanas run --method protonet --seeds 0,1 --set space.stem=lean --out runs/mixture-100
    metanas table tau runs/mixture-100 --out mixture-100.json
    metanas table page --tau mixture-100.json

`space.sampling=uniform` trains on single paths instead; [architecture.md](architecture.md) says what follows.
"""
    if not files:
        return f"{head}\nNot measured yet."
    rows = [row for file in files for row in _tau_rows(file)]
    sizes = {
        "most multiply-accumulates": table.macs,
        "most parameters": {domain: table.parameters for domain in table.domains},
    }
    for name, size in sizes.items():
        found = kendall(table, {domain: size[domain].astype(float) for domain in table.domains})
        rows += [(name, tau.domain, _tau_of(vars(tau)), "") for tau in found]
    text = Text(
        "Kendall's tau",
        ("supernet", "domain", "tau, for each seed", "between the table's seeds"),
        tuple(rows),
        "Accuracies on meta-validation episodes with inherited weights against stand-alone ones; 95 % "
        "bootstrap intervals over architectures. A supernet's name ends with its meta-training iterations. "
        "A supernet is asked for the architectures of its space alone, and so is the column beside it. "
        "The last rows rank by size and train nothing.",
        keys=2,
    )
    return f"{head}\n{markdown(text)}"


def _tau_rows(file: Path) -> list[tuple[str, str, str, str]]:
    """A row for each domain of what `metanas table tau --out` wrote. DamagedFile."""
    try:
        found = json.loads(file.read_bytes())
        rows = []
        for domain in dict.fromkeys(row["domain"] for row in found):
            mine = [row for row in found if row["domain"] == domain]
            ceiling = f"{np.mean([r['ceiling'] for r in mine]):.2f}"
            rows.append((file.stem, domain, "; ".join(map(_tau_of, mine)), ceiling))
        return rows
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DamagedFile(
            f"{file} is not what `metanas table tau --out` writes ({error}); write it again"
        ) from error


def _tau_of(row: Mapping[str, Any]) -> str:
    return f"{row['tau']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
