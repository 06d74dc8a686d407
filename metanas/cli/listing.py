"""The rows that `metanas list` and `metanas data status` print. Imports no torch, but for `settings`."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from metanas.base.errors import DataError, MetanasError
from metanas.base.plugins import PluginError
from metanas.base.registry import Registry
from metanas.data.roots import DataRoot

if TYPE_CHECKING:  # the command line starts quickly
    from metanas.data import store

Rows = list[dict[str, str]]
_REGISTRIES = {  # imported when they are listed: the command line starts quickly
    "domains": "metanas.data.adapter:DOMAINS",
    "methods": "metanas.method:METHODS",
    "networks": "metanas.space.network_config:NETWORKS",
    "ops": "metanas.space.candidates:OPS",
    "activations": "metanas.space.candidates:ACTIVATIONS",
    "searchers": "metanas.search.searcher:SEARCHERS",
}


def rows(kind: str) -> Rows:
    """Name and summary of everything of a kind (`KINDS` in `app.py`)."""
    if kind in _REGISTRIES:
        entries = _registry(kind).entries()
        return [{"name": e.name, "summary": e.summary, "module": e.module} for e in entries]
    from metanas.data import suite
    from metanas.space import strategy
    from metanas.studies import paper_rows, state_cards
    from metanas.tables import definition

    suites = {found.name: found.summary for found in suite.readable()}
    files: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
        "suites": (tuple(suites), lambda name: suites[name]),
        "strategies": (strategy.names(), lambda name: strategy.load(name).summary),
        "tables": (definition.names(), lambda name: definition.load_definition(name).summary),
        "rows": (paper_rows.names(), lambda name: paper_rows.load(name).summary),
        "states": (state_cards.names(), state_cards.summary),
    }
    names, summary = files[kind]
    return [{"name": name, "summary": summary(name)} for name in names]


def problems(kind: str) -> list[str]:
    """A line for each entry point of an installed package that is left out of a kind."""
    if kind == "suites":
        from metanas.data import suite

        return suite.problems()
    if kind not in _REGISTRIES:
        return []
    return _registry(kind).problems()


def _registry(kind: str) -> Registry[object]:
    module, _, variable = _REGISTRIES[kind].partition(":")
    registry: Registry[object] = getattr(import_module(module), variable)
    return registry


def settings(method: str) -> Rows:
    """Key, values and default of everything that `--set` takes with a method. Imports the method."""
    from metanas.engine import fields
    from metanas.method import METHODS

    found = fields.settings(METHODS[method].Settings)
    return [{"key": s.key, "values": s.values, "default": s.default} for s in found]


def data_status(root: DataRoot, on_broken: Callable[[PluginError], None] = lambda error: None) -> Rows:
    """Per domain: ready, refused, to be built or missing; what data; fingerprint; repeats; next step.

    on_broken: is told of a domain of another package that cannot be loaded; it is a row as well.
    """
    from metanas.data import manifest, store
    from metanas.data.adapter import DOMAINS

    rows = []
    for name in DOMAINS:
        row = {"name": name, "state": "ready", "data": "", "fingerprint": "", "repeats": "", "next": ""}
        try:
            if store.is_ready(name, root):
                about = store.about(name, root)
                row |= {"data": _kind(about["sample"]), "fingerprint": about["fingerprint"][:12]}
                row["repeats"] = _repeats(name, about)
                if why := manifest.refusal(name, about["fingerprint"], sample=about["sample"]):
                    row |= {"state": "refused", "data": "other", "next": why}
            else:
                row |= {"state": "to be built", "next": f"metanas data prepare {name}, or on first use"}
        except DataError as error:
            row |= {"state": "missing", "next": str(error)}
        except PluginError as error:
            on_broken(error)
            rows.append(row | {"state": "broken", "next": str(error)})
            continue
        except MetanasError as error:
            row |= {"state": "wrong", "next": str(error)}
            rows.append(row)
            continue
        if unknown := [remote.path for remote in DOMAINS[name].remotes if not remote.digest]:
            row["next"] += f" (no SHA-256 known beforehand: {', '.join(unknown)})"
        rows.append({key: text.strip() for key, text in row.items()})
    return rows


def _repeats(name: str, about: "store.About") -> str:
    """Repeated test examples of a domain, and the pinned episodes that hold any in both sets."""
    from metanas.data import duplicates, manifest, suite

    pinned = (manifest.pinned_repeats(s, name, about["fingerprint"]) for s in suite.names())
    episodes = dict.fromkeys(f"{shape} {words}" for shapes in pinned for shape, words in shapes.items())
    return "; ".join(filter(None, (duplicates.examples_shown(about["repeats"]), *episodes)))


def _kind(sample: bool) -> str:
    """Whether a data set is whole; results on samples are ranked separately."""
    return "sample" if sample else "full"
