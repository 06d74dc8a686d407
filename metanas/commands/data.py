"""`metanas data ...`: the data of the suites. Torch-free, but for what building a domain needs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from metanas.commands.common import AsJson, Root, fail, group, print_rows

app = group("The data of the suites.")
Names = Annotated[list[str] | None, typer.Argument(help="Domains; default: those of the suite.")]


@app.command()
def status(root: Root = None, as_json: AsJson = False) -> None:
    """What is ready, full or a sample, what is missing, and how to get it."""
    from metanas import listing

    rows = listing.data_status(root)
    print_rows(rows, ("name", "state", "data", "fingerprint", "next"), as_json=as_json)


@app.command()
def prepare(
    domains: Names = None,
    suite: Annotated[str, typer.Option(help="All domains of a suite.")] = "",
    root: Root = None,
) -> None:
    """Download (without --data-root), build and verify the data, so that runs start at once."""
    from metanas import prepare as preparing
    from metanas.suite import load_suite

    names = [*(domains or ()), *(load_suite(suite).domains if suite else ())]
    if not names:
        fail("name domains, or a suite: --suite core-v1")
    failed = 0
    for done in preparing.prepare(list(dict.fromkeys(names)), root, tell=_progress):
        if done.problem:
            failed += 1
            print(f"{done.name:<16} failed   {done.problem}")
            continue
        kind = "sample" if done.sample else "full"
        print(f"{done.name:<16} {done.action:<6} {done.seconds:6.1f} s  {kind:<6} {done.fingerprint[:12]}")
    if failed:
        fail(f"{failed} of {len(names)} domains could not be prepared")


@app.command()
def show(
    domain: Annotated[str, typer.Argument(help="A domain.")],
    out: Annotated[Path, typer.Option(help="The page to write.")],
    suite: Annotated[str, typer.Option(help="Whose protocol to take; default: one that has it.")] = "",
    split: Annotated[str, typer.Option(help="train | val | test")] = "test",
    episode: Annotated[int, typer.Option(min=0, help="Its number.")] = 0,
    shots: Annotated[int, typer.Option(min=1, help="Support examples per class.")] = 5,
    root: Root = None,
) -> None:
    """Write one episode as a page to look at: images, texts, or waveforms with their spectrograms."""
    from metanas import page

    print(page.write(domain, out, suite=suite, split=split, episode=episode, shots=shots, root=root))


@app.command()
def table(
    suite: Annotated[str, typer.Option(help="A suite; default: all.")] = "",
    out: Annotated[Path | None, typer.Option(help="A file to write instead of printing.")] = None,
) -> None:
    """The domains as a Markdown table, from the pinned manifests; needs no data."""
    from metanas import manifest
    from metanas.suite import names

    text = manifest.page([suite] if suite else names())
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")


def _progress(file: str, here: int, total: int) -> None:
    """One line on a terminal that counts up; nothing where stderr is a file."""
    if sys.stderr.isatty():
        share = (
            f"{100 * here / total:3.0f} % of {total / 2**20:.0f} MiB" if total else f"{here / 2**20:.0f} MiB"
        )
        print(f"\r{file}: {share}  ", end="\n" if here == total else "", file=sys.stderr, flush=True)
