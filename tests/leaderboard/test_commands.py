"""The commands of both sides, from the command line to a server: tokens, serve, submit, challenge."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import uvicorn
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from leaderboard import client
from leaderboard.accounts import tokens
from leaderboard.client import Client, ServerRefused
from leaderboard.repository import results
from leaderboard.store.models import Account, Token, now
from leaderboard.store.store import Scorer, Store
from metanas.cli.app import app
from metanas.data.datasets import Datasets
from metanas.engine import collect, config, run
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served, served

HERE = "http://testserver"


def program(*words: object, token: str = "") -> Result:
    """`metanas ...` in this process; an error is in its `exception`."""
    environment = {"METANAS_SERVER": HERE, "METANAS_TOKEN": token}
    return CliRunner().invoke(app, [str(word) for word in words], env=environment)


def printed(*words: object, token: str = "") -> str:
    done = program(*words, token=token)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output.strip()


@pytest.fixture
def server(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """What the client's requests reach; its worker works whenever it is asked for something."""
    with served(url, tmp_path / "data", challenge_episodes=2) as found:

        def request(method: str, address: str, *, timeout: float, **rest: Any) -> Any:
            assert timeout > 0
            if method == "GET":
                found.work()
            return found.client.request(method, address, **rest)

        monkeypatch.setattr(client.httpx, "request", request)
        yield found


def test_a_token_is_created_listed_used_and_revoked(url: str, tmp_path: Path) -> None:
    where = ("--db", url, "--data", tmp_path / "data")
    secret = printed("leaderboard", "token", "create", "ada", "--label", "laptop", "--days", "7", *where)
    assert tokens.well_formed(secret)
    (row,) = json.loads(printed("leaderboard", "token", "list", "--json", *where))
    assert (row["account"], row["label"], row["scopes"]) == ("ada", "laptop", "submit read:own")
    assert (row["state"], row["used"]) == ("valid", "never")
    assert secret not in printed("leaderboard", "token", "list", *where)
    store = Store(url, tmp_path / "data")
    with store.database.read() as session:
        assert tokens.find(session, secret, now()) is not None
    assert "is revoked" in printed("leaderboard", "token", "revoke", row["id"], *where)
    with store.database.read() as session:
        assert tokens.find(session, secret, now()) is None
        assert (session.query(Account).count(), session.query(Token).count()) == (1, 1)
    store.close()
    assert json.loads(printed("leaderboard", "token", "list", "--json", *where))[0]["state"] == "revoked"
    wrong = program("leaderboard", "token", "revoke", 99, *where)
    assert wrong.exit_code == 2 and "no token number 99" in wrong.output
    unknown = program("leaderboard", "token", "create", "ada", "--scope", "root", *where)
    assert "no scope named 'root'; there are: submit, read:own, review, admin" in str(unknown.exception)


