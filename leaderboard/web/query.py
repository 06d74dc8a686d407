"""What a reader asked of the ranked table, from the address and back into it: the permalink.

`Choice.of` reads a query string, `Choice.link` writes the shortest one that means the same, so that two
readers who choose the same have the same address.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

Query = Mapping[str, Sequence[str]]
ROWS = 100  # on one page
TIERS = ("recomputed", "challenged", "reproduced")
COLUMNS = ("tasks", "worst", "normalised", "parameters", "training", "seeds", "attempts", "date")
NAMES = {
    "rank": "Rank",
    "method": "Method",
    "mean": "Mean",
    "worst": "Worst domain",
    "normalised": "Above chance, %",
    "parameters": "Parameters",
    "training": "Meta-training, s per seed",
    "seeds": "Seeds",
    "attempts": "Attempts",
    "date": "Date",
}


class QueryError(ValueError):
    """An address asks for something that is not there; the message says what would be right."""


@dataclass(frozen=True)
class Choice:
    """Filters, order, columns and page of the ranked table; the defaults are the plain address."""

    q: str = ""  # part of a method's name
    domain: str = ""  # rank on this domain alone
    tier: str = ""
    transductive: str = ""  # yes, no
    as_of: date | None = None  # the board as it stood at the end of that day
    sort: str = "rank"
    descending: bool = False
    columns: tuple[str, ...] = COLUMNS
    page: int = 1

    @classmethod
    def of(cls, query: Query, domains: Iterable[str], tasks: Iterable[str]) -> "Choice":
        """From a query string. QueryError for a value that means nothing."""
        one = {name: values[-1] for name, values in query.items() if values and values[-1] != ""}
        sort = one.get("sort", "rank").removeprefix("-")
        choice = cls(
            q=one.get("q", "")[:64],
            domain=_known("domain", one.get("domain", ""), ("", *domains)),
            tier=_known("tier", one.get("tier", ""), ("", *TIERS)),
            transductive=_known("transductive", one.get("transductive", ""), ("", "yes", "no")),
            as_of=_date(one.get("as_of")),
            sort=_known("sort", sort, (*NAMES, *tasks)),
            descending=one.get("sort", "").startswith("-"),
            columns=_columns(query.get("columns", ())),
            page=_page(one.get("page", "1")),
        )
        return choice

    def link(self, **changes: object) -> str:
        """The query string of this choice with some changes, "" for the defaults."""
        changed = dataclasses.replace(self, **changes)  # type: ignore[arg-type]
        words: list[tuple[str, str]] = [
            (name, str(getattr(changed, name)))
            for name in ("q", "domain", "tier", "transductive", "as_of")
            if getattr(changed, name)
        ]
        if changed.columns != COLUMNS:
            words += [("columns", name) for name in changed.columns or ("none",)]
        if changed.sort != "rank" or changed.descending:
            words.append(("sort", ("-" if changed.descending else "") + changed.sort))
        if changed.page > 1:
            words.append(("page", str(changed.page)))
        return "?" + urlencode(words) if words else ""

    def sorted_by(self, column: str) -> str:
        """The link of a column's heading: sort by it, the better end first; again: the other way."""
        first = column not in ("rank", "method", "parameters", "training", "attempts")
        descending = not self.descending if self.sort == column else first
        return self.link(sort=column, descending=descending, page=1)

    def aria(self, column: str) -> str:
        """`aria-sort` of a column's heading, "" where the table is not sorted by it."""
        return ("descending" if self.descending else "ascending") if self.sort == column else ""


def _known(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise QueryError(f"{name}={value[:40]}: there is only {', '.join(filter(None, known))}")
    return value


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"as_of wants a day like 2026-11-24, got {text!r:.40}") from error


def _columns(values: Sequence[str]) -> tuple[str, ...]:
    if not values:
        return COLUMNS
    if unknown := [value for value in values if value not in (*COLUMNS, "none")]:
        raise QueryError(f"columns={unknown[0][:40]}: there is only {', '.join(COLUMNS)}")
    return tuple(name for name in COLUMNS if name in values)


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 100_000:
        raise QueryError(f"page wants a positive number, got {text!r:.40}")
    return int(text)
