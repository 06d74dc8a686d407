"""`metanas data ...`: the data sets of the suites. Imports torch only to build a domain that needs it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from metanas.base.atomic import write_atomically
from metanas.base.ranges import MANY
from metanas.cli.common import AsJson, Roots, data_root, fail, group, print_rows, show_traceback, warn

app = group("Data sets of the suites: status, preparation, a look at episodes.")
Names = Annotated[list[str] | None, typer.Argument(help="Domains; default: those of the suite.")]


@app.command()
def status(root: Roots = None, as_json: AsJson = False) -> None:
    """Show which data is ready (full or a sample) or missing, and how to get it."""
    from metanas.cli import listing

    rows = listing.data_status(data_root(root), show_traceback)
    print_rows(rows, ("name", "state", "data", "fingerprint", "repeats", "next"), as_json=as_json)
    for problem in listing.problems("domains"):
        warn(problem)


@app.command()
def prepare(
    domains: Names = None,
    suite: Annotated[str, typer.Option(help="A suite, for all its domains.")] = "",
    refresh: Annotated[bool, typer.Option(help="Build anew from the source, also what is ready.")] = False,
    root: Roots = None,
) -> None:
    """Download (unless --data-root is given), build and verify data, so that runs start at once."""
    from metanas.data import prepare as preparing
    from metanas.data.suite import load_suite

    names = [*(domains or ()), *(load_suite(suite).domains if suite else ())]
    if not names:
        fail("name domains, or a suite: --suite core-v1")
    failed = 0
    names = list(dict.fromkeys(names))
    for outcome in preparing.prepare(names, data_root(root), refresh=refresh, on_progress=_progress):
        if outcome.problem:
            failed += 1
            print(f"{outcome.name:<16} {outcome.action:<8} {outcome.problem}")
            continue
        kind = "sample" if outcome.sample else "full"
        print(
            f"{outcome.name:<16} {outcome.action:<6} {outcome.seconds:6.1f} s  {kind:<6} "
            f"{outcome.fingerprint[:12]}"
        )
    if failed:
        fail(f"{failed} of {len(names)} domains cannot be used")


@app.command()
def verify(domains: Names = None, root: Roots = None) -> None:
    """Check every file of what was built against its SHA-256, and the data against what suites pin."""
    from metanas.data import prepare as preparing
    from metanas.data.adapter import DOMAINS

    found = list(preparing.verify(list(dict.fromkeys(domains or DOMAINS)), data_root(root)))
    for name, state, detail in found:
        print(f"{name:<16} {state:<8} {detail}")
    if bad := [checked.name for checked in found if not checked.is_good]:
        fail(f"{len(bad)} of {len(found)} domains cannot be used: {', '.join(bad)}")


@app.command()
def show(
    domain: Annotated[str, typer.Argument(help="A domain.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    suite: Annotated[str, typer.Option(help="Suite whose settings to use; default: one with it.")] = "",
    split: Annotated[str, typer.Option(help="Meta-split: train | val | test")] = "test",
    episode: Annotated[int, typer.Option(min=0, max=MANY, help="Index of the episode.")] = 0,
    shots: Annotated[int, typer.Option(min=1, max=MANY, help="Support examples per class.")] = 5,
    root: Roots = None,
) -> None:
    """Write an episode as an HTML page: images, texts, or waveforms with spectrograms."""
    from metanas.data import episode_page

    print(
        episode_page.write(
            domain, out, suite=suite, split=split, episode=episode, shots=shots, root=data_root(root)
        )
    )


@app.command()
def cards(
    domains: Names = None,
    suite: Annotated[str, typer.Option(help="A suite, for all its domains.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for a folder of each domain.")] = Path(
        "leaderboard/static/domains"
    ),
    root: Roots = None,
) -> None:
    """Write what a board shows of each domain: source, licence, class splits, and samples where allowed."""
    from metanas.data import cards as making
    from metanas.data.suite import load_suite

    names = [*(domains or ()), *(load_suite(suite).domains if suite else ())]
    if not names:
        fail("name domains, or a suite: --suite mini-v1")
    for name in dict.fromkeys(names):
        print(making.write(name, out, data_root(root)))


@app.command()
def table(
    suite: Annotated[str, typer.Option(help="A suite; default: all that are built in.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write it to. Default: print it.")] = None,
) -> None:
    """Print the domains as a Markdown table, from the pinned manifests; needs no data."""
    from metanas.data import manifest
    from metanas.data.suite import built_in

    text = manifest.page([suite] if suite else built_in())
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text.encode())


def _progress(file: str, received: int, total: int) -> None:
    """Update one line on stderr with the bytes received of a file; nothing if stderr is not a terminal."""
    if sys.stderr.isatty():
        amount = f"{received / 2**20:.0f} MiB"
        if total:
            amount = f"{100 * received / total:3.0f} % of {total / 2**20:.0f} MiB"
        print(f"\r{file}: {amount}  ", end="\n" if received == total else "", file=sys.stderr, flush=True)
