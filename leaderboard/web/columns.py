"""The columns of the ranked table: heading, what to sort by, and the text of a cell.

`of_board` lists them for one board; `query.py` says which of them are shown. The template writes the columns
that stand in every view (rank, method, mean) itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from leaderboard.bundle import domain_cards
from leaderboard.ranking.board import Board, Line
from leaderboard.web import declared, machines
from leaderboard.web.formatting import bar, count, day, heading, percent, si
from leaderboard.web.query import LOW_FIRST, NAMES
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.tables import points

NONE = "\u2013"  # in a cell without a value
MISSING = 1e30  # what a cost that nobody stated is sorted as
MACS = (
    "Of one query, once adapted: recounted from the architectures where each task has one, else as declared"
)
MOST_DOMAINS = 6  # columns; of more, there is one column a modality


@dataclass(frozen=True)
class Column:
    """One column. group: the name by which a reader chooses it; about: the heading in full."""

    name: str
    group: str
    heading: str
    value: Callable[[Line], float | str]  # what it is sorted by
    cell: Callable[[Line], str]
    about: str = ""
    style: str = "number"  # class of a cell


def of_board(board: Board, repository: str = "") -> list[Column]:
    """All columns of a board but rank, method and mean. repository: where the code of metanas is, or ""."""
    return [
        _text("family", declared.family),
        Column(
            "links",
            "links",
            NAMES["links"],
            lambda line: -len(declared.links(line.standing, repository)),
            lambda line: _links(line, repository),
            "What its authors published",
            "",
        ),
        _text("tier", lambda standing: standing.tier),
        *_domains(board),
        _figure("gain", "Adapted architecture minus one shared one, in points"),
        _figure("swap", "Adapted architecture minus another domain's, in points"),
        _figure("regret", "The best candidate in hindsight minus the chosen one, in points"),
        _cost(
            "adapt",
            lambda line: line.standing.document.costs.adapt_flops,
            "To adapt to one task, as declared",
        ),
        _column("date", lambda line: line.standing.accepted.timestamp(), _date, "Accepted on (UTC)"),
        _column(
            "best", lambda line: line.place.to_best.mean, _best, "In points, with a 95 % interval", "score"
        ),
        *_tasks(board),
        *([_fresh()] if any(line.standing.outcome for line in board.lines) else []),
        _column(
            "worst",
            lambda line: line.worst[1],
            lambda line: f"{percent(line.worst[1])} {line.worst[0]}",
            style="score",
        ),
        _column(
            "normalised",
            lambda line: line.normalised,
            lambda line: percent(line.normalised),
            "0 is guessing, 100 is perfect",
        ),
        _cost("macs", lambda line: line.standing.macs, MACS),
        _column(
            "parameters",
            lambda line: line.standing.document.costs.parameters,
            lambda line: count(line.standing.document.costs.parameters),
        ),
        _training(board),
        _column("seeds", lambda line: line.num_seeds, lambda line: str(line.num_seeds)),
        _column(
            "attempts",
            lambda line: line.standing.attempts,
            lambda line: str(line.standing.attempts),
            "Submissions of this method on this track",
        ),
    ]


def sort_values(board: Board) -> Mapping[str, Callable[[Line], float | str]]:
    """What each column sorts by, by its name; rank and mean, the board's own order, are left out."""
    return {"method": lambda line: line.method, **{c.name: c.value for c in of_board(board)}}


def _column(
    name: str,
    value: Callable[[Line], float | str],
    cell: Callable[[Line], str],
    about: str = "",
    style: str = "number",
) -> Column:
    return Column(name, name, NAMES[name], value, cell, about, style)


def _text(name: str, of: Callable[..., str]) -> Column:
    return _column(name, lambda line: of(line.standing), lambda line: of(line.standing), style="")


def _cost(name: str, cost: Callable[[Line], int | None], about: str) -> Column:
    """A column of operations, which are what the entrant declares unless `about` says more."""

    def value(line: Line) -> float:
        found = cost(line)
        return MISSING if found is None else found

    def cell(line: Line) -> str:
        found = cost(line)
        return NONE if found is None else si(found).strip()

    return _column(name, value, cell, about)


