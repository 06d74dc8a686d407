"""A comparison as tables of text, for a terminal, Markdown, LaTeX and the report. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metanas.evaluation.compare import Comparison
from metanas.evaluation.gather import Run
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.result import Task
from metanas.evaluation.stats import Interval
from metanas.evaluation.study import Study
from metanas.evaluation.transfer import Cell, Matrix

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of text, and how the numbers were computed."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    how: str
    keys: int = 1  # how many of the first columns name a row


def tables(runs: Mapping[str, Run], comparison: Comparison) -> list[Table]:
    """All tables of a comparison, the most important first."""
    return [
        t for t in (scores(runs, comparison), pairs(comparison), costs(runs), tests(comparison)) if t.rows
    ]


def scores(runs: Mapping[str, Run], comparison: Comparison) -> Table:
    """Methods by rank: mean, tasks, and the other scores."""
    first = next(iter(runs.values()))
    rows = []
    for place in comparison.methods:
        run = runs[place.name]
        worst, value = run.scores.worst_domain
        intervals = comparison.tasks[place.name]
        rows.append(
            (
                place.ranks,
                label(run),
                place.mean.percent(),
                *(intervals[task.name].percent() for task in first.submission.tasks),
                f"{run.scores.mean('chance_normalised').mean:.3f}",
                f"{100 * run.scores.mean('macro_f1').mean:.1f}",
                f"{run.scores.mean('log_loss').mean:.3f}",
                f"{100 * run.scores.ece:.1f}",
                f"{100 * value:.1f} {worst}",
                f"{run.scores.iqm:.3f}",
                f"{comparison.mean_ranks[place.name]:.2f}",
            )
        )
    tasks = tuple(heading(task) for task in first.submission.tasks)
    rest = ("chance-norm.", "macro-F1", "log-loss", "ECE", "worst domain", "IQM", "mean rank")
    return Table(
        f"{first.submission.suite} {first.submission.suite_version}, {first.submission.budget['name']}",
        ("rank", "method", "mean", *tasks, *rest),
        tuple(rows),
        "Accuracy in % with 95 % intervals: "
        f"{comparison.methods[0].mean.how}. Every domain has the same weight, and within it every task. "
        "Ranks are "
        "ranges where paired tests (Holm over all pairs, 5 %) cannot tell. Chance-norm.: (accuracy - "
        "chance) / "
        "(1 - chance). ECE: expected calibration error, 15 bins, in %. IQM: interquartile mean of "
        "chance-normalised accuracy over tasks x seeds.",
        keys=2,
    )


def pairs(comparison: Comparison) -> Table:
    """Every pair of methods."""
    rows = tuple(
        (
            f"{pair.a} - {pair.b}",
            points(pair.difference),
            points(pair.bootstrap),
            p_value(pair.p),
            p_value(pair.p_signs),
            p_value(pair.p_wilcoxon),
            f"{pair.wins}/{pair.ties}/{pair.losses}",
            pair.verdict,
        )
        for pair in comparison.pairs
    )
    return Table(
        "Paired differences",
        ("pair", "difference", "bootstrap", "p", "p signs", "p Wilcoxon", "win/tie/loss", "verdict"),
        rows,
        "In points of accuracy on the same episodes, 95 % intervals. p belongs to the difference and asks "
        "about new "
        "trainings and episodes; sign flips (10,000) and Wilcoxon ask about these trained models only. "
        "All p are "
        "Holm-adjusted over the pairs. Win/tie/loss counts tasks beyond +-0.5 points; practically equal: the "
        "whole interval within +-0.5 points.",
    )


def costs(runs: Mapping[str, Run]) -> Table:
    """What each method took, measured."""
    rows = []
    for name, run in runs.items():
        cost = run.submission.costs
        rows.append(
            (
                name,
                big(cost.train_flops),
                big(cost.adapt_flops),
                big(cost.predict_macs),
                f"{cost.train_seconds:.1f}",
                f"{cost.evaluate_seconds:.1f}",
                f"{cost.parameters:,}",
                f"{cost.peak_bytes / 2**20:,.0f}",
                "-" if cost.trials is None else str(cost.trials),
            )
        )
    hardware = sorted({run.submission.environment.get("cpu", "unknown hardware") for run in runs.values()})
    return Table(
        "Costs",
        (
            "method",
            "training FLOPs",
            "adaptation FLOPs",
            "MACs a query",
            "training s",
            "testing s",
            "parameters",
            "peak MiB",
            "trials",
        ),
        tuple(rows),
        "Per seed. FLOPs: torch's counter on matrix products and convolutions of one iteration (times "
        "iterations), "
        "of adapting to one task, and MACs of one query with the adapted network (means over tasks). "
        "Seconds on: "
        f"{'; '.join(hardware)}. Trials: settings tried before these, as declared.",
    )


def tests(comparison: Comparison) -> Table:
    """Friedman's test and the mean ranks; empty where it means nothing."""
    found = comparison.friedman
    if found is None:
        return Table("Mean ranks", (), (), "")
    order = sorted(found.mean_ranks.items(), key=lambda pair: pair[1])
    return Table(
        "Mean ranks",
        ("method", "mean rank"),
        tuple((name, f"{rank:.2f}") for name, rank in order),
        f"Friedman's test over {found.tasks} tasks: chi2 = {found.statistic:.2f}, p = {p_value(found.p)}. "
        "Nemenyi's "
        f"critical difference at 5 %: {found.critical_difference:.2f} ranks. A domain's tasks are related, "
        "so "
        "their number overstates what is known.",
    )


