"""Imports point downwards, and the light paths never import torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "metanas": {"metanas"},
    "tasks": {"metanas", "tasks"},
    "baselines": {"metanas", "baselines"},
    "leaderboard": {"metanas", "leaderboard"},
}
BOARD_MAY = (
    "metanas.disk",
    "metanas.plugins",
    "metanas.suite",
    "metanas.sealed",
    "metanas.evaluation",
    "metanas.supernet.drawing",
    "metanas.supernet.space",
)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("room", list(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for name in imported(path):
            top = name.partition(".")[0]
            assert top not in ALLOWED or top in ALLOWED[room], f"{path} imports {name}"
            if room == "leaderboard" and top == "metanas":
                assert name.startswith(BOARD_MAY), f"{path} imports {name}"


@pytest.mark.parametrize(
    "code",
    [
        "from metanas.cli import main; import sys; sys.argv = ['metanas', 'list', 'methods']; main()",
        "import leaderboard.pages",
        "import metanas.evaluation.result, metanas.evaluation.stats",
    ],
)
def test_light_paths_do_not_import_torch(code: str) -> None:
    check = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "False"