def _domains(board: Board) -> Iterable[Column]:
    """The mean accuracy on each domain, or on those of each modality; none if the modalities are unknown."""
    if len(board.domains) <= MOST_DOMAINS:
        for domain in board.domains:
            yield _mean_of(domain, domain, [domain])
        return
    cards = [domain_cards.find(domain) for domain in board.domains]
    by_modality: dict[str, list[str]] = {}
    for card in cards:
        if card is None:
            return
        by_modality.setdefault(card.modality, []).append(card.name)
    for modality, domains in by_modality.items():
        yield _mean_of(modality, f"{modality} ({len(domains)})", domains)


def _mean_of(name: str, heading: str, domains: list[str]) -> Column:
    def value(line: Line) -> float:
        return fmean(line.domains[domain] for domain in domains)

    about = f"Mean accuracy in % on {', '.join(domains)}"
    return Column(f"on-{name}", "domains", heading, value, lambda line: percent(value(line)), about)


def _tasks(board: Board) -> Iterable[Column]:
    for task in board.tasks:

        def value(line: Line, name: str = task.name) -> float:
            return line.tasks[name].mean

        def cell(line: Line, name: str = task.name) -> str:
            interval = line.tasks[name]
            return Markup("{}{}").format(interval.percent(), Markup(bar(interval)))

        yield Column(task.name, "tasks", heading(task), value, cell, style="score")


def _training(board: Board) -> Column:
    """Seconds of meta-training on one device; those of another do not share its column."""
    devices = machines.grouped(board.lines, machines.device)
    device = next(iter(devices), "cpu")

    def value(line: Line) -> float:
        return line.standing.document.costs.train_seconds if machines.device(line) == device else MISSING

    def cell(line: Line) -> str:
        return count(value(line)) if machines.device(line) == device else NONE

    about = "As declared; compare within one kind of hardware only"
    if len(devices) > 1:
        about = f"Of results on {device}, as declared; the page of costs has those of other devices"
    return _column("training", value, cell, about)


def _fresh() -> Column:
    def value(line: Line) -> float:
        return line.standing.outcome.fresh.mean if line.standing.outcome else -1.0

    def cell(line: Line) -> str:
        found = line.standing.outcome
        return f"{found.fresh.percent()} / {percent(found.pinned.mean)}" if found else NONE

    return _column(
        "fresh", value, cell, "Accuracy in % on fresh and on pinned episodes of the same tasks", "score"
    )


def _figure(name: str, about: str) -> Column:
    """A column of a figure of what adapting the architecture does; where there is none it is sorted last."""
    missing = MISSING if name in LOW_FIRST else -MISSING

    def value(line: Line) -> float:
        found = line.standing.figure(name)
        return missing if found is None else found.difference.mean

    return _column(name, value, lambda line: _of_figure(line, name), about)


def _of_figure(line: Line, name: str) -> str:
    found = line.standing.figure(name)
    if found is None:
        return NONE
    return points(found.difference) + ("" if found.p is None or found.p < LEVEL else " ns")


def gain(line: Line) -> str:
    """The architecture gain in points with its interval; "ns" where it is not significant."""
    return _of_figure(line, "gain")


def _best(line: Line) -> str:
    badge = Markup(' <span class="badge">{}</span>').format(line.place.verdict) if line.place.best else ""
    return Markup("{}{}").format(points(line.place.to_best), badge)


def _links(line: Line, repository: str) -> str:
    found = declared.links(line.standing, repository)
    anchor = Markup('<a href="{}" rel="nofollow ugc noopener" aria-label="{} of {}">{}</a>')
    anchors = [anchor.format(url, kind, line.method, kind) for kind, url in found.items()]
    return Markup(" ").join(anchors) if anchors else NONE


def _date(line: Line) -> str:
    return day(line.standing.accepted)
