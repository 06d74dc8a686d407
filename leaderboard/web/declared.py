"""What authors declare in entry.json, in words for the pages; a local run declares nothing."""

from collections.abc import Mapping
from typing import Any

from leaderboard.ranking.standing import Standing

NOT_SAID = "not declared"


def authors(standing: Standing) -> str:
    """The first author and "et al.", who sent it, or "local run"."""
    names = [author["name"] for author in _entry(standing).get("authors", ())]
    if not names:
        return standing.owner or "local run"
    return (
        names[0]
        if len(names) == 1
        else f"{names[0]} and {names[1]}"
        if len(names) == 2
        else f"{names[0]} et al."
    )


def family(standing: Standing) -> str:
    """The family of methods: gradient-based, nas."""
    return str(_entry(standing).get("family", NOT_SAID))


def links(standing: Standing, repository: str = "") -> dict[str, str]:
    """Addresses by what they show, paper and code, as far as there are any.

    repository: the address of metanas' own, for methods that ran at one of its commits and declare no other.
    """
    entry = _entry(standing)
    found = {}
    if entry.get("paper_url"):
        found["paper"] = str(entry["paper_url"])
    provenance = standing.document.provenance
    if entry.get("code"):
        found["code"] = str(entry["code"]["url"])
    elif repository and provenance is not None:
        found["code"] = f"{repository.rstrip('/')}/tree/{provenance.commit}"
    return found


def _entry(standing: Standing) -> Mapping[str, Any]:
    return standing.entry or {}
