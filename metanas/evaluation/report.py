"""A report on runs and transfer studies: one HTML file with everything in it, and the pictures beside it.

Every picture stands as an SVG (readable without a script), is redrawn by Vega-Lite where scripts run (for
values under the pointer), and has its numbers in a table. Every table says how its numbers were computed.
The page asks no host for anything: scripts are vl-convert's own copy of Vega. No torch.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from metanas.disk import write_atomically
from metanas.evaluation import choices, curves, study, tables, transfer
from metanas.evaluation.charts import critical, heatmap, pareto, plane, theme
from metanas.evaluation.charts import curves as curve_chart
from metanas.evaluation.charts import scores as score_chart
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.compare import Comparison, compare
from metanas.evaluation.gather import Run, gather
from metanas.evaluation.stats import Floats, Interval, domain_of
from metanas.evaluation.tables import Table

PLACES = 120  # episodes of a domain on the map of architectures, evenly from all its tasks and seeds


@dataclass(frozen=True)
class Picture:
    """A picture and its twin, the table with the numbers in it."""

    name: str
    spec: Spec
    table: Table

    @property
    def svg(self) -> str:
        return theme.svg(self.spec)

    @property
    def json(self) -> str:
        """For a script element: no text in it can end the element."""
        whole = {**self.spec, "config": theme.config("light")}
        return json.dumps(whole).replace("<", "\\u003c")


@dataclass(frozen=True)
class Section:
    """A heading, tables, pictures and drawings (as SVG text with a title)."""

    title: str
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    drawings: Sequence[tuple[str, str]] = ()


def build(folders: Sequence[Path], out: Path, *, twins: bool = True) -> Path:
    """Write the report on these run and study folders; `twins`: also SVG and PNG files in OUT-pictures/.

    ResultError names the file and field of a folder that cannot be read.
    """
    runs, studies = _sorted(folders)
    sections = [*(_runs(runs) if runs else []), *(_study(found) for found in studies)]
    environment = Environment(
        loader=PackageLoader("metanas.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("report.html").render(
        sections=sections,
        runs=list(runs.values()),
        studies=[found.study for found in studies],
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


def _sorted(folders: Sequence[Path]) -> tuple[dict[str, Run], list[transfer.Matrix]]:
    studies = [folder for folder in folders if (folder / study.STUDY).exists()]
    runs = [folder for folder in folders if folder not in studies]
    return (gather(runs) if runs else {}), [transfer.read(folder) for folder in studies]


def _runs(runs: Mapping[str, Run]) -> list[Section]:
    comparison = compare({name: run.scores.view() for name, run in runs.items()})
    scored = tables.scores(runs, comparison)
    sections = [
        Section("Scores", [scored], [_scores(comparison, scored)]),
        Section("Paired comparisons", *_paired(comparison)),
        Section("Costs", [tables.costs(runs)], _pareto(runs, comparison)),
        Section("Accuracy by adaptation step", (), _curves(runs)),
        *(_choices(run) for run in runs.values()),
    ]
    return [s for s in sections if s.tables or s.pictures or s.drawings]


def _scores(comparison: Comparison, table: Table) -> Picture:
    values = []
    order = [place.name for place in comparison.methods]
    for place in comparison.methods:
        values.append(score_chart.Score("mean of all domains", place.name, *_percents(place.mean)))
    for task in comparison.tasks[order[0]]:
        values += [score_chart.Score(task, m, *_percents(comparison.tasks[m][task])) for m in order]
    return Picture("scores", score_chart.scores("Accuracy with 95 % intervals", values), table)


def _paired(comparison: Comparison) -> tuple[list[Table], list[Picture]]:
    found = [t for t in (tables.pairs(comparison), tables.tests(comparison)) if t.rows]
    friedman = comparison.friedman
    if friedman is None:
        return found, []
    title = "Mean ranks, joined where not told apart"
    spec = critical.critical(title, friedman.mean_ranks, friedman.critical_difference)
    return found, [Picture("critical-difference", spec, found[-1])]


def _pareto(runs: Mapping[str, Run], comparison: Comparison) -> list[Picture]:
    means = {place.name: place.mean for place in comparison.methods}
    pictures = []
    for field, words in (
        ("train_flops", "meta-training FLOPs"),
        ("adapt_flops", "FLOPs to adapt to one task"),
    ):
        costs = {name: getattr(run.submission.costs, field) for name, run in runs.items()}
        points = [pareto.Point(n, *_percents(means[n]), float(c)) for n, c in costs.items() if c]
        if len(points) > 1:
            spec = pareto.pareto(f"Accuracy against {words}", points, f"{words} (log scale)")
            table = _front(f"Accuracy against {words}", points, words, [n for n, c in costs.items() if not c])
            pictures.append(Picture(f"pareto-{field.replace('_', '-')}", spec, table))
    return pictures


def _front(title: str, points: Sequence[pareto.Point], words: str, without: Sequence[str]) -> Table:
    """without: methods that have no place on a log axis."""
    best = pareto.front(list(points))
    rows = tuple(
        (p.method, f"{p.accuracy:.1f} [{p.low:.1f}, {p.high:.1f}]", tables.big(round(p.cost)), place)
        for p in sorted(points, key=lambda p: p.cost)
        for place in ["on the front" if p.method in best else "dominated"]
    )
    how = "Accuracy: the mean of all domains in %, 95 % interval. On the front: no method is better for less."
    if without:
        how += f" Without a cost, so not on the log axis: {', '.join(without)}."
    return Table(title, ("method", "accuracy", words, "place"), rows, how)


def _curves(runs: Mapping[str, Run]) -> list[Picture]:
    pictures = []
    for name, run in runs.items():
        points = curves.read(run.folder)
        if not points:
            continue
        steps = [curve_chart.Step(p.task, p.steps, *_percents(p.accuracy)) for p in points]
        chance = 100 / run.submission.tasks[0].ways
        rows = tuple((p.task, str(p.steps), p.accuracy.percent()) for p in points)
        table = Table(
            f"Accuracy of {name} by adaptation step",
            ("task", "steps", "accuracy"),
            rows,
            f"In % with 95 % intervals. {points[0].accuracy.how}.",
        )
        spec = curve_chart.curves(f"{name}: accuracy by adaptation step", steps, chance)
        pictures.append(Picture(f"curves-{_slug(name)}", spec, table))
    return pictures


def _choices(run: Run) -> Section:
    """What a method's adapted architectures are, and how they differ between domains."""
    title = f"Architectures of {run.name}"
    files = sorted(run.folder.glob("architecture-*.svg"))
    drawings = [(file.stem.removeprefix("architecture-"), file.read_text(encoding="utf-8")) for file in files]
    found = choices.read(run.folder)
    if found is None:
        return Section(title, (), (), drawings)
    names, gaps = choices.distances(found)
    undecided = choices.entropies(found)
    distance = Table(
        f"Distance between the domains' choices, {run.name}",
        ("domain", *names),
        tuple((name, *(f"{gap:.3f}" for gap in row)) for name, row in zip(names, gaps, strict=True)),
        "Jensen-Shannon distance (base 2: 0 the same, 1 disjoint) of the mean adapted probabilities, mean "
        "over "
        "all choices.",
    )
    entropy = Table(
        f"How undecided the choices are, {run.name}",
        ("domain", *found.groups),
        tuple((d, *(f"{undecided[d][group]:.3f}" for group in found.groups)) for d in names),
        "Mean entropy of an adapted choice's probabilities as a share of the uniform one's: 1 undecided, "
        "0 decided.",
    )
    return Section(title, [entropy, distance], _plane(run, found), drawings)


