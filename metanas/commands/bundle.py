"""`metanas pack | validate | score | submit | status | withdraw | dispute`: from a run folder to a board.

Torch-free. Exit codes: 2 usage, 3 the bundle is not valid, 4 the server cannot be reached or refuses.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from metanas.commands.common import AsJson, fail
from metanas.plugins import load

Server = Annotated[str, typer.Option(envvar="METANAS_SERVER", help="The board's address: http://host:port")]
Secret = Annotated[
    str, typer.Option("--token", envvar="METANAS_TOKEN", help="mnas_..., from its administrator")
]
LOCAL = "http://127.0.0.1:8000"


def hook(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (pack, validate, score, submit, status, withdraw, dispute):
        app.command()(command)


def pack(
    run: Path,
    out: Annotated[Path | None, typer.Option(help="The zip to write; beside the run by default.")] = None,
    about: Annotated[
        Path | None, typer.Option(help="YAML with fields of entry.json: authors, contact, code, ...")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="A name; may be given several times.")] = None,
    contact: Annotated[str | None, typer.Option(help="An e-mail address; never shown.")] = None,
    family: Annotated[
        str | None,
        typer.Option(help="baseline | gradient-based | metric-based | nas | evolutionary | other"),
    ] = None,
    summary: Annotated[str | None, typer.Option(help="What the method does, in a sentence or two.")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Configurations you tried before this one.")
    ] = None,
) -> None:
    """Make a bundle of a finished run, ready to be submitted."""
    given = _about(about)
    flags = {
        "authors": [{"name": name} for name in author or ()] or None,
        "contact": contact,
        "family": family,
        "summary": summary,
        "hparam_trials": trials,
    }
    given |= {key: value for key, value in flags.items() if value is not None}
    packing = load("leaderboard.bundle.pack")
    members = packing.collect(run, given)
    load("leaderboard.bundle.validate").validate(members)
    where = out or run.with_suffix(".zip")
    where.write_bytes(packing.to_zip(members))
    print(where)


def validate(bundle: Path, as_json: AsJson = False) -> None:
    """Check a bundle (a folder or a zip) as the server does."""
    checking, reading = load("leaderboard.bundle.validate"), load("leaderboard.bundle.reading")
    try:
        checking.validate(reading.read(bundle))
    except load("leaderboard.bundle.problem").BundleError as error:
        if not as_json:
            raise
        print(json.dumps({"valid": False, "problems": [p.as_json() for p in error.problems]}, indent=1))
        raise typer.Exit(3) from None
    print(json.dumps({"valid": True, "problems": []}) if as_json else f"{bundle}: valid")


def score(bundle: Path) -> None:
    """Recompute all scores of a bundle; the server answers with the same bytes."""
    scored = load("leaderboard.bundle.validate").validate(load("leaderboard.bundle.reading").read(bundle))
    print(load("leaderboard.scoring.document").of_scored(scored).decode(), end="")


def submit(
    bundle: Path,
    token: Secret,
    server: Server = LOCAL,
    receipt: Annotated[Path | None, typer.Option(help="Where to keep the receipt.")] = None,
    watch: Annotated[bool, typer.Option(help="Wait until it is scored.")] = True,
) -> None:
    """Send a bundle to a board, keep the receipt, and wait for the scores."""
    members = load("leaderboard.bundle.reading").read(bundle)
    load("leaderboard.bundle.validate").validate(members)
    client = load("leaderboard.client").Client(server, token)
    answer = client.submit(members)
    where = receipt or bundle.with_name(bundle.stem + ".receipt.json")
    where.write_text(json.dumps(answer["receipt"], indent=1) + "\n", encoding="utf-8")
    print(f"accepted as {answer['id']}; receipt: {where}")
    if watch:
        _watch(client, answer["id"])


def status(
    submission: str, token: Secret = "", server: Server = LOCAL, watch: bool = False, as_json: AsJson = False
) -> None:
    """Where a submission is: its states, and how many wait before it."""
    client = load("leaderboard.client").Client(server, token)
    if watch:
        _watch(client, submission)
        return
    found = {**client.submission(submission), "events": client.events(submission)}
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for event in found["events"]:
        print(f"{event['at'][:19]}  {event['state']:<10} {event['reason']}")
    if found["jobs_ahead"] is not None:
        print(f"{found['jobs_ahead']} before it")


def withdraw(submission: str, token: Secret, reason: str, server: Server = LOCAL) -> None:
    """Take a submission of yours off the board."""
    print(load("leaderboard.client").Client(server, token).withdraw(submission, reason)["state"])


def dispute(submission: str, token: Secret, reason: str, server: Server = LOCAL) -> None:
    """Doubt a published result; a reviewer decides."""
    load("leaderboard.client").Client(server, token).dispute(submission, reason)
    print(f"{submission} is marked as disputed")


def _watch(client: Any, submission: str) -> None:
    shown, state = 0, "received"
    while state in ("received", "scoring"):
        state, events = client.submission(submission)["state"], client.events(submission)
        for event in events[shown:]:
            print(f"{event['at'][:19]}  {event['state']:<10} {event['reason']}")
        shown = len(events)
        time.sleep(0.3)
    if state not in ("published", "flagged"):
        raise typer.Exit(3)


def _about(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        fail(f"--about wants a YAML file with fields of entry.json, {path} has {type(found).__name__}")
    return found
