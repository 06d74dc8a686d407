"""What `metanas list` and `metanas data status` say; torch-free and quick."""

from pathlib import Path
from typing import TYPE_CHECKING

from metanas.kinds import ACTIVATIONS, DOMAINS, METHODS, NETWORKS, OPS

if TYPE_CHECKING:
    from metanas.registry import Registry

Rows = list[dict[str, str]]


def rows(kind: str) -> Rows:
    """Name and summary of everything of a kind."""
    registries: dict[str, Registry[object]] = {
        "domains": DOMAINS,  # type: ignore[dict-item]
        "methods": METHODS,  # type: ignore[dict-item]
        "networks": NETWORKS,  # type: ignore[dict-item]
        "ops": OPS,  # type: ignore[dict-item]
        "activations": ACTIVATIONS,  # type: ignore[dict-item]
    }
    if kind in registries:
        return [
            {"name": e.name, "summary": e.summary, "module": e.module} for e in registries[kind].entries()
        ]
    if kind == "strategies":
        from metanas.search import strategy

        return [{"name": name, "summary": strategy.load(name).summary} for name in strategy.names()]
    from metanas import suite

    return [{"name": name, "summary": suite.load_suite(name).summary} for name in suite.names()]


def data_status(root: Path | None) -> Rows:
    """Per domain: ready, a sample, to be built, or missing; and the one command that gets it."""
    from metanas import store

    found = []
    for name in DOMAINS:
        row = {"name": name, "state": "ready", "next": ""}
        try:
            if not store.is_ready(name, root):
                row |= {"state": "to be built", "next": "made from pip packages or files on first use"}
            elif store.open_store(name, root).examples.sample:
                row |= {"state": "sample", "next": "a part of the data set: ranked apart from the full set"}
        except store.DataError as error:
            row |= {"state": "missing", "next": str(error)}
        found.append(row)
    return found
