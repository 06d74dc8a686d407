"""The query string of the ranked table as a checked value, and back: filters, sorting, columns, page.

`TableQuery.of` parses a query string. `TableQuery.link` writes the shortest one with the same meaning, so two
readers with the same selection get the same address (the permalink).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from metanas.base.errors import InvalidValue

Query = Mapping[str, Sequence[str]]  # parameter -> its values, as in `?m=a&m=b`
ROWS = 100  # of the table on one page
TIERS = ("recomputed", "challenged", "reproduced")
NAMES = {  # column -> its heading; `domains` and `tasks` are several columns with headings of their own
    "rank": "Rank",
    "method": "Method",
    "mean": "Mean accuracy, %",
    "family": "Family",
    "links": "Links",
    "tier": "Tier",
    "domains": "Domains",
    "gain": "Architecture gain",
    "swap": "Swap test",
    "regret": "Regret",
    "adapt": "Adaptation FLOPs",
    "date": "Date",
    "best": "Minus best other",
    "tasks": "Tasks",
    "fresh": "Fresh / pinned",
    "worst": "Worst domain",
    "normalised": "Chance-normalised accuracy, %",
    "macs": "MACs per query",
    "parameters": "Parameters",
    "training": "Meta-training, s per seed",
    "seeds": "Seeds",
    "attempts": "Attempts",
}
ALWAYS = ("rank", "method", "mean")
COLUMNS = tuple(name for name in NAMES if name not in ALWAYS)  # what a reader can choose
DEFAULT = ("family", "links", "tier", "domains", "gain", "adapt", "date")
LOW_FIRST = (
    "rank",
    "method",
    "family",
    "links",
    "tier",
    "regret",
    "adapt",
    "macs",
    "parameters",
    "training",
    "attempts",
)


class QueryError(InvalidValue):
    """A query parameter has a value that it cannot have. Readers see the message: it says what is right."""


@dataclass(frozen=True)
class TableQuery:
    """Filters, sorting, columns and page of the ranked table; the defaults are those of an empty query."""

    q: str = ""  # part of a method's name or its authors', in any case
    domain: str = ""  # rank on this domain alone
    tier: str = ""
    family: str = ""
    transductive: str = ""  # yes, no
    as_of: date | None = None  # the board as it stood at the end of that day (UTC)
    sort: str = "rank"  # a column of `columns.of_board`, or one of ALWAYS
    descending: bool = False
    columns: tuple[str, ...] = DEFAULT
    page: int = 1

    @classmethod
    def of(
        cls, query: Query, domains: Iterable[str], columns: Iterable[str], families: Iterable[str] = ()
    ) -> "TableQuery":
        """Parse a query string on a board with these domains, families and columns to sort by.

        QueryError for a value that a parameter cannot have. Unknown parameters are ignored; of a repeated one
        the last value counts, except for `columns`, which takes all.
        """
        values = {name: given[-1] for name, given in query.items() if given and given[-1] != ""}
        sort = values.get("sort", "rank").removeprefix("-")
        return cls(
            q=values.get("q", "")[:64],
            domain=_known("domain", values.get("domain", ""), ("", *domains)),
            tier=_known("tier", values.get("tier", ""), ("", *TIERS)),
            family=_known("family", values.get("family", ""), ("", *families)),
            transductive=_known("transductive", values.get("transductive", ""), ("", "yes", "no")),
            as_of=_date(values.get("as_of")),
            sort=_known("sort", sort, (*ALWAYS, *columns)),
            descending=values.get("sort", "").startswith("-"),
            columns=_columns(query.get("columns", ())),
            page=_page(values.get("page", "1")),
        )

    def link(self, **changes: object) -> str:
        """The query string with some fields changed, starting with "?"; "" if all are the defaults."""
        changed = dataclasses.replace(self, **changes)  # type: ignore[arg-type]
        parameters: list[tuple[str, str]] = [
            (name, str(getattr(changed, name)))
            for name in ("q", "domain", "tier", "family", "transductive", "as_of")
            if getattr(changed, name)
        ]
        if changed.columns != DEFAULT:
            parameters += [("columns", name) for name in changed.columns or ("none",)]
        if changed.sort != "rank" or changed.descending:
            parameters.append(("sort", ("-" if changed.descending else "") + changed.sort))
        if changed.page > 1:
            parameters.append(("page", str(changed.page)))
        return "?" + urlencode(parameters) if parameters else ""

    def sorted_by(self, column: str) -> str:
        """The link of a column's heading: sort by it with the best first, or reverse it if sorted by it."""
        descending = not self.descending if self.sort == column else column not in LOW_FIRST
        return self.link(sort=column, descending=descending, page=1)

    def aria(self, column: str) -> str:
        """The `aria-sort` attribute of a column's heading; "" if the table is not sorted by it."""
        return ("descending" if self.descending else "ascending") if self.sort == column else ""


def _known(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise QueryError(f"{name}={value[:40]}: there is only {', '.join(filter(None, known))}")
    return value


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"as_of wants a day like 2026-11-24, got {text!r:.40}") from error
    if day > (today := datetime.now(UTC).date()):
        raise QueryError(f"as_of wants a day until today, {today} (UTC), got {day}")
    return day


def _columns(values: Sequence[str]) -> tuple[str, ...]:
    if not values:
        return DEFAULT
    if unknown := [value for value in values if value not in (*COLUMNS, "none")]:
        raise QueryError(f"columns={unknown[0][:40]}: there is only {', '.join(COLUMNS)}")
    return tuple(name for name in COLUMNS if name in values)


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 100_000:
        raise QueryError(f"page wants a positive number, got {text!r:.40}")
    return int(text)
