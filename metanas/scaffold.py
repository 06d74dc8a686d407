"""A new method's first file: a copy of one that works, under its own name; it runs before it is edited.

A template would have to be kept in step with the methods; a copy of one of them is in step by itself.
"""

import ast
import re
from pathlib import Path

from metanas.kinds import METHODS
from metanas.registry import UnknownName

HEAD = '''"""{name}: begun as a copy of `{like}`.

Say here what it does differently, which paper it comes from, and where the code departs from the paper.
"""
'''
TEST = '''"""What is particular to {name}. tests/contracts tests what every method must keep, this one too."""

from metanas.config import settings_of
from metanas.domain import Domain
from metanas.episode import EpisodeShape
from metanas.kinds import METHODS
from metanas.seeding import generator


def test_{module}_learns_its_support_set() -> None:
    domain, kind = Domain.open("langid"), METHODS["{name}"]
    method = kind([domain.spec(5)], settings_of(kind, {{}}))
    tasks = domain.episodes("test", EpisodeShape(5, 5, 1), 0, range(4))
    adapted = method.adapt(method.start(generator(0, "test")), tasks.spec, tasks.support)
    right = adapted.predict(tasks.support.x).argmax(-1) == tasks.support.y
    assert right.float().mean() > 0.4, "chance is 0.2"
'''


def begin(name: str, like: str, root: Path) -> list[Path]:
    """Write the method and its test below `root`; returns both. ValueError if the name cannot be used."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"a method is named in lower-case letters, digits and single hyphens, got {name!r}")
    if name in METHODS:
        raise ValueError(f"there is a method named {name!r} already; choose another name")
    if like not in METHODS:
        raise UnknownName("method", like, tuple(METHODS))
    module = name.replace("-", "_")
    paths = [root / "baselines" / f"{module}.py", root / "tests" / "methods" / f"test_{module}.py"]
    if there := [path for path in paths if path.exists()]:
        raise ValueError(f"{there[0]} is there already")
    (entry,) = (e for e in METHODS.entries() if e.name == like)
    source = root / Path(*entry.module.split(".")).with_suffix(".py")
    if not source.is_file():
        raise ValueError(f"{like} is not a file of {root.resolve()}; choose a method of baselines/")
    texts = [renamed(source.read_text(encoding="utf-8"), name, like), TEST.format(name=name, module=module)]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (paths[1].parent / "__init__.py").touch()
    return paths


def renamed(source: str, name: str, like: str) -> str:
    """The file of `like` as that of `name`: its own head, class and registration."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.decorator_list]
    if len(classes) != 1 or ast.get_docstring(tree) is None:
        raise ValueError(
            f"the file of {like} registers {len(classes)} methods; begin from one with a file of its own"
        )
    (kind,) = classes
    lines = source.splitlines(keepends=True)
    summary = kind.body[0]
    lines[summary.lineno - 1 : summary.end_lineno] = [f'    """{name}, begun from {like}."""\n']
    body = "".join(lines[tree.body[0].end_lineno :])
    body = body.replace(f'register("{like}")', f'register("{name}")')
    own = "".join(part.capitalize() for part in name.split("-"))
    return HEAD.format(name=name, like=like) + re.sub(rf"\b{kind.name}\b", own, body)
