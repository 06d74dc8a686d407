"""The board as a static site and as terminal tables, from the same `board.boards`.

Pages need no script and no other host; the same store gives the same bytes. Interval bars are small SVGs
on one scale per task, so that overlap is seen at once.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.table import Table

from leaderboard.board import Board, Line, boards
from leaderboard.store.store import Store
from metanas.evaluation.result import SUBMISSION, Task, read_submission, write_atomically
from metanas.evaluation.stats import Interval
from metanas.supernet.drawing import draw
from metanas.supernet.space import SearchSpace

NOTE = "a range of ranks where paired tests (Holm, 5 %) cannot tell"


def export(store: Store, out: Path) -> Path:
    """Write the site to `out`; returns its index.html."""
    out.mkdir(parents=True, exist_ok=True)
    found = boards(store)
    _write(out / "index.html", "index.html", boards=found)
    for board in found:
        for line in board.lines:
            name = f"{board.slug}-{line.place.name}.html"
            _write(out / name, "method.html", board=board, line=line, drawings=drawings(line))
    style = Path(__file__).parent / "templates" / "style.css"
    write_atomically(out / "style.css", style.read_bytes())
    return out / "index.html"


def report(store: Store, folder: Path) -> None:
    """report.html in a run folder: this run's page, in one file."""
    submission = read_submission(folder / SUBMISSION)
    for board in boards(store):
        for line in board.lines:
            if line.standing.document == submission:
                style = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
                page = {"board": board, "line": line, "drawings": drawings(line), "style": style}
                _write(folder / "report.html", "method.html", **page)


def show(store: Store) -> list[Table]:
    """One terminal table per board."""
    return [_table(board) for board in boards(store)]


def cell(interval: Interval) -> str:
    """Accuracy in percent with its 95 % interval: 81.5 [80.9, 82.2]."""
    return f"{100 * interval.mean:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def heading(task: Task) -> str:
    """digits 1-shot, with what a reader has to know of the data."""
    marks = [word for word, on in (("synthetic", task.synthetic), ("sample", task.sample)) if on]
    note = f" ({', '.join(marks)})" if marks else ""
    return f"{task.domain} {task.shots}-shot{note}"


def bar(interval: Interval) -> str:
    """An interval on the scale 0-100 %, as an SVG (decoration: the numbers stand beside it)."""
    low, high, mid = (100 * v for v in (interval.low, interval.high, interval.mean))
    return (
        '<svg viewBox="0 0 100 8" width="100" height="8" aria-hidden="true">'
        '<rect class="scale" y="3.5" width="100" height="1"/>'
        f'<rect class="range" x="{low:.1f}" y="1" width="{max(high - low, 0.8):.1f}" height="6"/>'
        f'<rect class="mid" x="{mid - 0.6:.1f}" y="0" width="1.2" height="8"/></svg>'
    )


def drawings(line: Line) -> list[tuple[str, str, str]]:
    """(task, text form, SVG) of every adapted architecture of a line."""
    found = []
    for task, kept in line.standing.architectures.items():
        space = SearchSpace(**line.standing.document.settings["space"])
        choices = {key: kept[key] for key in ("node", "activation", "depth")}
        title = f"{line.place.name} on {task}"
        found.append((task, kept["text"], draw(title, space, **choices, text=kept["text"])))
    return found


def _write(path: Path, template: str, **values: Any) -> None:
    environment = Environment(
        loader=PackageLoader("leaderboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(cell=cell, heading=heading, bar=bar)
    text = environment.get_template(template).render(values, standalone="style" in values)
    write_atomically(path, text.encode())


def _table(board: Board) -> Table:
    table = Table(title=board.track, caption=f"accuracy in %, 95 % intervals; {NOTE}")
    table.add_column("rank", justify="right")
    table.add_column("method")
    table.add_column("mean")
    for task in board.tasks:
        table.add_column(heading(task))
    for line in board.lines:
        cells = [cell(line.tasks[task.name]) for task in board.tasks]
        table.add_row(line.ranks, line.place.name, cell(line.place.mean), *cells)
    return table
