"""`metanas new-method NAME`: a method of one's own to start from, with a test. Torch-free."""

from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import fail


def hook(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command("new-method")(new_method)


def new_method(
    name: Annotated[str, typer.Argument(help="Lower case, e.g. my-method.")],
    like: Annotated[str, typer.Option(help="The method whose file is the start.")] = "reptile",
    root: Annotated[Path, typer.Option(help="Your checkout of the project.")] = Path("."),
) -> None:
    """Begin a method: baselines/NAME.py, a working copy of another one, and a test of it."""
    from metanas import scaffold

    if not (root / "baselines" / "__init__.py").is_file():
        fail(f"{root.resolve()} is not a checkout of the project; give it with --root")
    made = scaffold.begin(name, like, root)
    for path in made:
        print(path)
    print(f"next: edit {made[0]}, then")
    print(f"  python -m pytest {made[1]}")
    print(f"  python -m pytest tests/contracts -k {name}")
    print(f"  metanas run --method {name} --suite mini-v1 --budget smoke")
