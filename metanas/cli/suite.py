"""`metanas suite new | pin | check`: suites of your own. Imports torch only when a command runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metanas.base.ranges import MANY
from metanas.cli.common import Roots, data_root, fail, group, names, numbers

if TYPE_CHECKING:
    from metanas.data.pinning import Pinned

app = group("Suites of your own: write one, pin its data and episodes, check it.")
SuiteFile = Annotated[str, typer.Argument(help="The suite: its YAML file, or a name.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name with version: birds-v1.")],
    domains: Annotated[str, typer.Option(help="Its domains: a,b.")],
    out: Annotated[Path | None, typer.Option(help="The file to write. Default: NAME.yaml.")] = None,
    ways: Annotated[int, typer.Option(min=2, max=MANY, help="Classes of an episode.")] = 5,
    shots: Annotated[str, typer.Option(help="Support examples per class: 1,5.")] = "1,5",
    root: Roots = None,
) -> None:
    """Write a suite's YAML file to edit; domains that are too small get ways and queries of their own."""
    from metanas.data import pinning

    if not names(domains) or not names(shots):
        fail("--domains and --shots want at least one each")
    place = data_root(root)
    file = out or Path(f"{name}.yaml")
    pinning.new(name, names(domains), file, ways=ways, shots=numbers(shots, "--shots"), root=place)
    print(file)
    print(f"next: edit it, then metanas suite pin {file}")


@app.command()
def pin(
    suite: SuiteFile,
    replace: Annotated[bool, typer.Option(help="Also change what was pinned before.")] = False,
    root: Roots = None,
) -> None:
    """Write the manifest of a suite: the fingerprints of its data and the hashes of its episodes."""
    from metanas.data import pinning
    from metanas.data.suite import file_of, manifest_of

    _show(pinning.pin(suite, data_root(root), replace=replace))
    print(manifest_of(file_of(suite)))


@app.command()
def check(suite: SuiteFile, root: Roots = None) -> None:
    """Check a suite's file and whether runs would take its data; exit code 2 if not."""
    from metanas.data import pinning

    if bad := _show(pinning.check(suite, data_root(root))):
        fail(f"{suite} cannot be run as it is: {', '.join(bad)}")


def _show(found: Iterable["Pinned"]) -> list[str]:
    """Print a line a domain; returns those that cannot be used."""
    bad = []
    for checked in found:
        print(f"{checked.name:<16} {checked.state:<8} {checked.detail}", flush=True)
        if not checked.is_good:
            bad.append(checked.name)
    return bad
