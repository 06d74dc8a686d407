"""Imports point downwards, no two modules import each other, and the light paths never import torch."""

import ast
import subprocess
import sys

import pytest

from tests import rooms

# Who may import whom, besides itself. TYPE_CHECKING imports and imports inside functions count.
ALLOWED = {
    "base": set(),
    "data": {"base"},
    "evaluation": {"base", "data"},
    "params": {"data"},
    "space": {"base", "data", "evaluation", "params"},
    "method": {"base", "data", "params"},
    "models": {"base", "data", "params", "space"},
    "tables": {"base", "data", "evaluation", "space"},
    "search": {"base", "data", "params", "space", "models"},
    "meta": {"base", "data", "params", "space", "method", "models", "search"},
    "choice": {"base", "data", "params", "space", "method", "models", "search", "meta"},
    "engine": {"base", "data", "evaluation", "params", "space", "method"},
    "studies": {
        "base",
        "data",
        "evaluation",
        "params",
        "space",
        "method",
        "models",
        "search",
        "meta",
        "choice",
        "engine",
        "tables",
    },
    "tasks": {"base", "data"},
    "leaderboard": {"base", "data", "evaluation", "space"},
    "__main__": {"cli"},
    "metanas": {"data", "engine", "evaluation", "space", "studies", "tables", "cli", "method", "base"},
}
ALLOWED["testing"] = ALLOWED["studies"] - {"tables", "choice", "evaluation"}
ALLOWED["cli"] = ALLOWED["studies"] | {"studies", "testing"}
ALLOWED["baselines"] = ALLOWED["studies"] - {"engine", "evaluation", "tables"}
BOARD_MAY = {f"metanas.data.{name}" for name in ("suite", "sealed", "manifest", "episode")}
EDGES = rooms.graph()


@pytest.mark.parametrize("room", sorted({rooms.room(module) for module in EDGES}))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for module, others in EDGES.items():
        if rooms.room(module) != room:
            continue
        for other in others:
            assert rooms.room(other) in ALLOWED[room] | {room}, f"{module} imports {other}"
            if room == "leaderboard" and rooms.room(other) == "data":
                assert other in BOARD_MAY, f"{module} imports {other}"


def test_no_imports_in_a_circle() -> None:
    assert rooms.circle(EDGES) == []
    assert rooms.circle(rooms.between(EDGES)) == []
    assert rooms.circle(rooms.between(EDGES, rooms.folder)) == []  # the folders of leaderboard/, too


def test_a_module_that_is_loaded_by_name_is_there() -> None:
    """`load("leaderboard.x")` keeps the command line quick, and no type checker reads it."""
    known, missing = rooms.modules(), []
    ours = {module.partition(".")[0] for module in known}
    for module, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("load", "plugins.load"):
                named = [a.value for a in node.args if isinstance(a, ast.Constant)]
                named = [name for name in named if str(name).partition(".")[0] in ours]
                missing += [f"{module} loads {name}" for name in named if name not in known]
    assert not missing


def test_a_circle_would_be_found() -> None:
    assert rooms.circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_type_checking_imports_count() -> None:
    known = rooms.modules()
    assert "metanas.data.episode" in rooms.imports(known["metanas.space.network_config"], known)


def test_nothing_but_the_contract_lies_at_the_root() -> None:
    found = {path.stem for path in (rooms.ROOT / "metanas").glob("*.py")}
    assert found == {"__init__", "__main__", "method", "params"}


@pytest.mark.parametrize(
    "code",
    [
        "from metanas.cli.app import main; import sys; sys.argv = ['metanas', 'list', 'methods']; main()",
        "import leaderboard.web.static_site",
        "import metanas.evaluation.result, metanas.evaluation.statistics",
        "import metanas.tables.table, metanas.search.searcher",
    ],
)
def test_light_paths_do_not_import_torch(code: str) -> None:
    check = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); {code}"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=rooms.ROOT, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
