"""The rooms of this repository and who imports whom: `python -m tests.rooms` prints it.

A room is a folder of `metanas/`, or `tasks`, `baselines`, `leaderboard`, `metanas/method.py` or
`metanas/params.py`. Every import statement counts: inside functions and under TYPE_CHECKING as well.
`tests/test_rooms.py` holds the rules.
"""

import ast
from collections import defaultdict
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("metanas", "tasks", "baselines", "leaderboard")


def modules() -> dict[str, Path]:
    """Every module of the four packages, by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Which of the `known` modules a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known.keys()
            found |= inner or ({node.module} & known.keys())
    return found


def graph() -> dict[str, set[str]]:
    """Which modules each module imports; a package's empty `__init__` is left out."""
    known = modules()
    return {name: imports(path, known) - {name} for name, path in known.items()}


def room(module: str) -> str:
    """The room of a module: metanas.base.philox -> base, baselines.maml -> baselines."""
    parts = module.split(".")
    if parts[0] != "metanas":
        return parts[0]
    return parts[1] if len(parts) > 1 else "metanas"


def folder(module: str) -> str:
    """The folder of a module: leaderboard.store.blobs -> leaderboard.store; a file of its own is one."""
    return ".".join(module.split(".")[:2])


def between(edges: dict[str, set[str]], part: Callable[[str], str] = room) -> dict[str, set[str]]:
    """The same between rooms, or between folders."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, others in edges.items():
        found[part(module)] |= {part(other) for other in others} - {part(module)}
    return dict(found)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one circle of imports; empty if there is none."""
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def floors(edges: dict[str, set[str]]) -> list[list[str]]:
    """Rooms from the bottom up; each imports only rooms of floors below its own."""
    sorter = TopologicalSorter(edges)
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found.append(ready)
        sorter.done(*ready)
    return found


def main() -> None:
    """Print the floors from the top down, with what each room imports."""
    edges = between(graph())
    for floor in reversed(floors(edges)):
        for name in floor:
            print(f"{name:<12} <- {', '.join(sorted(edges.get(name, ()))) or '(nothing)'}")
    print(f"{len(edges)} rooms on {len(floors(edges))} floors, {sum(map(len, edges.values()))} arrows")


if __name__ == "__main__":
    main()
