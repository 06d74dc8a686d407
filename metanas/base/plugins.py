"""Plug-in discovery: registered names are found by reading source files, modules are imported on first use.

`metanas list methods` must answer faster than torch can be imported, and adding a method must touch one file.
So `scan` reads the syntax trees of a package for `@METHODS.register("name")`, and `load` imports only the
module that is wanted. `registry.py` is built on it. This is the only module that reaches into the sibling
folders `tasks`, `baselines` and `leaderboard`.
"""

import ast
import importlib
import importlib.util
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from metanas.base.errors import MetanasError

OURS = ("tasks", "baselines", "leaderboard")  # plain top-level names, so a user's file may hide them


class PluginError(MetanasError):
    """A plug-in folder is missing or hidden by another file, or a name is registered twice."""


@dataclass(frozen=True)
class Entry:
    """Where a registered name is defined, and the first line of its docstring."""

    name: str
    module: str
    summary: str


@cache
def folder(package: str) -> Path:
    """The folder of one of our packages, spec without importing it.

    PluginError if it is not importable, or if a file of the user hides it.
    """
    top = package.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise PluginError(f"the folder {top!r} is not importable; install metanas, or run from its root")
    origin = Path(spec.origin)
    if top in OURS and "__metanas__ = True" not in origin.read_text(encoding="utf-8"):
        raise PluginError(f"{origin} hides our package {top!r}; rename it or run from another folder")
    return origin.parent.joinpath(*package.split(".")[1:])


@cache
def scan(variable: str, packages: tuple[str, ...], group: str | None = None) -> dict[str, Entry]:
    """Everything registered with `@<variable>.register("...")` below `packages`, by name.

    group: the entry-point group through which separately installed packages add theirs. Imports nothing.
    PluginError for a name that is registered twice.
    """
    entries: dict[str, Entry] = {}
    for package in packages:
        for module, path in _modules(package):
            for entry in _registered(variable, module, path):
                if entry.name in entries:
                    raise PluginError(
                        f"{entry.name!r} is registered twice: in {entries[entry.name].module} and {module}"
                    )
                entries[entry.name] = entry
    for point in entry_points(group=group) if group else ():
        entries.setdefault(point.name, Entry(point.name, point.module, f"from {point.module}"))
    return dict(sorted(entries.items()))


def load(module: str) -> types.ModuleType:
    """Import one plug-in module. PluginError if it has one of our package names but is not ours."""
    if module.partition(".")[0] in OURS:
        folder(module.partition(".")[0])
    return importlib.import_module(module)


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of a package; a plain module counts as a package of one."""
    location = folder(package)
    if location.with_suffix(".py").is_file():
        yield package, location.with_suffix(".py")
        return
    for path in sorted(location.rglob("*.py")):
        yield ".".join((package, *path.relative_to(location).with_suffix("").parts)), path


def _registered(variable: str, module: str, path: Path) -> Iterator[Entry]:
    source = path.read_text(encoding="utf-8")
    if f"@{variable}.register(" not in source:
        return
    for node in ast.parse(source, filename=str(path)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            for name in _names(variable, node.decorator_list):
                yield Entry(name, module, summary)


def _names(variable: str, decorators: Iterable[ast.expr]) -> Iterator[str]:
    for call in decorators:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=owner), attr="register"),
                args=[ast.Constant(value=str(name))],
            ) if owner == variable:
                yield name
