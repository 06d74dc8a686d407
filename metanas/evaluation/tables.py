"""Comparisons and transfer matrices as text tables: for the terminal, Markdown, LaTeX, reports. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metanas.evaluation import pretraining
from metanas.evaluation.compare import Comparison
from metanas.evaluation.gains import FIGURES, REGRETS, Gain, gains
from metanas.evaluation.judging import judging
from metanas.evaluation.load_runs import Run, submissions
from metanas.evaluation.one_to_many import Resolution
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.result import Task
from metanas.evaluation.statistics import Interval
from metanas.evaluation.study import Study, Variant
from metanas.evaluation.track import differences, named
from metanas.evaluation.transfer import Cell, Matrix

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = tuple[str, ...]
PARTS: Mapping[Variant, str] = {  # headings of a study's decomposition
    "both": "both",
    "weights": "weights only",
    "arch": "arch on untrained weights",
    "swap": "swap test",
}


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of text, and `how` the numbers were computed."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    how: str
    keys: int = 1  # so many of the first columns identify a row


def tables(runs: Mapping[str, Run], comparison: Comparison) -> list[Table]:
    """All tables of a comparison that have rows, the most important first; marked if the tracks differ."""
    every = (
        scores(runs, comparison),
        best(comparison),
        baseline(comparison),
        pairs(comparison),
        architecture(runs),
        judged(runs),
        costs(runs),
        tests(comparison),
    )
    return [marked(table, runs) for table in every if table.rows]


def marked(table: Table, runs: Mapping[str, Run]) -> Table:
    """The table; where it compares several tracks its title and note say so."""
    if not (found := differences(submissions(runs))):
        return table
    note = (
        f"ACROSS TRACKS: {'; '.join(found)}. Conditions were unequal: no difference here is one of methods. "
    )
    return replace(table, title=f"{table.title} (across tracks)", how=note + table.how)


def scores(runs: Mapping[str, Run], comparison: Comparison) -> Table:
    """Methods by rank: mean accuracy, accuracy on every task, and the other scores."""
    first = next(iter(runs.values()))
    rows = []
    for ranked in comparison.methods:
        run = runs[ranked.name]
        worst, value = run.scores.worst_domain
        intervals = comparison.tasks[ranked.name]
        rows.append(
            (
                ranked.ranks,
                label(run),
                ranked.mean.percent(),
                *(intervals[task.name].percent() for task in first.submission.tasks),
                f"{run.scores.mean('chance_normalised').mean:.3f}",
                f"{100 * run.scores.mean('macro_f1').mean:.1f}",
                f"{run.scores.mean('log_loss').mean:.3f}",
                f"{100 * run.scores.ece:.1f}",
                f"{100 * value:.1f} {worst}",
                f"{run.scores.iqm:.3f}",
                f"{comparison.mean_ranks[ranked.name]:.2f}",
            )
        )
    tasks = tuple(heading(task) for task in first.submission.tasks)
    others = ("chance-norm.", "macro-F1", "log-loss", "ECE", "worst domain", "IQM", "mean rank")
    return Table(
        named(first.submission),
        ("rank", "method", "mean", *tasks, *others),
        tuple(rows),
        f"Accuracy in % with 95 % intervals: {comparison.methods[0].mean.how}. Every domain has the same "
        "weight, and within it every task. Ranks are ranges where comparisons of the method with all others "
        "(5 %) cannot tell; near-identical methods count once. Chance-norm.: (accuracy - chance) / (1 - "
        "chance). ECE: expected calibration error, 15 bins, in %. IQM: interquartile mean of "
        "chance-normalised accuracy over tasks x seeds.",
        keys=2,
    )


def best(comparison: Comparison) -> Table:
    """Every method's difference to the best other one, and whether it may be the best."""
    families = {ranked.family for ranked in comparison.methods}
    rows = tuple(
        (
            ranked.name + ("" if ranked.family == ranked.name else f" (like {ranked.family})"),
            points(ranked.to_best),
            ranked.verdict,
        )
        for ranked in comparison.methods
        if len(families) > 1
    )
    return Table(
        "Comparisons with the best",
        ("method", "minus the best other", "verdict"),
        rows,
        "In points of accuracy; 95 % intervals of all methods at once (Hsu's multiple comparisons with the "
        f"best, crossed t), one-sided, so that they tell more than ranges of ranks, and 0 at the other end. "
        f"{resolution(comparison.resolution)} Methods whose answers are nearly the same are one family and "
        "count once.",
    )


