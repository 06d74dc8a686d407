"""Transfer studies: how a method meta-trained on some domains does on each test domain, what carried over.

A study has a budget of its own, so it belongs to no track. One page and one JSON file each, from the same
scored matrix and tables as `metanas report`.
"""

import shlex
from collections.abc import Iterable

from leaderboard.transfers import Shown, document
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import File, Missing, View
from leaderboard.web.site import Site
from leaderboard.web.views.ranked import frame
from metanas.evaluation import tables
from metanas.evaluation.charts.forest import Difference, forest
from metanas.evaluation.charts.heatmap import heatmap
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.paired import ROPE


def home(site: Site, query: Query) -> View:
    """The first study that says what transfers (else the first), or how to make one."""
    order = sorted(site.studies.values(), key=lambda shown: "neither" not in shown.study.variants)
    return _view(site, order[0] if order else None)


def page(site: Site, query: Query, path: str) -> View:
    """The study of that path. Missing if there is none."""
    return _view(site, _of(site, path))


def numbers(site: Site, query: Query, path: str) -> File:
    """The same for programs."""
    return File(document(_of(site, path)).decode(), "application/json")


def command(shown: Shown) -> str:
    """What to type to do the same study, quoted for a shell: strangers may have written it. "" if unknown."""
    words = shown.study.arguments
    return shlex.join(["metanas", "transfer", *words]) if words else ""


def _of(site: Site, path: str) -> Shown:
    if path not in site.studies:
        raise Missing(f"there is no transfer study {path!r}")
    return site.studies[path]


def _view(site: Site, shown: Shown | None) -> View:
    values = {**frame(site, links.TRANSFER), "studies": site.studies, "shown": shown}
    if shown is None:
        return View("transfer.html", values)
    accuracy, differences, *parts = tables.transfer(shown.matrix)
    values |= {
        "s": shown.study,
        "tables": [accuracy, differences],
        "parts": parts,
        "note": tables.data_note(shown.study.tasks),
        "command": command(shown),
    }
    return View("transfer.html", values, _pictures(shown))


def _pictures(shown: Shown) -> dict[str, Spec]:
    matrix = shown.matrix
    heads = tables.columns(matrix.study)
    title = f"{matrix.study.method} on {matrix.study.suite}: points to in-domain training"
    found = {"matrix": heatmap(title, matrix.cells, heads)}
    if matrix.parts:
        gains = [
            Difference(
                f"trained on {part.train}, tested on {heads[part.test]}",
                part.variant,
                100 * part.gain.mean,
                100 * part.gain.low,
                100 * part.gain.high,
                part.p,
            )
            for part in matrix.parts
        ]
        found["parts"] = forest("Gain over adapting from fresh numbers", gains, 100 * ROPE)
    return found


def paths(site: Site) -> Iterable[str]:
    return map(links.study, site.studies)


def number_paths(site: Site) -> Iterable[str]:
    return [links.study(path, "json") for path in site.studies]
