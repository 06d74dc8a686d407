"""Names to things: one registry per kind of plug-in, filled lazily by `plugins`.

A registry knows every name without importing anything (see `plugins.scan`), imports the defining
module on first use, and answers a wrong name with the nearest right one.
"""

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from metanas import plugins

T = TypeVar("T")


class Registry(Generic[T]):
    """All plug-ins of one kind.

    `variable` is the name this registry is bound to, which is what its plug-ins are found by;
    `packages` are the folders they live in; `group` is the entry-point group for foreign packages.
    """

    def __init__(self, kind: str, variable: str, packages: tuple[str, ...], group: str | None = None) -> None:
        self.kind = kind
        self._where = (variable, packages, group)
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator. ValueError on a duplicate."""

        def add(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._things[name] = thing
            return thing

        return add

    def entries(self) -> list[plugins.Entry]:
        """What can be had, sorted by name; imports nothing."""
        known = dict(plugins.scan(*self._where))
        for name in self._things:
            known.setdefault(name, plugins.Entry(name, "", ""))
        return [known[name] for name in sorted(known)]

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self.entries())

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __getitem__(self, name: str) -> T:
        """The thing of that name; KeyError names the nearest one there is."""
        if name not in self._things:
            entry = plugins.scan(*self._where).get(name)
            if entry is None:
                raise UnknownName(self.kind, name, tuple(self))
            plugins.load(entry.module)
        return self._things[name]


class UnknownName(KeyError):
    """No thing of that name; the message says which was probably meant."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
        super().__init__(f"no {kind} named {name!r}; {hint}")

    def __str__(self) -> str:
        return str(self.args[0])
