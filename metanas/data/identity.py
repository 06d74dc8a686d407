"""What decides the content of a domain's cache: its source files, its adapter's settings and its code.

Big files are not read: name, size and time of change of every file stand for their content, also of every
file below a folder, whose own time says nothing of a file that was repaired inside. `store.py` makes the
cache folder's name of it.
"""

import ast
import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from metanas.base import plugins
from metanas.base.atomic import sha256
from metanas.data.adapter import Adapter

Stamp = tuple[str, int, int]  # path, bytes, nanoseconds


def stamps(paths: Sequence[Path | str]) -> list[Stamp]:
    """The stamp of every file, sorted; paths are absolute, so that two projects' `data` are not the same."""
    found: list[Stamp] = []
    for path in paths:
        absolute = Path(path).resolve()
        if absolute.is_dir():
            found += sorted(_below(absolute))
        else:
            about = absolute.stat()
            found.append((str(absolute), about.st_size, about.st_mtime_ns))
    return sorted(found)


def _below(folder: Path) -> Iterator[Stamp]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _below(Path(entry.path))
        else:
            about = entry.stat()
            yield entry.path, about.st_size, about.st_mtime_ns


def code(adapter: type[Adapter]) -> str:
    """SHA-256 of the source of generated data: the adapter's module and what it imports of its own package.

    Empty for data that is read from files or packages, whose `recipe` stands for the code.
    """
    if not adapter.synthetic:
        return ""
    sources = {name: text for cls in adapter.__mro__ for name, text in _sources(cls.__module__).items()}
    return hashlib.sha256(
        "\0".join(f"{name}\n{sources[name]}" for name in sorted(sources)).encode()
    ).hexdigest()


def settings(name: str, adapter: type[Adapter]) -> list[object]:
    """What else decides of data that is files: the class splits (`tasks/splits`) and the full set's size.

    A split counts if it has the domain's name or stands in its adapter's file. Of a domain that a YAML file
    declares, all that it says.
    """
    if (declared := getattr(adapter, "settings", None)) is not None:
        return [declared]
    if not adapter.remotes:
        return []
    source = _sources(adapter.__module__).get(adapter.__module__, "")
    files = sorted((plugins.folder("tasks") / "splits").glob("*.txt"))
    stems = {file: file.stem.rpartition("_")[0] for file in files}
    used = [file for file in files if stems[file] == name or f'"{stems[file]}"' in source]
    return [getattr(adapter, "items", None), *((file.name, sha256(file)) for file in used)]


@cache
def _sources(module: str) -> dict[str, str]:
    """The source of a module and of all that it imports, itself or by others, from its top-level package."""
    top, found, todo = module.partition(".")[0], dict[str, str](), [module]
    if top == "metanas":  # the base classes of adapters
        return {}
    while todo:
        name = todo.pop()
        spec = _spec(name) if name not in found else None
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            continue
        found[name] = Path(spec.origin).read_text(encoding="utf-8")
        todo += [imported for imported in _imports(found[name]) if imported.partition(".")[0] == top]
    return found


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # not a module but a name in one; a script that Python was given
        return None


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
