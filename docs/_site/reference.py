"""Pages of the site's Reference that follow from the code: commands, settings, suites, parts, Python API.

`write(folder)` writes them as Markdown; `docs/conf.py` calls it before each build; none is committed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import metanas
from metanas.cli import listing
from metanas.cli.app import KINDS, app
from metanas.data.suite import load_suite
from metanas.data.suite import names as suite_names
from metanas.method import METHODS
from metanas.studies import paper_rows

MADE = "*This page is generated from the code.*\n"


def write(folder: Path) -> None:
    """Write every generated page into `folder`; a page that would not change is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"cli": cli(), "settings": settings(), "suites": suites(), "parts": parts(), "api": api()}
    for name, text in made.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def cli() -> str:
    """Every command of `metanas` with its arguments and options."""
    text = f"# Command line\n\n{MADE}\n"
    for words, command in commands():
        text += f"## metanas {' '.join(words)}\n\n{_words(command.help)}\n\n"
        rows = [
            [_code(", ".join(param.opts)), _words(getattr(param, "help", "")), _default(param)]
            for param in command.params
            if param.name != "help"
        ]
        text += _table(["argument", "what it is", "default"], rows) if rows else ""
    return text


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """The words and the click command of every command that does something, by name."""
    from typer.main import get_command

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        if hasattr(command, "commands"):
            for name in sorted(command.commands):
                yield from walk((*words, name), command.commands[name])
        else:
            yield words, command

    return walk((), get_command(app))


def settings() -> str:
    """What `--set` takes: first what nearly all methods share, then each method's own."""
    every = {name: [tuple(row.values()) for row in listing.settings(name)] for name in METHODS}
    counts = Counter(row for rows in every.values() for row in rows)
    shared = [row for row, count in counts.items() if count > len(every) / 2]
    text = f"# Settings\n\n{MADE}\nGiven by `--set key=value`, by `settings={{...}}` from Python.\n\n"
    text += "## Shared\n\nMost methods take these; `metanas list settings METHOD` says which one does.\n\n"
    text += _table(["key", "values", "default"], [[_code(cell) for cell in row] for row in shared])
    summaries = {entry.name: entry.summary for entry in METHODS.entries()}
    for name, rows in every.items():
        own = [[_code(cell) for cell in row] for row in rows if row not in shared]
        text += f"## {name}\n\n{_words(summaries[name])}\n\n"
        text += _table(["key", "values", "default"], own) if own else "Nothing of its own.\n\n"
    return text


def suites() -> str:
    """Every suite's episodes and budgets."""
    text = f"# Suites\n\n{MADE}\nTheir domains: [Domains](../../domains.md).\n\n"
    for name in suite_names():
        suite = load_suite(name)
        text += f"## {name} {suite.version}\n\n{_words(suite.summary)}\n\n"
        facts = {
            "domains": ", ".join(suite.domains),
            "ways": suite.ways,
            "shots": ", ".join(map(str, suite.shots)),
            "queries per class": f"{suite.queries} in test episodes, {suite.train_queries} in meta-training",
            "pinned test episodes": f"{suite.episodes} per domain and number of shots",
            "seeds": ", ".join(map(str, suite.seeds)),
        }
        text += _table(["", ""], [[key, str(value)] for key, value in facts.items()])
        budgets = [
            [key, f"{budget.iterations:,}", str(budget.tasks), str(budget.eval_episodes)]
            for key, budget in suite.budgets.items()
        ]
        text += _table(["budget", "iterations", "tasks per domain", "test episodes answered"], budgets)
    return text


def parts() -> str:
    """What `metanas list` prints: name and summary of everything that has a name."""
    text = f"# Methods, operations and other parts\n\n{MADE}\n`metanas list KIND` prints the same.\n\n"
    for kind in KINDS:
        rows = [[_code(row["name"]), _words(row["summary"])] for row in listing.rows(kind)]
        text += f"## {kind.capitalize()}\n\n{_table(['name', 'summary'], rows)}"
    published = [[_code(name), _words(paper_rows.load(name).settings_source)] for name in paper_rows.names()]
    return text + f"## Sources of the rows' settings\n\n{_table(['row', 'source'], published)}"


def api() -> str:
    """The public names of `metanas`, from their docstrings."""
    text = f"# Python API\n\n{MADE}\nWith examples: [The Python API](../../api.md).\n\n"
    for name in sorted(metanas.__all__, key=str.casefold):
        directive, options = _directive(getattr(metanas, name))
        text += f"## {name}\n\n```{{eval-rst}}\n.. {directive}:: metanas.{name}\n{options}```\n\n"
    return text


def _directive(value: object) -> tuple[str, str]:
    if isinstance(value, type):
        return ("autoexception", "") if issubclass(value, Exception) else ("autoclass", "   :members:\n")
    return ("autofunction", "") if callable(value) else ("autodata", "   :no-value:\n   :annotation:\n")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _code(text: str) -> str:
    """As code in a cell of a table."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if text.strip() else ""


def _words(text: str | None) -> str:
    """As plain words in a cell of a table."""
    escapes: Mapping[str, str] = {"|": "\\|", "<": "&lt;", "[": "\\[", "*": "\\*"}
    return " ".join("".join(escapes.get(letter, letter) for letter in text or "").split())


def _default(param: Any) -> str:
    """The default of an argument; of a path or a list that is not given, nothing."""
    if param.required:
        return "required"
    value = param.default
    if value is None or value == "" or callable(value) or not isinstance(value, str | int | float | Path):
        return ""
    return _code(str(value).lower() if isinstance(value, bool) else str(value))