def _plane(run: Run, found: choices.Choices) -> list[Picture]:
    if not choices.adapted(found):
        return []  # a seed's episodes all have the same architecture: nothing to see
    at, shares = choices.plane(found)
    places = [
        plane.Place(domain_of(found.tasks[i]), found.tasks[i], found.seeds[i], *at[i].tolist())
        for i in _spread(found)
    ]
    spec = plane.plane(f"Test episodes by architecture, {run.name}", places, shares)
    return [Picture(f"plane-{_slug(run.name)}", spec, _centres(run, found, at, len(places)))]


def _spread(found: choices.Choices) -> list[int]:
    """Rows to show: of every domain at most PLACES, evenly over its tasks and seeds."""
    rows: dict[str, list[int]] = {}
    for i, task in enumerate(found.tasks):
        rows.setdefault(domain_of(task), []).append(i)
    return [
        here[k * len(here) // count]
        for here in rows.values()
        for count in [min(PLACES, len(here))]
        for k in range(count)
    ]


def _centres(run: Run, found: choices.Choices, at: Floats, shown: int) -> Table:
    groups: dict[tuple[str, int], list[int]] = {}
    for i, key in enumerate(zip(found.tasks, found.seeds, strict=True)):
        groups.setdefault(key, []).append(i)
    rows = tuple(
        (
            task,
            str(seed),
            str(len(here)),
            *(f"{at[here, c].mean():+.3f} ({at[here, c].std():.3f})" for c in (0, 1)),
        )
        for (task, seed), here in groups.items()
    )
    return Table(
        f"Where the tasks lie on the map, {run.name}",
        ("task", "seed", "episodes", "component 1", "component 2"),
        rows,
        "Principal components of all adapted probabilities, over all episodes and seeds: mean and, in "
        f"brackets, standard deviation. The picture shows {shown} of the {len(found.tasks)} episodes, evenly "
        "from every task and seed.",
    )


def _study(matrix: transfer.Matrix) -> Section:
    title = f"Transfer of {matrix.study.method} on {matrix.study.suite}"
    accuracy, differences, *rest = tables.transfer(matrix)
    heads = tables.columns(matrix.study)
    spec = heatmap.heatmap("Points to in-domain training", matrix.cells, heads)
    return Section(
        title, [accuracy, differences, *rest], [Picture(f"transfer-{_slug(title)}", spec, differences)]
    )


def _percents(interval: Interval) -> tuple[float, float, float]:
    return 100 * interval.mean, 100 * interval.low, 100 * interval.high


def _note(runs: Mapping[str, Run], studies: Sequence[transfer.Matrix]) -> str:
    answered = [task for run in runs.values() for task in run.submission.tasks]
    return tables.data_note([*answered, *(task for found in studies for task in found.study.tasks)])


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@cache  # over a second, and a demo writes four reports
def _script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from vl-convert."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def _twins(folder: Path, picture: Picture) -> None:
    import vl_convert

    write_atomically(folder / f"{picture.name}.svg", picture.svg.encode())
    write_atomically(folder / f"{picture.name}.png", vl_convert.svg_to_png(picture.svg, scale=2))
