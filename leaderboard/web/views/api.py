"""The page of the API: what can be read from the board as JSON, and where it is described in full."""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site

READS = (  # what needs no token; tests compare it with the application's own description
    ("/api/v1/tracks", "the full names of all tracks"),
    ("/api/v1/leaderboard?track=NAME", "current submissions with their accuracies, a page at a time"),
    ("/api/v1/methods/{name}", "all submissions of a method"),
    ("/api/v1/submissions/{identity}", "one submission"),
    ("/api/v1/submissions/{identity}/events", "the states it went through"),
    ("/api/v1/submissions/{identity}/scores", "all its scores"),
    ("/api/v1/submissions/{identity}/files/{name}", "a file of its bundle"),
    ("/api/v1/pareto?track=NAME&cost=flops", "accuracy and cost, with the Pareto front"),
    ("/api/v1/compare?track=NAME&m=A&m=B", "paired differences of two to six methods"),
    ("/api/v1/challenges/{identity}", "a challenge: its commitment and deadline"),
    ("/api/v1/transfer", "transfer studies"),
    ("/api/v1/benchmarks", "the suites that the board knows"),
    ("/api/v1/benchmarks/{name}", "one suite: protocol, hashes of data and episodes"),
    ("/api/v1/audit/head", "the newest link of the audit chain, signed"),
)


def page(site: Site, query: Query) -> View:
    """The addresses that need no token."""
    return View("api.html", {"page": links.API, "reads": READS})


def paths(site: Site) -> Iterable[str]:
    """The one page."""
    return [links.API]
