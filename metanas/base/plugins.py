"""Plug-in discovery: registered names are found by reading source files, modules are imported on first use.

`metanas list methods` must answer faster than torch can be imported, and adding a method must touch one file.
So `scan` reads the syntax trees of a package for `@METHODS.register("name")`, and `load` imports only the
module that is wanted. `registry.py` is built on it. This is the only module that reaches into the sibling
folders `tasks`, `baselines` and `leaderboard`.
"""

import ast
import importlib
import importlib.util
import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from metanas.base.errors import MetanasError

_OBJECT = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?")  # module, or module:object
OURS = ("tasks", "baselines", "leaderboard")  # plain top-level names, so a user's file may hide them


class PluginError(MetanasError):
    """A plug-in folder is missing or hidden by another file, or a name is registered twice."""


@dataclass(frozen=True)
class Entry:
    """Where a registered name is defined, and the first line of its docstring.

    package, target: of an installed package's entry point, its name with version and its object; else empty.
    """

    name: str
    module: str
    summary: str
    package: str = ""
    target: str = ""

    @property
    def whose(self) -> str:
        """Package and object, for messages: "birds 0.1 (birds.data:Birds)"."""
        return f"{self.package} ({self.target})" if self.package else self.module


class Foreign(NamedTuple):
    """What installed packages add to a group: its entries, and a line for each that cannot be taken."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]


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
    for entry in foreign(group).entries if group else ():
        entries.setdefault(entry.name, entry)
    return dict(sorted(entries.items()))


def problems(variable: str, packages: tuple[str, ...], group: str | None = None) -> list[str]:
    """A line for each entry point of a group that is left out: malformed, or its name is taken."""
    known = scan(variable, packages, group)
    added = foreign(group) if group else Foreign((), ())
    clashes = [
        f"{group}: {entry.name!r} of {entry.whose} is left out: {known[entry.name].module} has that name; "
        "choose another"
        for entry in added.entries
        if known[entry.name] is not entry
    ]
    return [*added.problems, *clashes]


@cache
def foreign(group: str) -> Foreign:
    """The entry points of a group in all installed packages, in the order of sys.path. Imports nothing.

    Never raises for what a foreign package has in its metadata; that is a line of `problems`.
    """
    entries: dict[str, Entry] = {}
    problems = []
    for package, distribution in _packages():
        try:
            points = list(distribution.entry_points.select(group=group))
        except Exception as error:  # a line that is none: whatever the parser makes of it
            problems.append(f"{group}: entry_points.txt of {package} cannot be read: {error}")
            continue
        for point in points:
            if not _OBJECT.fullmatch(point.value):
                problems.append(
                    f"{group}: {point.name!r} of {package} is {point.value!r}; it must be module:object"
                )
            elif point.name in entries:
                first = entries[point.name].whose
                problems.append(
                    f"{group}: {point.name!r} of {package} ({point.value}) is left out: {first} has that "
                    "name; choose another"
                )
            else:
                entries[point.name] = Entry(
                    point.name, point.module, f"from {point.module}", package, point.value
                )
    return Foreign(tuple(entries.values()), tuple(problems))


@cache
def _packages() -> tuple[tuple[str, Distribution], ...]:
    """The installed packages that have entry points for us, by name and version; the first of each name."""
    found: dict[str, tuple[str, Distribution]] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError):
            continue
        if "[metanas." not in text:
            continue
        try:
            name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        except Exception:  # no METADATA, or one that is damaged
            name, version = None, ""
        name = name or str(distribution.locate_file(""))
        found.setdefault(name, (f"{name} {version}".strip(), distribution))
    return tuple(found.values())


def forget() -> None:
    """Look at folders and installed packages anew, after one was added in this process."""
    for known in (scan, foreign, _packages):
        known.cache_clear()


def load_entry(entry: Entry) -> None:
    """Import the module of an entry. PluginError names package, object and the fault of a foreign one."""
    if not entry.package:
        load(entry.module)
        return
    try:
        plugin: object = importlib.import_module(entry.module)
        for part in filter(None, entry.target.partition(":")[2].split(".")):
            plugin = getattr(plugin, part)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise PluginError(
            f"{entry.name!r} of {entry.whose} cannot be loaded ({type(error).__name__}: {reason}); mend or "
            "remove that package; --debug shows where"
        ) from error


def load(module: str) -> types.ModuleType:
    """Import one plug-in module. PluginError if it has one of our package names but is not ours."""
    if module.partition(".")[0] in OURS:
        folder(module.partition(".")[0])
    return importlib.import_module(module)


def place(module: str) -> Path | None:
    """The folder that an installed package or module lies in, None if there is no such module.

    A package's own folder; the file of a module is not run, but the packages above it are imported.
    """
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # whatever the import of a package above it raises
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    if folders:
        return Path(folders[0])
    return Path(spec.origin).parent if spec.origin else None


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
