"""API routes with the content of the pages as JSON: suites, Pareto fronts, comparisons and transfer studies.

They use the boards and views of the pages (`web/`), so page and API never differ.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from leaderboard.ranking.board import Board
from leaderboard.repository.studies import numbers
from leaderboard.server.caching import TaggedRoute
from leaderboard.server.identity import CurrentContext
from leaderboard.server.reads import ERRORS, Json
from leaderboard.web import links
from leaderboard.web.query import QueryError
from leaderboard.web.render import Page, page
from leaderboard.web.site import Site
from leaderboard.web.views import compare, pareto
from metanas.data import manifest
from metanas.data.sealed import sealable
from metanas.evaluation.paired import pairs

router = APIRouter(prefix="/api/v1", tags=["boards"], responses=ERRORS, route_class=TaggedRoute)
Track = Annotated[str, Query(max_length=500, description="A track's name, as /tracks lists it.")]
Name = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]


@router.get("/benchmarks")
def benchmarks(context: CurrentContext) -> Json:
    """The suites that this board knows: name, version and summary."""
    suites = context.store.suites.all()
    return {"benchmarks": [{"name": s.name, "version": s.version, "summary": s.summary} for s in suites]}


@router.get("/benchmarks/{name}")
def benchmark(name: Name, context: CurrentContext) -> Json:
    """A suite: its protocol, the hashes of its data and episodes, and the domains that can be challenged."""
    suite = context.store.suites.find(name)
    if suite is None:
        known = ", ".join(found.name for found in context.store.suites.all())
        raise HTTPException(404, f"no suite named {name!r}; there are: {known}")
    return {
        "suite": suite.model_dump(mode="json", exclude={"origin"}),
        "pinned": manifest.of(suite),
        "challenges": [domain for domain in suite.domains if sealable(domain)],
    }


@router.get("/pareto", response_class=Response)
def pareto_front(
    request: Request, track: Track, cost: Annotated[str, Query(max_length=40)] = "parameters"
) -> Response:
    """Accuracy (in %) and declared cost of every method of a track, and the methods on the Pareto front.

    Seconds and memory of other hardware are not comparable: they stand in `other_machines`.
    """
    site, board = _board(request, track)

    def answer() -> Json:
        values = pareto.page(site, {}, links.slug(board.track), cost).values
        return {
            "track": board.track,
            "cost": values["label"],
            **_group(values["groups"][0]),
            "other_machines": [_group(group) for group in values["groups"][1:]],
        }

    try:
        return _once(site, "pareto", [track, cost], answer)
    except QueryError as error:
        raise HTTPException(404, str(error)) from error


@router.get("/compare", response_class=Response)
def comparison(
    request: Request,
    track: Track,
    m: Annotated[list[Annotated[str, Query(max_length=64)]], Query(min_length=2, max_length=compare.MOST)],
) -> Response:
    """Two to six methods: paired differences as fractions of 1, p-values corrected by Holm."""
    site, board = _board(request, track)
    methods = list(dict.fromkeys(m))
    if unknown := [name for name in methods if name not in board.by_method]:
        raise HTTPException(404, f"no method {unknown[0]!r:.80} on this track")

    def answer() -> Json:
        return {"track": board.track, "pairs": [_pair(pair) for pair in pairs(board.views(methods))]}

    return _once(site, "compare", [track, *methods], answer)


@router.get("/transfer")
def transfer_studies(request: Request) -> Json:
    """Every transfer study: what was done, its matrix, and the gains from weights and architecture.

    Accuracies, differences and gains are fractions of 1, with 95 % intervals; p-values are corrected by Holm
    within a study.
    """
    site: Site = request.app.state.live.site()
    return {"studies": [numbers(shown) for shown in site.studies.values()]}


def _group(group: pareto.Group) -> Json:
    points = [asdict(point) for point in group.points]
    return {
        "machine": group.machine,
        "points": points,
        "front": sorted(group.front),
        "unstated": list(group.unstated),
    }


def _once(site: Site, route: str, asked: Sequence[str], answer: Callable[[], Json]) -> Response:
    """An answer as JSON, kept in the site's cache under what was asked for, in that order."""

    def make() -> Page:
        return page(json.dumps(answer(), ensure_ascii=False).encode(), "application/json")

    kept = site.once(f"api/v1/{route}", {"asked": asked}, make)
    return Response(kept.content, media_type=kept.media)


def _board(request: Request, track: str) -> tuple[Site, Board]:
    """The board of a track, from the pages' cache. HTTPException 404 for an unknown track."""
    site: Site = request.app.state.live.site()
    if track not in site.tracks.values():
        raise HTTPException(404, "there is no such track, or nothing is published on it; see /api/v1/tracks")
    return site, site.board(links.slug(track))


def _pair(pair: Any) -> Json:
    return {**asdict(pair), "verdict": pair.verdict}
