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
    if kind == "rows":
        from metanas import reproduce

        return [{"name": name, "summary": reproduce.load(name).summary} for name in reproduce.names()]
    if kind == "rows":
        from metanas import reproduce

        return [{"name": name, "summary": reproduce.load(name).summary} for name in reproduce.names()]
    from metanas import suite

    return [{"name": name, "summary": suite.load_suite(name).summary} for name in suite.names()]


def data_status(root: Path | None) -> Rows:
    """Per domain: ready, to be built, or missing; full or sample; and what gets it."""
    from metanas import store

    found = []
    for name in DOMAINS:
        row = {"name": name, "state": "ready", "data": "", "fingerprint": "", "next": ""}
        try:
            if store.is_ready(name, root):
                about = store.about(name, root)
                row |= {"data": kind(about["sample"]), "fingerprint": about["fingerprint"][:12]}
            else:
                row |= {"state": "to be built", "next": f"metanas data prepare {name}, or on first use"}
        except store.DataError as error:
            row |= {"state": "missing", "next": str(error)}
        if unknown := [remote.path for remote in DOMAINS[name].remotes if not remote.digest]:
            row["next"] += f" (no SHA-256 known beforehand: {', '.join(unknown)})"
        found.append({key: text.strip() for key, text in row.items()})
    return found


def kind(sample: bool) -> str:
    """The word for a part of a data set, which is ranked apart, and for all of it."""
    return "sample" if sample else "full"