def transfer(matrix: Matrix) -> list[Table]:
    """The matrix, the differences to in-domain training, and the decomposition."""
    study = matrix.study
    tests, trains = study.domains, list(dict.fromkeys(cell.train for cell in matrix.cells))
    heads = columns(study)
    at = {(cell.train, cell.test): cell for cell in matrix.cells}
    values = tuple((train, *(at[train, test].accuracy.percent() for test in tests)) for train in trains)
    gaps = tuple((train, *(_gap(at[train, test]) for test in tests)) for train in trains)
    where = f"{study.method} on {study.suite} {study.suite_version}"
    seeds = f"{len(study.seeds)} seeds, {study.tasks[0].episodes} episodes a task"
    found = [
        Table(
            f"Transfer of {where}: accuracy",
            ("trained on \\ tested on", *heads.values()),
            values,
            f"In % with 95 % intervals; {seeds}. {matrix.cells[0].accuracy.how}.",
        ),
        Table(
            f"Transfer of {where}: difference to in-domain training",
            ("trained on \\ tested on", *heads.values()),
            gaps,
            "Points of accuracy against the row trained on the column's domain alone, paired by episode, "
            "95 % "
            "intervals; in-domain: the accuracy itself. ns: not significant at 5 %, Holm over the cells.",
        ),
    ]
    parts = {(p.train, p.test, p.variant): p for p in matrix.parts}
    kinds = [variant for variant in study.variants if variant != "neither"]
    rows = tuple(
        (
            train,
            heads[test],
            *(
                points(parts[train, test, kind].gain) + ("" if parts[train, test, kind].p < LEVEL else " ns")
                for kind in kinds
            ),
        )
        for train in trains
        for test in tests
        if matrix.parts
    )
    found.append(
        Table(
            f"What transfers of {where}: gain over adapting from fresh numbers",
            ("trained on", "tested on", *kinds),
            rows,
            "Points of accuracy over the same adaptation from fresh weights and architecture. weights: "
            "trained "
            "weights, fresh architecture; arch: the other way round. ns: not significant at 5 %, Holm "
            "over all.",
            keys=2,
        )
    )
    return [table for table in found if table.rows]


def columns(study: Study) -> dict[str, str]:
    """A study's test domains as headings, with what a reader has to know of their data."""
    return {task.domain: task.domain + _marks(task) for task in study.tasks}


