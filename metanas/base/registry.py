"""Registries: plug-ins of one kind by name, filled lazily through `plugins.py`.

A registry knows every name without importing anything (`plugins.scan`), imports the defining module on first
use, and answers an unknown name with the closest known one.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from metanas.base import plugins
from metanas.base.errors import InvalidValue, MetanasError
from metanas.base.meant import meant

T = TypeVar("T")


class Registry(Generic[T]):
    """All plug-ins of one kind, a mapping-like object: iteration gives names, `registry[name]` the plug-in.

    kind: the word for one plug-in in messages. variable: the name that this registry is bound to in source
    files, by which its plug-ins are found. packages: the folders they are searched in. group: the
    entry-point group of separately installed packages. like: the class that they are derived from.
    needs: the attributes that each must have.
    """

    def __init__(
        self,
        kind: str,
        variable: str,
        packages: tuple[str, ...],
        group: str | None = None,
        *,
        like: str = "",
        needs: tuple[str, ...] = (),
    ) -> None:
        self.kind, self._like, self._needs = kind, like, needs
        self._where = (variable, packages, group)
        self._things: dict[str, T] = {}
        self._checked: set[str] = set()  # imported, and complete

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
            self._checked.discard(name)
            return plugin

        return add

    def entries(self) -> list[plugins.Entry]:
        """Name, module and summary of every plug-in, sorted by name; imports nothing."""
        known = dict(plugins.scan(*self._where))
        for name in self._things:
            known.setdefault(name, plugins.Entry(name, "", ""))
        return [known[name] for name in sorted(known)]

    def problems(self) -> list[str]:
        """A line for each foreign entry point that is left out; imports nothing."""
        return plugins.problems(*self._where)

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self.entries())

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)

    def __getitem__(self, name: str) -> T:
        """The plug-in of that name, imported if need be. UnknownName names the closest known one.

        PluginError for one of a foreign package that cannot be loaded, has another name or is incomplete.
        """
        if name in self._checked and name in self._things:
            return self._things[name]
        entry = plugins.scan(*self._where).get(name)
        if entry is None and name not in self._things:
            raise UnknownName(self.kind, name, tuple(self))
        if entry is not None and name not in self._things:
            plugins.load_entry(entry)
        self._check(entry or plugins.Entry(name, _identity(self._things[name])[0], ""))
        self._checked.add(name)
        return self._things[name]

    def _check(self, entry: plugins.Entry) -> None:
        """PluginError unless an imported module registered what its entry promises, with all it needs."""
        plugin = self._things.get(entry.name)
        if plugin is None:
            theirs = [name for name, other in self._things.items() if _identity(other)[0] == entry.module]
            registered = (
                f"registers {', '.join(map(repr, theirs))}" if theirs else f"registers no {self.kind}"
            )
            raise plugins.PluginError(
                f"{self.kind} {entry.name!r} of {entry.whose}: {entry.module} {registered}; the entry point "
                "must have the name that is registered"
            )
        if missing := [need for need in self._needs if not hasattr(plugin, need)]:
            raise plugins.PluginError(
                f"{self.kind} {entry.name!r} of {entry.whose} has no {', '.join(missing)}; derive it from "
                f"{self._like}, or set what is missing"
            )


def _identity(plugin: object) -> tuple[str, str]:
    """Module and name of a class or function: the same when a notebook's cell defines it anew."""
    return getattr(plugin, "__module__", ""), getattr(plugin, "__qualname__", repr(plugin))


class UnknownName(MetanasError, KeyError):
    """No plug-in has that name; the message says which was probably meant, and has a note in brackets."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...], note: str = "") -> None:
        super().__init__(f"no {kind} named {name!r}{meant(name, known)}{note and f' ({note})'}")

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return _unknown_name, (self.args[0],)  # it comes back from worker processes


def _unknown_name(message: str) -> UnknownName:
    error = UnknownName.__new__(UnknownName, message)
    error.args = (message,)
    return error
