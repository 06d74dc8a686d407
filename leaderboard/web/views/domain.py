"""The pages of domains: one for each, and a list of all. They show the data, the task pages its episodes.

What is known comes from the domain's card; a domain of an outside suite has none, but its tasks.
"""

from collections.abc import Iterable, Sequence

from leaderboard.bundle import domain_cards
from leaderboard.web import links
from leaderboard.web.query import Query
from leaderboard.web.render import Missing, View
from leaderboard.web.site import Site
from metanas.data.suite import built_in, load_suite
from metanas.evaluation.result import Task


def index(site: Site, query: Query) -> View:
    """All domains, of each built-in suite and of the boards."""
    first = [document.suite for document in site.documents.values()]  # suites with results
    ordered = sorted(built_in(), key=lambda name: name not in first)
    suites: dict[str, Sequence[str]] = {name: load_suite(name).domains for name in ordered}
    others = [name for name in _names(site) if not any(name in domains for domains in suites.values())]
    if others:
        suites["other suites"] = others
    shown = {
        suite: [(name, domain_cards.find(name)) for name in domains] for suite, domains in suites.items()
    }
    return View("domains.html", {"page": links.DOMAINS, "suites": shown})


def page(site: Site, query: Query, name: str) -> View:
    """One domain by its slug. Missing if neither a card nor a board has it."""
    domain = next((domain for domain in _names(site) if links.slug(domain) == name), None)
    if domain is None:
        raise Missing(f"no domain {name!r}")
    tasks = {track: _tasks(site, track, domain) for track in site.documents}
    return View(
        "domain.html",
        {
            "page": links.DOMAINS,
            "domain": domain,
            "card": domain_cards.find(domain),
            "on_boards": {track: found for track, found in tasks.items() if found},
        },
    )


def _names(site: Site) -> list[str]:
    on_boards = (task.domain for document in site.documents.values() for task in document.tasks)
    return sorted({*domain_cards.cards(), *on_boards})


def _tasks(site: Site, track: str, domain: str) -> list[Task]:
    return [task for task in site.documents[track].tasks if task.domain == domain]


def paths(site: Site) -> Iterable[str]:
    """The list, and every domain."""
    return [links.DOMAINS, *map(links.domain, _names(site))]
