"""`metanas challenge ...`: commit to a run, receive sealed episodes, answer them.

A challenge lives in a folder: challenge.json (what the board said), episodes.safetensors and
predictions.parquet. Torch-free but for `predict`.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from metanas.commands.bundle import LOCAL, Secret, Server
from metanas.commands.common import AsJson, Root, fail, group
from metanas.plugins import load

ABOUT, EPISODES, PREDICTIONS = "challenge.json", "episodes.safetensors", "predictions.parquet"
Run = Annotated[Path, typer.Argument(help="The run that was submitted, with its checkpoints.")]
Folder = Annotated[Path, typer.Argument(help="What `metanas challenge start` wrote.")]
Code = Annotated[
    list[Path] | None,
    typer.Option(help="A folder with code of yours outside metanas; may be given several times."),
]
app = group("Answer fresh, sealed episodes after a commitment to code and weights.")


@app.command("commitment")
def show_commitment(run: Run, code: Code = None, as_json: AsJson = False) -> None:
    """Print the SHA-256 of code and weights; also to check someone else's, with their code and run."""
    from metanas import commitment

    if as_json:
        print(json.dumps(commitment.files(run, code or ()), indent=1, sort_keys=True))
    else:
        print(commitment.commitment(run, code or ()))


@app.command()
def start(
    run: Run,
    submission: Annotated[str, typer.Argument(help="Its id on the board, from `metanas submit`.")],
    token: Secret,
    server: Server = LOCAL,
    domain: Annotated[list[str] | None, typer.Option(help="Default: all that can be sealed.")] = None,
    code: Code = None,
    out: Annotated[Path | None, typer.Option(help="Default: RUN/challenge-ID.")] = None,
) -> None:
    """Commit to the run as it is now, and receive the episodes. From then on the clock runs."""
    from metanas.commitment import commitment

    client = load("leaderboard.client").Client(server, token)
    found = client.commit(submission, commitment(run, code or ()), domain or [])
    folder = out or run / f"challenge-{found['id']}"
    folder.mkdir(parents=True, exist_ok=True)
    content = client.episodes(found["id"])
    if (digest := hashlib.sha256(content).hexdigest()) != found["episodes"]:
        fail(f"the episodes arrived with SHA-256 {digest}, the board says {found['episodes']}; start again")
    (folder / EPISODES).write_bytes(content)
    (folder / ABOUT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"committed to {found['commitment']}; answer before {found['deadline'][:16]} UTC")
    print(folder)


@app.command()
def predict(run: Run, folder: Folder, root: Root = None) -> None:
    """Answer the episodes with every seed of the run."""
    from metanas import fresh
    from metanas.sealed import SealedTask

    tasks = [SealedTask.of(task) for task in _about(folder)["tasks"]]
    fresh.predict(run, folder / EPISODES, tasks, folder / PREDICTIONS, root)
    print(folder / PREDICTIONS)


@app.command()
def send(run: Run, folder: Folder, token: Secret, server: Server = LOCAL, code: Code = None) -> None:
    """Send the answers; they count once."""
    from metanas.commitment import commitment

    about, path = _about(folder), folder / PREDICTIONS
    if not path.exists():
        fail(f"{path} is missing; run `metanas challenge predict {run} {folder}` first")
    client = load("leaderboard.client").Client(server, token)
    now = commitment(run, code or ())
    _print(client.answer(about["id"], now, about["episodes"], path.read_bytes()))


@app.command()
def status(challenge: str, token: Secret = "", server: Server = LOCAL, as_json: AsJson = False) -> None:
    """A challenge by its id: open until when, or its scores. Answered ones are public."""
    found = load("leaderboard.client").Client(server, token).challenge(challenge)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    print(f"{found['id']}  {found['method']}  {found['state']}, until {found['deadline'][:16]} UTC")
    for task, accuracy in (found["accuracy"] or {}).items():
        print(f"{task:<20} {100 * accuracy:.1f} %")


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / ABOUT).is_file():
        fail(f"{folder} has no {ABOUT}; give the folder that `metanas challenge start` wrote")
    found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return found
