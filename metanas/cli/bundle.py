"""`metanas pack | validate | score | submit | status | withdraw | dispute`: submit a run to a leaderboard.

Imports no torch. Exit codes: 2 usage, 3 the bundle is not valid, 4 the server cannot be reached or refuses.
"""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metanas.base import yaml_text
from metanas.base.atomic import write_atomically
from metanas.base.plugins import load
from metanas.base.ranges import MANY, STORED
from metanas.cli.common import AsJson, fail, names, warn

if TYPE_CHECKING:
    from metanas.data.suite import Suite

Server = Annotated[str, typer.Option(envvar="METANAS_SERVER", help="The server's address: http://host:port")]
Secret = Annotated[
    str, typer.Option("--token", envvar="METANAS_TOKEN", help="Access token from the administrator: mnas_...")
]
Reason = Annotated[str, typer.Option(help="The reason; it is public.")]
SuiteFile = Annotated[
    Path | None,
    typer.Option("--suite", help="YAML file of a suite of one's own, to check the bundle against."),
]
LOCAL = "http://127.0.0.1:8000"


def hook(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (pack, validate, score, submit, status, withdraw, dispute):
        app.command()(command)


def pack(
    run: Path,
    out: Annotated[Path | None, typer.Option(help="The zip file to write. Default: next to the run.")] = None,
    about: Annotated[
        Path | None, typer.Option(help="YAML file with fields of entry.json: authors, contact, code, ...")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="An author; may be given several times.")] = None,
    contact: Annotated[str | None, typer.Option(help="An e-mail address; never shown.")] = None,
    family: Annotated[
        str | None,
        typer.Option(help="baseline | gradient-based | metric-based | nas | evolutionary | other"),
    ] = None,
    summary: Annotated[str | None, typer.Option(help="The method in one or two sentences.")] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, max=MANY, help="Number of configurations tried. Default: what the run says."),
    ] = None,
    meta_train: Annotated[
        str | None,
        typer.Option(help="Domains of meta-training: a,b; '' for none. Default: what the run says."),
    ] = None,
) -> None:
    """Make the bundle of a finished run of at least three seeds, for `metanas submit`."""
    entry = _about(about)
    options = {
        "authors": [{"name": name} for name in author or ()] or None,
        "contact": contact,
        "family": family,
        "summary": summary,
        "hparam_trials": trials,
        "meta_train_domains": None if meta_train is None else list(names(meta_train)),
    }
    entry |= {key: value for key, value in options.items() if value is not None}
    packing = load("leaderboard.bundle.pack")
    members = packing.collect(run, entry)
    load("leaderboard.scoring.validate").validate(members, _known(_suite_of(run)))
    path = out or run.with_suffix(".zip")
    write_atomically(path, packing.to_zip(members))
    print(path)


def validate(bundle: Path, suite: SuiteFile = None, as_json: AsJson = False) -> None:
    """Check a bundle (a folder or a zip) as the server does."""
    checking, reading = load("leaderboard.scoring.validate"), load("leaderboard.bundle.reading")
    try:
        members = reading.read(bundle)
        scored = checking.validate(members, _known(_read_suite(suite)), elsewhere=suite is None)
    except load("leaderboard.bundle.problem").BundleError as error:
        if not as_json:
            raise
        print(json.dumps({"valid": False, "problems": [p.as_json() for p in error.problems]}, indent=1))
        raise typer.Exit(3) from None
    print(json.dumps({"valid": True, "problems": []}) if as_json else f"{bundle}: valid")
    if suite is None:
        _tell_of_an_unknown_suite(scored.submission.suite)


def score(bundle: Path) -> None:
    """Recompute and print all scores of a bundle as JSON, byte for byte as the server does."""
    members = load("leaderboard.bundle.reading").read(bundle)
    scored = load("leaderboard.scoring.validate").validate(members, elsewhere=True)
    print(load("leaderboard.scoring.document").of_scored(scored).decode(), end="")


