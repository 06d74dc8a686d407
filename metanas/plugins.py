"""What is on offer, found by reading source files and imported only when asked for.

`metanas list methods` must answer before torch could even be imported, and adding a method must touch
one file. So nothing is listed by hand and nothing is imported to be listed: `scan` reads the syntax
trees of a package for `@METHODS.register("name")` and `load` imports the one module that is wanted.
This is the only module that reaches into the sibling folders `tasks`, `baselines` and `leaderboard`.
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

OURS = ("tasks", "baselines", "leaderboard")  # plain top-level names, so a user's file may hide them


class PluginError(RuntimeError):
    """A plug-in folder is missing, or another file hides it."""


@dataclass(frozen=True)
class Entry:
    """Where a registered name is defined, and the first line of its docstring."""

    name: str
    module: str
    summary: str


@cache
def folder(package: str) -> Path:
    """The folder of one of our packages, without importing it. PluginError if it is not ours."""
    top = package.partition(".")[0]
    found = importlib.util.find_spec(top)
    if found is None or found.origin is None:
        raise PluginError(f"the folder {top!r} is not importable; install metanas, or run from its root")
    origin = Path(found.origin)
    if top in OURS and "__metanas__ = True" not in origin.read_text(encoding="utf-8"):
        raise PluginError(f"{origin} hides our package {top!r}; rename it or run from another folder")
    return origin.parent.joinpath(*package.split(".")[1:])


@cache
def scan(variable: str, packages: tuple[str, ...], group: str | None = None) -> dict[str, Entry]:
    """Everything registered with `@<variable>.register("...")` below `packages`, by name.

    `group` names an entry-point group through which separately installed packages add theirs.
    """
    found: dict[str, Entry] = {}
    for package in packages:
        for module, path in _modules(package):
            for entry in _registered(variable, module, path):
                if entry.name in found:
                    raise PluginError(
                        f"{entry.name!r} is registered twice: in {found[entry.name].module} and {module}"
                    )
                found[entry.name] = entry
    for point in entry_points(group=group) if group else ():
        found.setdefault(point.name, Entry(point.name, point.module, f"from {point.module}"))
    return dict(sorted(found.items()))


def load(module: str) -> types.ModuleType:
    """Import one plug-in module (checked to be ours if it has one of our names)."""
    if module.partition(".")[0] in OURS:
        folder(module.partition(".")[0])
    return importlib.import_module(module)


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of a package; a plain module counts as a package of one."""
    where = folder(package)
    if where.with_suffix(".py").is_file():
        yield package, where.with_suffix(".py")
        return
    for path in sorted(where.rglob("*.py")):
        yield ".".join((package, *path.relative_to(where).with_suffix("").parts)), path


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
