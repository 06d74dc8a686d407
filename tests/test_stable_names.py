"""docs/stable.md lists what is there, and what foreign code imports is on it."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import metanas
from tests.rooms import ROOT

PAGE = (ROOT / "docs/stable.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (.*?) \| (`.*`) \|$", re.MULTILINE)
GROUPS = {"metanas.domains", "metanas.methods", "metanas.networks", "metanas.ops", "metanas.searchers"}


def listed() -> dict[str, set[str]]:
    """The stable names of each module."""
    found: dict[str, set[str]] = {"metanas": set()}
    for first, names in ROW.findall(PAGE):
        module = first.strip("`") if first.startswith("`") else "metanas"
        found.setdefault(module, set()).update(re.findall(r"`(\w+)`", names))
    return found


def test_every_public_name_is_listed_and_every_listed_one_is_there() -> None:
    assert listed()["metanas"] == set(metanas.__all__)
    for module, names in listed().items():
        loaded = importlib.import_module(module)
        assert names and [name for name in sorted(names) if not hasattr(loaded, name)] == [], module


def test_the_entry_points_are_those_of_the_registries() -> None:
    groups = set(re.findall(r"`(metanas\.\w+)`", PAGE.partition("## Entry points")[2]))
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "metanas").rglob("*.py"))
    assert groups == GROUPS | {"metanas.suites"}
    assert all(f'"{group}"' in text for group in groups)


def imports(path: Path) -> set[tuple[str, str]]:
    """Module and name of every import from metanas in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "metanas":
            found |= {(node.module, name.name) for name in node.names}
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "metanas"
        ):
            found.add(("metanas", node.attr))
    return found


@pytest.mark.parametrize(
    "path",
    [
        *sorted((ROOT / "tests/foreign/package").rglob("*.py")),
        *sorted((ROOT / "examples/backbones").rglob("*.py")),
        *(ROOT / f"examples/{name}.py" for name in ("new_method", "own_data")),
    ],
    ids=lambda path: path.stem,
)
def test_foreign_code_needs_stable_names_alone(path: Path) -> None:
    stable = listed()
    assert [f"{m}.{n}" for m, n in sorted(imports(path)) if n not in stable.get(m, set())] == []
