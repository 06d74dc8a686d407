"""Create the files of a new method: a copy of an existing method under another name, and a test.

The copy works before it is edited. Unlike a template, it cannot become outdated.
"""

import ast
import re
from pathlib import Path

from metanas.base import plugins
from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue
from metanas.base.registry import UnknownName
from metanas.method import METHODS

HEAD = '''"""{name}: started as a copy of `{like}`.

Describe here what the method does, which paper it is from, and where the code differs from the paper.
"""
'''
TEST = '''"""Tests of {name} alone. tests/contracts tests every registered method, this one too."""

from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.engine.config import settings_of
from metanas.method import METHODS


def test_{module}_learns_its_support_set() -> None:
    domain, kind = Domain.open("langid"), METHODS["{name}"]
    method = kind([domain.spec(5)], settings_of(kind, {{}}))
    tasks = domain.episodes("test", EpisodeShape(5, 5, 1), 0, range(4))
    adapted = method.adapt(method.start(generator(0, "test")), tasks.spec, tasks.support)
    correct = adapted.predict(tasks.support.x).argmax(-1) == tasks.support.y
    assert correct.float().mean() > 0.4, "chance is 0.2"
'''


def begin(name: str, like: str, root: Path) -> list[Path]:
    """Write baselines/<name>.py and its test below `root`; returns both paths.

    like: the method to copy. InvalidValue if the name is malformed or taken, a file exists, or `like` cannot
    be copied; UnknownName if there is no method `like`.
    """
    check_name(name, "method")
    if name in METHODS:
        raise InvalidValue(f"there is a method named {name!r} already; choose another name")
    module = name.replace("-", "_")
    paths = [root / "baselines" / f"{module}.py", root / "tests" / "baselines" / f"test_{module}.py"]
    if existing := [path for path in paths if path.exists()]:
        raise InvalidValue(f"{existing[0]} is there already")
    texts = [copy_of(like, name), TEST.format(name=name, module=module)]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text.encode())
    (paths[1].parent / "__init__.py").touch()
    return paths


def check_name(name: str, kind: str) -> None:
    """InvalidValue for a name that no plug-in can have."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InvalidValue(
            f"a {kind} is named in lower-case letters, digits and single hyphens, got {name!r}"
        )


def class_name(name: str) -> str:
    """The class of a name: MyMethod of my-method."""
    return "".join(part.capitalize() for part in name.split("-"))


def copy_of(like: str, name: str) -> str:
    """The source of the method `like` as another. UnknownName; InvalidValue if it has no file of its own."""
    if like not in METHODS:
        raise UnknownName("method", like, tuple(METHODS))
    (entry,) = (e for e in METHODS.entries() if e.name == like)
    if entry.package or entry.module.partition(".")[0] != "baselines":
        raise InvalidValue(f"{like} is not a file of baselines/; choose a method that is")
    source = plugins.folder(entry.module).with_suffix(".py")
    return _renamed(source.read_text(encoding="utf-8"), name, like)


def _renamed(source: str, name: str, like: str) -> str:
    """The source of `like` with the docstrings, class name and registered name of `name`."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.decorator_list]
    if len(classes) != 1 or ast.get_docstring(tree) is None:
        raise InvalidValue(
            f"the file of {like} registers {len(classes)} methods; begin from one with a file of its own"
        )
    (kind,) = classes
    lines = source.splitlines(keepends=True)
    summary = kind.body[0]
    lines[summary.lineno - 1 : summary.end_lineno] = [f'    """{name}, started from {like}."""\n']
    body = "".join(lines[tree.body[0].end_lineno :])
    body = body.replace(f'register("{like}")', f'register("{name}")')
    return HEAD.format(name=name, like=like) + re.sub(rf"\b{kind.name}\b", class_name(name), body)