def submit(
    bundle: Path,
    token: Secret,
    server: Server = LOCAL,
    receipt: Annotated[Path | None, typer.Option(help="Default: next to the bundle.")] = None,
    watch: Annotated[bool, typer.Option(help="Wait until it is scored.")] = True,
) -> None:
    """Send a bundle to a leaderboard, save the receipt, and wait for the scores."""
    members = load("leaderboard.bundle.reading").read(bundle)
    scored = load("leaderboard.scoring.validate").validate(members, elsewhere=True)
    _tell_of_an_unknown_suite(scored.submission.suite)
    client = load("leaderboard.client").Client(server, token)
    answer = client.submit(members)
    path = receipt or bundle.with_name(bundle.stem + ".receipt.json")
    write_atomically(path, (json.dumps(answer["receipt"], indent=1) + "\n").encode())
    print(f"accepted as {answer['id']}; receipt: {path}")
    if watch:
        _watch(client, answer["id"])


def status(
    submission: str, token: Secret = "", server: Server = LOCAL, watch: bool = False, as_json: AsJson = False
) -> None:
    """Show the states of a submission so far, and its place in the queue."""
    client = load("leaderboard.client").Client(server, token)
    if watch:
        _watch(client, submission)
        return
    details = {**client.submission(submission), "events": client.events(submission)}
    if as_json:
        print(json.dumps(details, indent=1))
        return
    for event in details["events"]:
        print(f"{event['at'][:19]}  {event['state']:<10} {event['reason']}")
    if details["jobs_ahead"] is not None:
        print(f"{details['jobs_ahead']} before it")


def withdraw(submission: str, token: Secret, reason: Reason, server: Server = LOCAL) -> None:
    """Withdraw one of your submissions from the leaderboard."""
    print(load("leaderboard.client").Client(server, token).withdraw(submission, reason)["state"])


def dispute(submission: str, token: Secret, reason: Reason, server: Server = LOCAL) -> None:
    """Dispute a published result; a reviewer decides."""
    load("leaderboard.client").Client(server, token).dispute(submission, reason)
    print(f"{submission} is marked as disputed")


def _watch(client: Any, submission: str) -> None:
    """Print events until the submission is scored. Exit code 3 if it is not published."""
    printed, state = 0, "received"
    while state in ("received", "scoring"):
        state, events = client.submission(submission)["state"], client.events(submission)
        for event in events[printed:]:
            print(f"{event['at'][:19]}  {event['state']:<10} {event['reason']}")
        printed = len(events)
        time.sleep(0.3)
    if state not in ("published", "flagged"):
        raise typer.Exit(3)


def _suite_of(run: Path) -> "Suite | None":
    """The suite of a run if it is one of the user's own: config.yaml has it with its manifest."""
    from metanas.data.suite import Suite

    config = yaml_text.read(run / "config.yaml") if (run / "config.yaml").exists() else None
    fields = config.get("suite") if isinstance(config, dict) else None
    if not isinstance(fields, dict) or "origin" not in fields:
        return None
    return Suite.model_validate(fields, context=STORED).original


def _read_suite(file: Path | None) -> "Suite | None":
    from metanas.data.suite import load_suite

    return None if file is None else load_suite(file)


def _known(suite: "Suite | None") -> Any:
    """The suites that `validate` knows: this one, and those that everybody has."""
    return load("leaderboard.bundle.rules").known(*filter(None, [suite]))


def _tell_of_an_unknown_suite(name: str) -> None:
    """Say on stderr that only a board with the suite can tell whether the result is on its episodes."""
    from metanas.data.suite import names as suites

    if name not in suites():
        warn(
            f"{name} is not a suite that everybody has: data and episodes are checked by a board that has it "
            "(metanas leaderboard suite add), or here with metanas validate --suite FILE.yaml"
        )


def _about(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    content = yaml_text.read(path)
    if not isinstance(content, dict):
        fail(f"--about wants a YAML file with fields of entry.json, {path} has {type(content).__name__}")
    return content
