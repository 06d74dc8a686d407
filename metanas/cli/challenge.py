"""`metanas challenge ...`: commit to a run, receive sealed episodes, predict them, send the predictions.

A challenge has a folder with challenge.json (the server's answer), episodes.safetensors and
predictions.parquet. Only `predict` imports torch.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from metanas.base import json_text
from metanas.base.atomic import write_atomically
from metanas.base.plugins import load
from metanas.cli.bundle import LOCAL, Secret, Server
from metanas.cli.common import AsJson, Device, Roots, data_root, fail, group

ABOUT, EPISODES, PREDICTIONS = "challenge.json", "episodes.safetensors", "predictions.parquet"
Run = Annotated[Path, typer.Argument(help="The run that was submitted, with its checkpoints.")]
Folder = Annotated[Path, typer.Argument(help="The folder that `metanas challenge start` wrote.")]
Code = Annotated[
    list[Path] | None,
    typer.Option(help="A folder with your code outside metanas; may be given several times."),
]
app = group("Predict sealed episodes after a commitment to code and weights.")


@app.command("commitment")
def show_commitment(run: Run, code: Code = None, as_json: AsJson = False) -> None:
    """Print the commitment, the SHA-256 of code and weights; also to verify that of others."""
    from metanas.studies import commitment

    if as_json:
        print(json.dumps(commitment.files(run, code or ()), indent=1, sort_keys=True))
    else:
        print(commitment.commitment(run, code or ()))


@app.command()
def start(
    run: Run,
    submission: Annotated[str, typer.Argument(help="Id of the submission, from `metanas submit`.")],
    token: Secret,
    server: Server = LOCAL,
    domain: Annotated[list[str] | None, typer.Option(help="Default: all that can be sealed.")] = None,
    code: Code = None,
    out: Annotated[Path | None, typer.Option(help="Default: RUN/challenge-ID.")] = None,
) -> None:
    """Commit to the run as it is now and receive the sealed episodes. The time limit starts."""
    from metanas.studies.commitment import commitment

    client = load("leaderboard.client").Client(server, token)
    challenge = client.commit(submission, commitment(run, code or ()), domain or [])
    folder = out or run / f"challenge-{challenge['id']}"
    folder.mkdir(parents=True, exist_ok=True)
    content = client.episodes(challenge["id"])
    if (digest := hashlib.sha256(content).hexdigest()) != challenge["episodes"]:
        fail(f"the episodes arrived with SHA-256 {digest}, expected {challenge['episodes']}; start again")
    write_atomically(folder / EPISODES, content)
    write_atomically(folder / ABOUT, (json.dumps(challenge, indent=1) + "\n").encode())
    print(f"committed to {challenge['commitment']}; answer before {challenge['deadline'][:16]} UTC")
    print(folder)


@app.command()
def predict(run: Run, folder: Folder, device: Device = "auto", root: Roots = None) -> None:
    """Predict the episodes with every seed of the run."""
    from metanas.data.sealed import SealedTask
    from metanas.engine.runtime import Runtime
    from metanas.studies import answer_sealed

    tasks = [SealedTask.of(task) for task in _about(folder)["tasks"]]
    answer_sealed.predict(
        run, folder / EPISODES, tasks, folder / PREDICTIONS, data_root(root), Runtime(device)
    )
    print(folder / PREDICTIONS)


@app.command()
def send(run: Run, folder: Folder, token: Secret, server: Server = LOCAL, code: Code = None) -> None:
    """Send the predictions; only the first ones count."""
    from metanas.studies.commitment import commitment

    about, path = _about(folder), folder / PREDICTIONS
    if not path.exists():
        fail(f"{path} is missing; run `metanas challenge predict {run} {folder}` first")
    client = load("leaderboard.client").Client(server, token)
    now = commitment(run, code or ())
    _print(client.answer(about["id"], now, about["episodes"], path.read_bytes()))


@app.command()
def status(challenge: str, token: Secret = "", server: Server = LOCAL, as_json: AsJson = False) -> None:
    """Show a challenge by its id: its deadline or its scores. Answered challenges are public."""
    details = load("leaderboard.client").Client(server, token).challenge(challenge)
    if as_json:
        print(json.dumps(details, indent=1))
    else:
        _print(details)


def _print(challenge: dict[str, Any]) -> None:
    print(
        f"{challenge['id']}  {challenge['method']}  {challenge['state']}, "
        f"until {challenge['deadline'][:16]} UTC"
    )
    for task, accuracy in (challenge["accuracy"] or {}).items():
        print(f"{task:<20} {100 * accuracy:.1f} %")


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / ABOUT).is_file():
        fail(f"{folder} has no {ABOUT}; give the folder that `metanas challenge start` wrote")
    remedy = "start the challenge again"
    return json_text.read(folder / ABOUT, remedy, keys=("id", "episodes", "tasks"))
