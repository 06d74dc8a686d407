"""`metanas new-method NAME`: the files of a new method, a copy of an existing one. Imports no torch."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli.common import fail


def hook(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("new-method")(new_method)


def new_method(
    name: Annotated[str, typer.Argument(help="Its name, in lower case: my-method.")],
    like: Annotated[str, typer.Option(help="The method to copy.")] = "reptile",
    root: Annotated[Path, typer.Option(help="Your checkout of the project.")] = Path("."),
) -> None:
    """Create baselines/NAME.py, a working copy of another method, and a test of it."""
    from metanas.cli import scaffold

    if not (root / "baselines" / "__init__.py").is_file():
        fail(f"{root.absolute()} is not a checkout of the project; give it with --root")
    paths = scaffold.begin(name, like, root)
    for path in paths:
        print(path)
    print(f"next: edit {paths[0]}, then")
    print(f"  python -m pytest {paths[1]}")
    print(f"  python -m pytest tests/contracts -k {name}")
    print(f"  metanas run --method {name} --suite mini-v1 --budget smoke")
