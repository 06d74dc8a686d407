"""Create a package of one's own for metanas: methods, domains and networks with tests and entry points.

It works before it is edited: its tests are the contract of `metanas.testing`. The method is a copy of an
existing one; the other files are `templates/`.
"""

import importlib.util
import keyword
from collections.abc import Sequence
from pathlib import Path
from string import Template

from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue
from metanas.base.registry import Registry
from metanas.cli import scaffold
from metanas.data.adapter import DOMAINS
from metanas.method import METHODS
from metanas.space.network_config import NETWORKS

TEMPLATES = Path(__file__).parent / "templates"
REGISTRIES: dict[str, Registry[type]] = {"method": METHODS, "domain": DOMAINS, "network": NETWORKS}  # type: ignore[dict-item]
FILES = {"method": "method.py", "domain": "domain.py", "network": "network.py"}


def make(name: str, kinds: Sequence[str], root: Path, like: str = "reptile") -> list[Path]:
    """Write the folder `root`/name, a package with one plug-in of each of these kinds; returns its files.

    kinds: method, domain, network; each is registered as `name`. like: the method to copy. InvalidValue for a
    name that is malformed or taken, by a plug-in or a Python module, a folder that exists, or a method that
    cannot be copied; UnknownName if there is no such method.
    """
    scaffold.check_name(name, kinds[0])
    for kind in kinds:
        if name in REGISTRIES[kind]:
            raise InvalidValue(f"there is a {kind} named {name!r} already; choose another name")
    module, folder = name.replace("-", "_"), root / name
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        raise InvalidValue(f"there is a Python module named {module!r} already; choose another name")
    if folder.exists():
        raise InvalidValue(f"{folder} is there already; choose another name, or another --root")
    files = {f"{module}/{FILES[kind]}": _plugin(kind, name, like) for kind in kinds}
    files |= _about(name, module, kinds)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / path, text.encode())
    return [folder / path for path in files]


def _plugin(kind: str, name: str, like: str) -> str:
    if kind == "method":
        return scaffold.copy_of(like, name)
    return _filled(kind, name=name, **{"class": scaffold.class_name(name)})


def _about(name: str, module: str, kinds: Sequence[str]) -> dict[str, str]:
    """The other files of the package, by path."""
    class_name, summary = scaffold.class_name(name), f"A {', a '.join(kinds)} for metanas."
    points = [
        f'[project.entry-points."metanas.{kind}s"]\n{name} = "{module}.{FILES[kind][:-3]}:{class_name}"\n'
        for kind in kinds
    ]
    checks = "\n".join(f"    metanas check {kind} {name}" for kind in kinds)
    edited = ", ".join(f"`{module}/{FILES[kind]}`" for kind in kinds)
    return {
        f"{module}/__init__.py": f'"""{summary}"""\n',
        "tests/test_contract.py": _filled("test_contract", name=name, kinds=repr(tuple(kinds))),
        "pyproject.toml": _filled(
            "pyproject", name=name, module=module, summary=summary, points="\n".join(points)
        ),
        "README.md": _filled("readme", name=name, summary=summary, checks=checks, files=edited),
    }


def _filled(template: str, **values: str) -> str:
    text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values)
