"""The pages of transfer studies: the accuracy on every test domain of a method meta-trained on some domains.

A study has a budget of its own, so it belongs to no track and is not ranked. Each has one page and one JSON
file, from the same scored matrix (`metanas/evaluation/transfer.py`) and tables as `metanas report`.
"""

import shlex
from collections.abc import Iterable

from leaderboard.repository.studies import Shown, document
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import File, Missing, View
from leaderboard.web.site import Site
from metanas.evaluation import tables
from metanas.evaluation.charts.forest import Difference, forest
from metanas.evaluation.charts.heatmap import heatmap
from metanas.evaluation.charts.theme import Spec
from metanas.evaluation.paired import ROPE


def home(site: Site, query: Query) -> View:
    """The first study with a run from a random initialisation, else the first; or how to make one."""
    studies = sorted(site.studies.values(), key=lambda shown: "neither" not in shown.study.variants)
    return _view(site, studies[0] if studies else None)


def page(site: Site, query: Query, path: str) -> View:
    """The page of a study by its path, <suite>/<method>. Missing if there is none."""
    return _view(site, _study(site, path))


def scores(site: Site, query: Query, path: str) -> File:
    """A study and its scores as JSON (`repository/studies.py`). Missing if there is none."""
    return File(document(_study(site, path)), "application/json")


def _command(shown: Shown) -> str:
    """The command that makes the same study; "" if it was not recorded.

    Quoted for a shell, since readers paste it and anyone may have written the study.
    """
    arguments = shown.study.arguments
    return shlex.join(["metanas", "transfer", *arguments]) if arguments else ""


def _study(site: Site, path: str) -> Shown:
    if path not in site.studies:
        raise Missing(f"there is no transfer study {path!r}")
    return site.studies[path]


def _view(site: Site, shown: Shown | None) -> View:
    values: dict[str, object] = {"page": links.TRANSFER, "studies": site.studies, "shown": shown}
    if shown is None:
        return View("transfer.html", values)
    accuracy, differences, *parts = tables.transfer(shown.matrix)
    values |= {
        "s": shown.study,
        "tables": [accuracy, differences],
        "parts": parts,
        "note": tables.data_note(shown.study.tasks),
        "command": _command(shown),
    }
    return View("transfer.html", values, _pictures(shown))


def _pictures(shown: Shown) -> dict[str, Spec]:
    matrix = shown.matrix
    headings = tables.columns(matrix.study)
    title = f"{matrix.study.method} on {matrix.study.suite}: points to in-domain training"
    pictures = {"matrix": heatmap(title, matrix.cells, headings)}
    if matrix.parts:
        gains = [
            Difference(
                f"trained on {part.train}, tested on {headings[part.test]}",
                tables.PARTS[part.variant],
                100 * part.gain.mean,
                100 * part.gain.low,
                100 * part.gain.high,
                part.p,
            )
            for part in matrix.parts
        ]
        pictures["parts"] = forest("What transfers, in points of accuracy", gains, 100 * ROPE)
    return pictures


def paths(site: Site) -> Iterable[str]:
    """The page of every study."""
    return map(links.study, site.studies)


def score_paths(site: Site) -> Iterable[str]:
    """The JSON file of every study."""
    return [links.study(path, "json") for path in site.studies]
