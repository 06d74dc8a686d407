"""HTML reports on runs and transfer studies: one self-contained file, and its pictures as SVG and PNG.

Every picture is an SVG (readable without a script), is redrawn by Vega-Lite where scripts run (for values
under the pointer), and has a table with its numbers. Every table says how its numbers were computed. The page
loads nothing from other hosts: the scripts are vl-convert's own copy of Vega. No torch.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from metanas.base.atomic import write_atomically
from metanas.evaluation import choices, curves, pretraining, study, tables, transfer
from metanas.evaluation.charts import critical, heatmap, pareto, plane, theme
from metanas.evaluation.charts import curves as curve_chart
from metanas.evaluation.charts import scores as score_chart
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.compare import Comparison, compare
from metanas.evaluation.load_runs import Run, load_runs, submissions
from metanas.evaluation.statistics import Floats, domain_of
from metanas.evaluation.tables import Table
from metanas.evaluation.track import differences

PLACES = 120  # episodes of a domain on the map of architectures, spread evenly over its tasks and seeds


@dataclass(frozen=True)
class _Picture:
    """A picture, and the table with its numbers."""

    name: str
    spec: Spec
    table: Table

    @property
    def svg(self) -> str:
        """The picture as SVG text."""
        return theme.svg(self.spec)

    @property
    def json(self) -> str:
        """The specification for a script element: no text in it can end the element."""
        themed = {**self.spec, "config": theme.config("light")}
        return json.dumps(themed).replace("<", "\\u003c")


@dataclass(frozen=True)
class _Section:
    """A heading, tables, pictures and drawings: (title, SVG text)."""

    title: str
    tables: Sequence[Table] = ()
    pictures: Sequence[_Picture] = ()
    drawings: Sequence[tuple[str, str]] = ()


def build(
    folders: Sequence[Path],
    out: Path,
    *,
    twins: bool = True,
    across_tracks: bool = False,
    baseline: str | None = None,
) -> Path:
    """Write the report on these run and study folders to `out` and return it.

    twins: also write the pictures as SVG and PNG files in the folder OUT-pictures. ResultError names the file
    and field of a folder that cannot be read. across_tracks: see `load_runs`.
    baseline: a run that all others are compared with, too; InvalidValue if it is none of them.
    """
    runs, studies = _sorted(folders, across_tracks)
    sections = [*(_runs(runs, baseline) if runs else []), *(_study(matrix) for matrix in studies)]
    environment = Environment(
        loader=PackageLoader("metanas.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("report.html").render(
        external=pretraining.shown,
        sections=sections,
        runs=list(runs.values()),
        studies=[matrix.study for matrix in studies],
        script=_script(),
        note=_note(runs, studies),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page.encode())
    if twins:
        folder = out.with_name(f"{out.stem}-pictures")
        folder.mkdir(exist_ok=True)
        for picture in (p for section in sections for p in section.pictures):
            _twins(folder, picture)
    return out


def _sorted(folders: Sequence[Path], across_tracks: bool) -> tuple[dict[str, Run], list[transfer.Matrix]]:
    """The runs by name and the studies among the folders."""
    studies = [folder for folder in folders if (folder / study.STUDY).exists()]
    runs = [folder for folder in folders if folder not in studies]
    found = load_runs(runs, across_tracks=across_tracks) if runs else {}
    return found, [transfer.read(folder) for folder in studies]


def _runs(runs: Mapping[str, Run], baseline: str | None) -> list[_Section]:
    comparison = compare({name: run.scores.view() for name, run in runs.items()}, baseline=baseline)
    scored = tables.scores(runs, comparison)
    sections = [
        _Section("Scores", [scored], [_scores(comparison, scored)]),
        _Section("Compared with the best and with a baseline", _with_one(comparison)),
        _Section("Paired comparisons", *_paired(comparison)),
        _architecture(runs),
        _Section("Costs", [tables.costs(runs)], _pareto(runs, comparison)),
        _Section("Accuracy by adaptation step", (), _curves(runs)),
        *(_choices(run) for run in runs.values()),
    ]
    return [_marked(s, runs) for s in sections if s.tables or s.pictures or s.drawings]


def _marked(section: _Section, runs: Mapping[str, Run]) -> _Section:
    """The section with the marks of a comparison across tracks, if it is one."""
    across = bool(differences(submissions(runs)))
    pictures = [
        replace(p, table=tables.marked(p.table, runs), spec=_marked_title(p.spec) if across else p.spec)
        for p in section.pictures
    ]
    shown = [tables.marked(table, runs) for table in section.tables]
    return replace(section, tables=shown, pictures=pictures)


def _marked_title(spec: Spec) -> Spec:
    return spec | {"title": {**spec["title"], "text": f"{spec['title']['text']} (across tracks)"}}


def _scores(comparison: Comparison, table: Table) -> _Picture:
    values = []
    order = [ranked.name for ranked in comparison.methods]
    for ranked in comparison.methods:
        values.append(score_chart.Score("mean of all domains", ranked.name, *ranked.mean.percents))
    for task in comparison.tasks[order[0]]:
        values += [score_chart.Score(task, m, *comparison.tasks[m][task].percents) for m in order]
    return _Picture("scores", score_chart.scores("Accuracy with 95 % intervals", values), table)


def _with_one(comparison: Comparison) -> list[Table]:
    return [t for t in (tables.best(comparison), tables.baseline(comparison)) if t.rows]


def _paired(comparison: Comparison) -> tuple[list[Table], list[_Picture]]:
    shown = [t for t in (tables.pairs(comparison), tables.tests(comparison)) if t.rows]
    friedman = comparison.friedman
    if friedman is None:
        return shown, []
    title = "Mean ranks, joined where not significantly different"
    spec = critical.critical(title, friedman.mean_ranks, friedman.critical_difference)
    return shown, [_Picture("critical-difference", spec, shown[-1])]


def _architecture(runs: Mapping[str, Run]) -> _Section:
    table = tables.architecture(runs)
    return _Section(table.title, [t for t in (table, tables.judged(runs)) if t.rows])


def _pareto(runs: Mapping[str, Run], comparison: Comparison) -> list[_Picture]:
    means = {ranked.name: ranked.mean for ranked in comparison.methods}
    pictures = []
    for field, label in (
        ("train_flops", "meta-training FLOPs"),
        ("select_flops", "selection FLOPs"),
        ("adapt_flops", "FLOPs to adapt to one task"),
    ):
        costs = {name: getattr(run.submission.costs, field) for name, run in runs.items()}
        points = [pareto.Point(n, *means[n].percents, float(c)) for n, c in costs.items() if c]
        if len(points) > 1:
            title, without = f"Accuracy against {label}", [n for n, c in costs.items() if not c]
            spec = pareto.pareto(title, points, f"{label} (log scale)")
            table = _front(title, points, label, without)
            pictures.append(_Picture(f"pareto-{field.replace('_', '-')}", spec, table))
    return pictures


def _front(title: str, points: Sequence[pareto.Point], label: str, without: Sequence[str]) -> Table:
    """The points as a table. label: of the cost. without: methods without a cost, so not on a log axis."""
    best = pareto.front(list(points))
    rows = tuple(
        (
            p.method,
            f"{p.accuracy:.1f} [{p.low:.1f}, {p.high:.1f}]",
            tables.big(round(p.cost)),
            "on the front" if p.method in best else "dominated",
        )
        for p in sorted(points, key=lambda p: p.cost)
    )
    how = "Accuracy: the mean of all domains in %, 95 % interval. On the front: no method is better for less."
    if without:
        how += f" Without a cost, so not on the log axis: {', '.join(without)}."
    return Table(title, ("method", "accuracy", label, "place"), rows, how)


def _curves(runs: Mapping[str, Run]) -> list[_Picture]:
    pictures = []
    for name, run in runs.items():
        points = curves.read(run.folder)
        if not points:
            continue
        steps = [curve_chart.Step(p.task, p.steps, *p.accuracy.percents) for p in points]
        chance = 100 * run.submission.tasks[0].chance
        rows = tuple((p.task, str(p.steps), p.accuracy.percent()) for p in points)
        table = Table(
            f"Accuracy of {name} by adaptation step",
            ("task", "steps", "accuracy"),
            rows,
            f"In % with 95 % intervals. {points[0].accuracy.how}.",
        )
        spec = curve_chart.curves(f"{name}: accuracy by adaptation step", steps, chance)
        pictures.append(_Picture(f"curves-{_slug(name)}", spec, table))
    return pictures


def _choices(run: Run) -> _Section:
    """The adapted architectures of a method, and how they differ between domains."""
    title = f"Architectures of {run.name}"
    files = [*run.folder.glob("architectures.svg"), *sorted(run.folder.glob("architecture-*.svg"))]
    drawings = [(file.stem.removeprefix("architecture-"), file.read_text(encoding="utf-8")) for file in files]
    adapted = choices.read(run.folder)
    if adapted is None:
        return _Section(title, (), (), drawings)
    names, gaps = choices.distances(adapted)
    undecided = choices.entropies(adapted)
    distance = Table(
        f"Distance between the domains' choices, {run.name}",
        ("domain", *names),
        tuple((name, *(f"{gap:.3f}" for gap in row)) for name, row in zip(names, gaps, strict=True)),
        "Jensen-Shannon distance (base 2: 0 the same, 1 disjoint) of the mean adapted probabilities, mean "
        "over all choices.",
    )
    entropy = Table(
        f"How undecided the choices are, {run.name}",
        ("domain", *adapted.groups),
        tuple((d, *(f"{undecided[d][group]:.3f}" for group in adapted.groups)) for d in names),
        "Mean entropy of an adapted choice's probabilities as a share of the uniform one's: 1 undecided, "
        "0 decided.",
    )
    return _Section(title, [entropy, distance], _plane(run, adapted), drawings)


def _plane(run: Run, adapted: choices.Choices) -> list[_Picture]:
    if not choices.adapted(adapted):
        return []  # all episodes of a seed have the same architecture
    components, shares = choices.plane(adapted)
    places = [
        plane.Place(domain_of(adapted.tasks[i]), adapted.tasks[i], adapted.seeds[i], *components[i].tolist())
        for i in _spread(adapted)
    ]
    spec = plane.plane(f"Test episodes by architecture, {run.name}", places, shares)
    table = _centres(run, adapted, components, len(places))
    return [_Picture(f"plane-{_slug(run.name)}", spec, table)]


def _spread(adapted: choices.Choices) -> list[int]:
    """The rows to show: at most PLACES of every domain, evenly over its tasks and seeds."""
    rows: dict[str, list[int]] = {}
    for i, task in enumerate(adapted.tasks):
        rows.setdefault(domain_of(task), []).append(i)
    return [
        of_domain[k * len(of_domain) // count]
        for of_domain in rows.values()
        for count in [min(PLACES, len(of_domain))]
        for k in range(count)
    ]


def _centres(run: Run, adapted: choices.Choices, components: Floats, shown: int) -> Table:
    """Mean and deviation of the components (n, 2) by task and seed. shown: episodes in the picture."""
    groups: dict[tuple[str, int], list[int]] = {}
    for i, key in enumerate(zip(adapted.tasks, adapted.seeds, strict=True)):
        groups.setdefault(key, []).append(i)
    rows = tuple(
        (
            task,
            str(seed),
            str(len(members)),
            *(f"{components[members, c].mean():+.3f} ({components[members, c].std():.3f})" for c in (0, 1)),
        )
        for (task, seed), members in groups.items()
    )
    return Table(
        f"Where the tasks lie on the map, {run.name}",
        ("task", "seed", "episodes", "component 1", "component 2"),
        rows,
        "Principal components of all adapted probabilities, over all episodes and seeds: mean and, in "
        f"brackets, standard deviation. The picture shows {shown} of the {len(adapted.tasks)} episodes, "
        "evenly from every task and seed.",
    )


def _study(matrix: transfer.Matrix) -> _Section:
    title = f"Transfer of {matrix.study.method} on {matrix.study.suite}"
    accuracy, differences, *rest = tables.transfer(matrix)
    headings = tables.columns(matrix.study)
    spec = heatmap.heatmap("Points to in-domain training", matrix.cells, headings)
    picture = _Picture(f"transfer-{_slug(title)}", spec, differences)
    return _Section(title, [accuracy, differences, *rest], [picture])


def _note(runs: Mapping[str, Run], studies: Sequence[transfer.Matrix]) -> str:
    answered = [task for run in runs.values() for task in run.submission.tasks]
    data = tables.data_note([*answered, *(task for matrix in studies for task in matrix.study.tasks)])
    found = differences(submissions(runs))
    return f"{data} ACROSS TRACKS: the runs differ in {'; '.join(found)}." if found else data


def _slug(text: str) -> str:
    """A text as part of an element's name; two texts never get the same one."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@cache  # takes over a second, and a demo writes four reports
def _script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from vl-convert."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def _twins(folder: Path, picture: _Picture) -> None:
    """Write a picture as SVG and PNG."""
    import vl_convert

    write_atomically(folder / f"{picture.name}.svg", picture.svg.encode())
    write_atomically(folder / f"{picture.name}.png", vl_convert.svg_to_png(picture.svg, scale=2))
