"""Registries: plug-ins of one kind by name, filled lazily through `plugins.py`.

A registry knows every name without importing anything (`plugins.scan`), imports the defining module on first
use, and answers an unknown name with the closest known one.
"""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from metanas.base import plugins
from metanas.base.errors import InvalidValue, MetanasError

T = TypeVar("T")


class Registry(Generic[T]):
    """All plug-ins of one kind, a mapping-like object: iteration gives names, `registry[name]` the plug-in.

    kind: the word for one plug-in in messages. variable: the name that this registry is bound to in source
    files, by which its plug-ins are found. packages: the folders they are searched in. group: the
    entry-point group of separately installed packages.
    """

    def __init__(self, kind: str, variable: str, packages: tuple[str, ...], group: str | None = None) -> None:
        self.kind = kind
        self._where = (variable, packages, group)
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: add a class or function under `name`; the same one defined again replaces it.

        InvalidValue for a name that is taken, here or in a file of ours, which worker processes would find.
        """

        def add(plugin: T) -> T:
            entry = plugins.scan(*self._where).get(name)
            ours = entry is not None and entry.module.partition(".")[0] in ("metanas", *plugins.OURS)
            if entry is not None and ours and entry.module != _identity(plugin)[0]:
                raise InvalidValue(f"{self.kind} {name!r} is that of {entry.module}; choose another name")
            known = self._things.get(name)
            if known is not None and _identity(known) != _identity(plugin):
                raise InvalidValue(f"{self.kind} {name!r} is registered twice; choose another name")
            self._things[name] = plugin
            return plugin

        return add

    def entries(self) -> list[plugins.Entry]:
        """Name, module and summary of every plug-in, sorted by name; imports nothing."""
        known = dict(plugins.scan(*self._where))
        for name in self._things:
            known.setdefault(name, plugins.Entry(name, "", ""))
        return [known[name] for name in sorted(known)]

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self.entries())

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __getitem__(self, name: str) -> T:
        """The plug-in of that name, imported if need be. UnknownName names the closest known one."""
        if name not in self._things:
            entry = plugins.scan(*self._where).get(name)
            if entry is None:
                raise UnknownName(self.kind, name, tuple(self))
            plugins.load(entry.module)
        return self._things[name]


def _identity(plugin: object) -> tuple[str, str]:
    """Module and name of a class or function: the same when a notebook's cell defines it anew."""
    return getattr(plugin, "__module__", ""), getattr(plugin, "__qualname__", repr(plugin))


class UnknownName(MetanasError, KeyError):
    """No plug-in has that name; the message says which was probably meant."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        super().__init__(f"no {kind} named {name!r}; {hint}")

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _unknown_name, (self.args[0],)  # it comes back from worker processes


def _unknown_name(message: str) -> UnknownName:
    error = UnknownName.__new__(UnknownName, message)
    error.args = (message,)
    return error