def resolution(found: Resolution | None) -> str:
    """What differences can be told, as a sentence; empty if nothing is compared."""
    if found is None:
        return ""
    plural = "s" if found.seeds > 1 else ""
    more = (
        "."
        if found.doubled is None
        else f"; with {2 * found.seeds} seeds, from about {100 * found.doubled:.1f} points."
    )
    return (
        f"With {found.seeds} seed{plural}, differences from {100 * found.now:.1f} points are found "
        f"significant (with 80 % power, median over the methods){more}"
    )


def baseline(comparison: Comparison) -> Table:
    """Every method minus the chosen baseline; without rows if none was chosen."""
    rows = tuple(
        (against.name, points(against.difference), p_value(against.p)) for against in comparison.with_baseline
    )
    return Table(
        f"Comparisons with {comparison.baseline}",
        ("method", f"minus {comparison.baseline}", "p"),
        rows,
        "In points of accuracy; 95 % intervals of all methods at once, and p adjusted over them (Dunnett's "
        "comparisons with a control, crossed t).",
    )


def pairs(comparison: Comparison) -> Table:
    """Every pair of methods: difference, p-values, wins and verdict."""
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
        "about new trainings and episodes; sign flips (10,000) and Wilcoxon ask about these trained models "
        "only. All p are Holm-adjusted over the pairs. Win/tie/loss counts tasks beyond ±0.5 points; "
        "practically equal: the whole interval within ±0.5 points.",
    )


def architecture(runs: Mapping[str, Run]) -> Table:
    """What adapting the architecture does in the runs that have controls; without rows if none has."""
    return gained(gains({name: run.asked for name, run in runs.items()}))


def gained(found: Sequence[Gain]) -> Table:
    """The figures of `gains.py`, one row a method and domain."""
    cells = {(g.method, g.domain, g.figure): points(g.difference) + _ns(g.p) for g in found}
    shown = [figure for figure in (*FIGURES, *REGRETS) if any(g.figure == figure for g in found)]
    headings = {
        "gain": "architecture gain",
        "domain": "over the domain's",
        "random": "over a random one",
        "swap": "swap test",
        "decoding": "decoded - answered",
        "regret": "regret",
        "oracle": "regret, episode by episode",
    }
    regret = (
        " Regret: the one candidate that is best in hindsight, named by half of the test episodes and scored "
        "on the others, minus the answers. Episode by episode: the best candidate of each, whose luck makes "
        "it too high."
    )
    rows = dict.fromkeys((g.method, g.domain) for g in found)
    return Table(
        "What adapting the architecture does",
        ("method", "domain", *(headings[figure] for figure in shown)),
        tuple((*row, *(cells.get((*row, figure), "-") for figure in shown)) for row in rows),
        "Points of accuracy of the adapted architecture, decoded to one candidate per choice, over other "
        "architectures on the same episodes with the same weights and as many adaptation steps: the method's "
        "shared one (architecture gain), its own for the domain before it sees a task, a random one, another "
        "domain's most frequent one (swap test), and over its own answers, where a mixture gave them. 95 % "
        "intervals, paired by seed and episode. ns: not significant at 5 %, Holm over the table."
        + regret
        * ("regret" in shown),
        keys=2,
    )


def judged(runs: Mapping[str, Run]) -> Table:
    """How well each method's choice per task is calibrated; without rows if none keeps what it judged."""
    rows = tuple(
        (
            name,
            j.domain,
            str(j.tasks),
            f"{j.ranks.mean:+.2f} [{j.ranks.low:+.2f}, {j.ranks.high:+.2f}]",
            f"{j.tells:+.2f}",
            *(
                f"{i.mean:+.3f} [{i.low:+.3f}, {i.high:+.3f}]"
                for i in (j.optimism, j.by_task, j.by_domain, j.at_random)
            ),
        )
        for name, run in runs.items()
        for j in judging(run.folder, run.submission.seeds)
    )
    return Table(
        "Whether single tasks can be judged",
        ("method", "domain", "tasks", "ranks", "tells hard tasks", "optimism")
        + tuple(f"regret {how}" for how in ("by task", "by domain", "at random")),
        rows,
        "On labelled meta-validation tasks: what the choice knew of each candidate (leave-one-out loss of "
        "the support set) against what it then lost on the queries, in nats. Ranks: Spearman's correlation "
        "over the candidates of a task. Tells hard tasks: Pearson's over tasks, for the chosen one. "
        "Optimism: its loss minus its estimate. Regret: its loss minus the least of all candidates, which "
        "is noisy, so all regrets are too high and only their differences count. 95 % intervals over "
        "tasks and seeds.",
        keys=2,
    )


