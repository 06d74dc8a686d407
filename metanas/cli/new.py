"""`metanas new-method | new-domain | new-package NAME`: working files to begin from. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import fail

Like = Annotated[str, typer.Option(help="The method to copy.")]
Root = Annotated[Path, typer.Option(help="The folder in which the package NAME/ is made.")]


def hook(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command("new-method")(new_method)
    app.command("new-domain")(new_domain)
    app.command("new-package")(new_package)


def new_method(
    name: Annotated[str, typer.Argument(help="Its name, in lower case: my-method.")],
    like: Like = "reptile",
    root: Annotated[
        Path, typer.Option(help="A checkout of the project, or the folder in which NAME/ is made.")
    ] = Path("."),
) -> None:
    """Create a method that works, a copy of another one, and its test.

    In a checkout of the project: baselines/NAME.py and tests/baselines/test_NAME.py. Elsewhere: NAME/, an
    installable package.
    """
    from metanas.cli import scaffold

    if not (root / "baselines" / "__init__.py").is_file():
        _package(name, ("method",), root, like)
        return
    paths = scaffold.begin(name, like, root)
    for path in paths:
        print(path)
    print(f"next: edit {paths[0]}, then")
    print(f"  python -m pytest {paths[1]}")
    print(f"  metanas check method {name}")
    print(f"  metanas run --method {name} --suite mini-v1 --budget smoke")


def new_domain(
    name: Annotated[str, typer.Argument(help="Its name, in lower case: my-birds.")], root: Root = Path(".")
) -> None:
    """Create NAME/, an installable package with a domain in Python and its test.

    Tables, folders and data sets of `datasets` and torchvision need no Python: docs/own-data.md.
    """
    _package(name, ("domain",), root)


def new_package(
    name: Annotated[str, typer.Argument(help="Its name, in lower case; all that is in it has this name.")],
    like: Like = "reptile",
    root: Root = Path("."),
) -> None:
    """Create NAME/, an installable package with a method, a domain, a network, and their tests."""
    _package(name, ("method", "domain", "network"), root, like)


def _package(name: str, kinds: Sequence[str], root: Path, like: str = "reptile") -> None:
    from metanas.cli import package

    if not root.is_dir():
        fail(f"{root} is no folder; --root names the one in which {name}/ is made")
    for path in package.make(name, kinds, root, like):
        print(path)
    folder = root / name if root.is_absolute() else f"./{root / name}"  # without ./ pip looks for a package
    print(f"next: edit {folder}/{name.replace('-', '_')}/*.py, then")
    print(f"  pip install -e {folder}")
    print(f"  python -m pytest {folder}")
    for kind in kinds:
        print(f"  metanas check {kind} {name}")
    if "method" in kinds:
        print(f"  metanas run --method {name} --suite mini-v1 --budget smoke")
    if "domain" in kinds:
        print(f"  metanas suite new {name}-v1 --domains {name}")