@SQLITE
def test_serve_opens_the_committed_results_on_this_machine_alone(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        asked.update(app=server.config.app, address=sockets[0].getsockname())
        server.started = True
        sockets[0].close()

    monkeypatch.setattr("uvicorn.Server.run", run)
    monkeypatch.setattr("metanas.cli.admin._leave", lambda: None)
    opened: Queue[tuple[str, Path]] = Queue()

    def open_with(store: Store, folder: Path, scorer: Scorer) -> None:
        opened.put((str(store.data), folder))

    monkeypatch.setattr(results, "open_with", open_with)
    where = printed("leaderboard", "serve", "--db", url, "--data", tmp_path / "data", "--port", "0")
    host, port = asked["address"]
    assert host == "127.0.0.1" and where == f"http://127.0.0.1:{port}"
    assert opened.empty(), "nobody waits for them"
    with TestClient(asked["app"]):
        assert opened.get(timeout=30) == (str(tmp_path / "data"), results.FOLDER)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = program("leaderboard", "serve", "--port", taken.getsockname()[1])
    assert done.exit_code == 2 and "Address already in use" in done.output


def test_a_folder_that_is_no_checkout_is_not_staged_into(tmp_path: Path) -> None:
    done = program("leaderboard", "stage", tmp_path / "a.zip", "--repository", tmp_path)
    assert done.exit_code == 2 and "leaderboard/results" in done.output
    assert not list(tmp_path.iterdir())


@SQLITE
def test_a_bundle_is_submitted_watched_and_withdrawn(server: Served, tmp_path: Path) -> None:
    bundle, token = tmp_path / "mine.zip", server.secrets["owner"]
    bundle.write_bytes(bundles.zipped(tmp_path / "run"))
    refused = program("submit", bundle, token=server.secrets["reader"])
    assert isinstance(refused.exception, ServerRefused)
    assert "your token's scopes do not include submit" in str(refused.exception), "in the server's own words"
    text = printed("submit", bundle, token=token)
    assert "accepted as" in text and text.splitlines()[-1].split()[1] == "published"
    receipt = tmp_path / "mine.receipt.json"
    identity = json.loads(receipt.read_text())["submission_id"]
    key = server.get("audit/head", "nobody").json()["server_key"]
    assert "genuine" in printed("leaderboard", "verify-receipt", receipt, "--key", key)
    without = program("leaderboard", "verify-receipt", receipt)
    assert without.exit_code == 2, "the receipt's own key proves nothing"
    assert json.loads(printed("status", identity, "--json"))["state"] == "published"
    assert printed("withdraw", identity, "--reason", "a bug", token=token) == "withdrawn"
    assert "a bug" in printed("status", identity)


@pytest.mark.parametrize(
    ("answer", "says"),
    [(b"<html>", "is not a board of this kind"), (OSError("refused"), "cannot be reached")],
)
def test_a_server_that_is_none_is_named(answer: object, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def request(method: str, url: str, **rest: Any) -> client.httpx.Response:
        if isinstance(answer, OSError):
            raise client.httpx.ConnectError(str(answer))
        return client.httpx.Response(200, content=answer, request=client.httpx.Request(method, url))

    monkeypatch.setattr(client.httpx, "request", request)
    with pytest.raises(ServerRefused, match=f"{HERE}.*{says}"):
        Client(HERE).submission("0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ProtoNet, as the smallest budget has it."""
    folder = tmp_path_factory.mktemp("run") / "protonet"
    chosen = config.resolve("protonet", "mini-v1", budget="smoke")
    data = Datasets.open(chosen.suite)
    for cell in run.prepare(chosen, folder, data):
        run.work(cell, lambda what, done: None)
    collect.finish(chosen, folder, data)
    return folder


@SQLITE
def test_a_run_is_submitted_and_challenged_from_the_command_line(
    server: Served, trained: Path, tmp_path: Path
) -> None:
    token, bundle = server.secrets["owner"], tmp_path / "mine.zip"
    about = ("--author", "Ada", "--contact", "a@b.org", "--family", "metric-based", "--trials", "1")
    printed("pack", trained, "--out", bundle, "--summary", "Means of classes.", *about)
    identity = printed("submit", bundle, token=token).split()[2].rstrip(";")
    here = tmp_path / "challenge"
    only = ("--domain", "langid")
    words = printed("challenge", "start", trained, identity, "--out", here, *only, token=token)
    assert printed("challenge", "commitment", trained) in words
    early = program("challenge", "send", trained, here, token=token)
    assert early.exit_code == 2 and "run `metanas challenge predict" in early.output
    printed("challenge", "predict", trained, here)
    sent = printed("challenge", "send", trained, here, token=token)
    challenge = json.loads((here / "challenge.json").read_text())["id"]
    assert "answered" in sent and "langid/5w5s" in sent
    assert printed("challenge", "status", challenge) == sent, "public once it is answered"
    found = json.loads(printed("challenge", "status", challenge, "--json"))
    assert all(
        0 < accuracy < 1 for accuracy in found["accuracy"].values()
    )  # two episodes: by luck, near chance
    again = program("challenge", "start", trained, identity, token=token)
    assert "each is only once" in str(again.exception)


@SQLITE
def test_weights_that_changed_after_the_commitment_are_refused(
    server: Served, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.challenge.register.drawn", lambda number, tasks: b"inputs")
    token, bundle, mine = server.secrets["owner"], tmp_path / "mine.zip", tmp_path / "code"
    mine.mkdir()
    (mine / "method.py").write_text("steps = 1")
    bundle.write_bytes(bundles.zipped(tmp_path / "run"))
    identity = printed("submit", bundle, token=token).split()[2].rstrip(";")
    here = tmp_path / "challenge"
    printed("challenge", "start", trained, identity, "--out", here, "--code", mine, token=token)
    (here / "predictions.parquet").write_bytes(b"whatever")
    (mine / "method.py").write_text("steps = 2")
    refused = program("challenge", "send", trained, here, "--code", mine, token=token)
    assert "something was changed after it" in str(refused.exception)
    nothing = program("challenge", "send", trained, tmp_path, token=token)
    assert nothing.exit_code == 2 and "has no challenge.json" in " ".join(
        nothing.output.replace("│", " ").split()
    )