def costs(runs: Mapping[str, Run]) -> Table:
    """The measured costs of each method. Seconds of different devices stand in different columns."""
    rows = []
    devices = list(dict.fromkeys(device_of(run) for run in runs.values()))
    for name, run in runs.items():
        cost = run.submission.costs
        taken = (f"{cost.train_seconds:.1f}", f"{cost.evaluate_seconds:.1f}")
        rows.append(
            (
                name,
                big(cost.train_flops),
                big(cost.select_flops),
                big(cost.adapt_flops),
                big(cost.predict_macs),
                *(text for device in devices for text in (taken if device == device_of(run) else ("-", "-"))),
                f"{cost.parameters:,}",
                f"{cost.peak_bytes / 2**20:,.0f}",
                "-" if run.trials is None else str(run.trials),
            )
        )
    hardware = sorted({_hardware(run) for run in runs.values()})
    marks = [f" {device}" for device in devices] if len(devices) > 1 else [""]
    return Table(
        "Costs",
        (
            "method",
            "training FLOPs",
            "selection FLOPs",
            "adaptation FLOPs",
            "MACs a query",
            *(f"{what} s{mark}" for mark in marks for what in ("training", "testing")),
            "parameters",
            "peak MiB",
            "trials",
        ),
        tuple(rows),
        "Per seed. FLOPs: torch's counter on matrix products and convolutions of one iteration (times "
        "iterations), of choosing on meta-validation tasks after it, of adapting to one task, and MACs of "
        "one query with the adapted network (first seed, one task of each kind, mean over the kinds). "
        f"Seconds on: {'; '.join(hardware)}. Trials: settings tried before these, as declared.",
    )


def device_of(run: Run) -> str:
    """The device and precision of a run: cpu, float32, or cuda (NVIDIA H100 80GB HBM3), tf32."""
    environment = run.submission.environment
    return f"{environment.get('device', 'cpu')}, {environment.get('precision', 'float32')}"


def _hardware(run: Run) -> str:
    cpu = run.submission.environment.get("cpu", "unknown hardware")
    device = device_of(run)
    return f"{cpu} ({device})" if device.startswith("cpu") else f"{device} beside {cpu}"


def tests(comparison: Comparison) -> Table:
    """Friedman's test and the mean ranks; without rows if there are too few methods or tasks."""
    friedman = comparison.friedman
    if friedman is None:
        return Table("Mean ranks", (), (), "")
    order = sorted(friedman.mean_ranks.items(), key=lambda pair: pair[1])
    return Table(
        "Mean ranks",
        ("method", "mean rank"),
        tuple((name, f"{rank:.2f}") for name, rank in order),
        f"Friedman's test over {friedman.tasks} tasks: chi2 = {friedman.statistic:.2f}, "
        f"p = {p_value(friedman.p)}. Nemenyi's critical difference at 5 %: "
        f"{friedman.critical_difference:.2f} ranks. A domain's tasks are related, so their number overstates "
        "what is known.",
    )


_TEST_ONLY = "test-only: the accuracy itself of a domain without meta-train classes, which has no such row."


def transfer(matrix: Matrix) -> list[Table]:
    """The tables of a study: accuracies, differences to in-domain training, and the decomposition if any."""
    study = matrix.study
    tests, trains = study.domains, list(dict.fromkeys(cell.train for cell in matrix.cells))
    headings = columns(study)
    cells = {(cell.train, cell.test): cell for cell in matrix.cells}
    values = tuple((train, *(cells[train, test].accuracy.percent() for test in tests)) for train in trains)
    gaps = tuple((train, *(_gap(cells[train, test]) for test in tests)) for train in trains)
    test_only = any(cell.p is None and cell.train != cell.test for cell in matrix.cells)
    name = f"{study.method} on {study.suite} {study.suite_version}"
    seeds = f"{len(study.seeds)} seeds, {study.tasks[0].episodes} episodes a task"
    shown = [
        Table(
            f"Transfer of {name}: accuracy",
            ("trained on \\ tested on", *headings.values()),
            values,
            f"In % with 95 % intervals; {seeds}. {matrix.cells[0].accuracy.how}.",
        ),
        Table(
            f"Transfer of {name}: difference to in-domain training",
            ("trained on \\ tested on", *headings.values()),
            gaps,
            "Points of accuracy against the row trained on the column's domain alone, paired by episode, 95 "
            "% intervals; in-domain: the accuracy itself. ns: not significant at 5 %, Holm over the cells."
            + (f" {_TEST_ONLY}" if test_only else ""),
        ),
    ]
    parts = {(p.train, p.test, p.variant): p for p in matrix.parts}
    variants = list(dict.fromkeys(part.variant for part in matrix.parts))
    rows = tuple(
        (
            train,
            headings[test],
            *(points(part.gain) + _ns(part.p) for part in (parts[train, test, v] for v in variants)),
        )
        for train in trains
        for test in tests
        if matrix.parts
    )
    shown.append(
        Table(
            f"What transfers of {name}",
            ("trained on", "tested on", *(PARTS[variant] for variant in variants)),
            rows,
            _parts_note(variants),
            keys=2,
        )
    )
    return [table for table in shown if table.rows]