def _gap(cell: Cell) -> str:
    if cell.difference is None or cell.p is None:
        return f"{100 * cell.accuracy.mean:.1f} in-domain"
    return points(cell.difference) + ("" if cell.p < LEVEL else " ns")


def terminal(table: Table, width: int) -> "list[RenderableType]":
    """For rich. A table wider than `width` becomes several with the same first columns, none of them cut."""
    from rich.table import Table as Rich  # a server, which starts in two seconds, prints none
    from rich.text import Text

    sizes = [
        max(max(map(len, head.split())), *map(len, cells))  # headings wrap, cells do not
        for head, *cells in zip(table.columns, *table.rows, strict=True)
    ]
    pieces = _pieces(sizes, table.keys, width)
    found: list[RenderableType] = []
    for number, piece in enumerate(pieces, 1):
        part = f" ({number} of {len(pieces)})" if len(pieces) > 1 else ""
        made = Rich(title=table.title + part, title_justify="left")
        for column in piece:
            made.add_column(table.columns[column], max_width=sizes[column], overflow="fold")
        for row in table.rows:
            made.add_row(*(row[column] for column in piece))
        found.append(made)
    return [*found, Text(table.how + "\n", style="dim")]


def _pieces(sizes: list[int], keys: int, width: int) -> list[list[int]]:
    """Columns of each piece: the first `keys`, then as many others as fit (a border and 2 spaces each)."""
    first = list(range(keys))
    pieces, used = [first[:]], 0
    start = 1 + sum(sizes[i] + 3 for i in first)
    for column in range(keys, len(sizes)):
        if len(pieces[-1]) > keys and start + used + sizes[column] + 3 > width:
            pieces.append(first[:])
            used = 0
        pieces[-1].append(column)
        used += sizes[column] + 3
    return pieces


def markdown(table: Table) -> str:
    """A heading, a pipe table and the note."""
    lines = [
        f"### {table.title}",
        "",
        "| " + " | ".join(table.columns) + " |",
        "|---" * len(table.columns) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join([*lines, "", table.how])


def tex(table: Table) -> str:
    """A booktabs table."""
    lines = [
        r"\begin{table}",
        rf"\caption{{{_tex(table.title)}. {_tex(table.how)}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(_tex, table.columns)) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(map(_tex, row)) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def label(run: Run) -> str:
    """A run's name, and what a reader has to know of the method."""
    return f"{run.name} (transductive)" if run.submission.transductive else run.name


def heading(task: Task) -> str:
    """digits 5w1s, and what a reader has to know of the data."""
    return f"{task.domain} {task.ways}w{task.shots}s{_marks(task)}"


def _marks(task: Task) -> str:
    marks = [word for word, on in (("synthetic", task.synthetic), ("sample", task.sample)) if on]
    return f" ({', '.join(marks)})" if marks else ""


def data_note(tasks: Sequence[Task]) -> str:
    """What the data is, in a sentence."""
    words = [
        word
        for word, on in (
            ("samples of data sets", any(task.sample for task in tasks)),
            ("synthetic", any(task.synthetic for task in tasks)),
        )
        if on
    ]
    return f"Some of the data is {' and some '.join(words)}." if words else "All data is real and complete."


def points(interval: Interval) -> str:
    """+1.3 [-0.2, +2.8]"""
    return f"{100 * interval.mean:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def p_value(p: float) -> str:
    """0.0312, or <0.0001."""
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def big(number: int | None) -> str:
    """1.53 G; - where it was not measured."""
    if number is None:
        return "-"
    for size, name in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {name}"
    return str(number)


def _tex(text: str) -> str:
    for plain, escaped in (("\\", r"\textbackslash{}"), *((c, f"\\{c}") for c in "&%$#_{}")):
        text = text.replace(plain, escaped)
    return text.replace("<", "$<$").replace("\u2013", "--")
