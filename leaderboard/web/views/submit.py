"""The page that brings a newcomer's method to the board: five commands, from nothing to a score."""

from collections.abc import Iterable

from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import View
from leaderboard.web.site import Site

SUITE, BUDGET = "mini-v1", "small"  # of a board without a result


def page(site: Site, query: Query) -> View:
    """The commands for the track of the first page."""
    return View("submit.html", {"page": links.SUBMIT, "steps": steps(site)})


def steps(site: Site) -> list[tuple[str, str]]:
    """What to do, and the command that does it."""
    suite, budget = SUITE, BUDGET
    if site.home:
        document = site.documents[site.tracks[site.home]]
        suite, budget = document.suite, str(document.budget["name"])
    run = f"runs/{suite}/{budget}/my-method"
    about = (
        '--author "Your Name" --contact you@example.org --family other --summary "What it does." --trials 1'
    )
    return [
        ("Make a working method and its test, to edit.", "metanas new-method my-method"),
        (
            "Train it with every seed and answer the test episodes.",
            f"metanas run --method my-method --suite {suite} --budget {budget}",
        ),
        ("Pack the answers. The contact address is never shown.", f"metanas pack {run} {about}"),
        ("Check the bundle as the server will; a fault is named with a hint.", f"metanas validate {run}.zip"),
        (
            "Send it. It is scored within seconds; keep the signed receipt.",
            f"metanas submit {run}.zip --server ADDRESS --token TOKEN",
        ),
    ]


def paths(site: Site) -> Iterable[str]:
    """The one page."""
    return [links.SUBMIT]