def _parts_note(variants: Sequence[Variant]) -> str:
    """How the columns of a decomposition were computed."""
    note = ["Points of accuracy, 95 % intervals."]
    if "both" in variants:
        note.append(
            "both, weights only: over the same adaptation from randomly initialised weights and "
            "architecture; weights only: trained weights, initial architecture."
        )
    if "arch" in variants:
        note.append(
            f"{PARTS['arch']}: the trained architecture logits with initial weights, which says little: "
            "nearly uniform logits on untrained weights. Studies since schema version 2 swap instead."
        )
    if "swap" in variants:
        note.append(
            f"{PARTS['swap']}: trained weights under the decoded architecture adapted to the task, minus "
            "the same weights under the next test domain's most frequent one; paired by seed and episode."
        )
    return " ".join([*note, "ns: not significant at 5 %, Holm over all."])


def columns(study: Study) -> dict[str, str]:
    """Headings of a study's test domains, with marks for synthetic data and samples, by domain."""
    return {task.domain: task.domain + _marks(task) for task in study.tasks}


def _gap(cell: Cell) -> str:
    if cell.difference is None or cell.p is None:
        return f"{100 * cell.accuracy.mean:.1f} {'in-domain' if cell.train == cell.test else 'test-only'}"
    return points(cell.difference) + _ns(cell.p)


def _ns(p: float | None) -> str:
    return "" if p is None or p < LEVEL else " ns"


def terminal(table: Table, width: int) -> "list[RenderableType]":
    """The table for rich; one wider than `width` is split into several with the same first columns."""
    from rich.table import Table as Rich  # not at the top: a server starts faster without rich
    from rich.text import Text

    sizes = [
        max(max(map(len, head.split())), *map(len, cells))  # headings wrap, cells do not
        for head, *cells in zip(table.columns, *table.rows, strict=True)
    ]
    pieces = _pieces(sizes, table.keys, width)
    renderables: list[RenderableType] = []
    for number, piece in enumerate(pieces, 1):
        part = f" ({number} of {len(pieces)})" if len(pieces) > 1 else ""
        rich_table = Rich(title=table.title + part, title_justify="left")
        for column in piece:
            rich_table.add_column(table.columns[column], max_width=sizes[column], overflow="fold")
        for row in table.rows:
            rich_table.add_row(*(row[column] for column in piece))
        renderables.append(rich_table)
    return [*renderables, Text(table.how + "\n", style="dim")]


def _pieces(sizes: list[int], keys: int, width: int) -> list[list[int]]:
    """The columns of each piece: the first `keys`, then as many as fit (a border and 2 spaces each)."""
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
    """The table as Markdown: a heading, a pipe table and the note."""
    lines = [
        f"### {table.title}",
        "",
        "| " + " | ".join(table.columns) + " |",
        "|---" * len(table.columns) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join([*lines, "", table.how])


def tex(table: Table) -> str:
    """The table as LaTeX (booktabs)."""
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
    """A run's name, marked if its method is transductive or had weights from elsewhere."""
    marks = ["transductive"] if run.submission.transductive else []
    if weights := pretraining.shown(run.submission):
        marks.append(f"{pretraining.BADGE}: {weights}")
    return f"{run.name} ({'; '.join(marks)})" if marks else run.name


def heading(task: Task) -> str:
    """A task as a column heading: digits 5w1s, marked if the data is synthetic or a sample."""
    return f"{task.domain} {task.shape.name}{_marks(task)}"


def _marks(task: Task) -> str:
    marks = [mark for mark, applies in (("synthetic", task.synthetic), ("sample", task.sample)) if applies]
    return f" ({', '.join(marks)})" if marks else ""


def data_note(tasks: Sequence[Task]) -> str:
    """A sentence on whether the data is real and complete."""
    words = [
        word
        for word, applies in (
            ("samples of data sets", any(task.sample for task in tasks)),
            ("synthetic", any(task.synthetic for task in tasks)),
        )
        if applies
    ]
    return f"Some of the data is {' and some '.join(words)}." if words else "All data is real and complete."


def points(interval: Interval) -> str:
    """A difference in points of accuracy: +1.3 [-0.2, +2.8]."""
    return f"{100 * interval.mean:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def p_value(p: float) -> str:
    """A p-value as text: 0.0312, or <0.0001."""
    return "<0.0001" if p < 1e-4 else f"{p:.4f}"


def big(number: int | None) -> str:
    """A count with a unit prefix: 1.53 G; "-" for None (not measured)."""
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
