"""Weights & Biases is an extra: without it, its network or its consent the run goes on."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metanas.engine import config, tracking
from metanas.engine.config import ConfigError

ASKED = config.resolve("chance", "mini-v1", domains=("langid",), overrides=("tracking=wandb",))
KEY = "planted" * 6


class Refused(Exception):
    """wandb.errors.Error of a server that does not know the key; as wandb's, it may quote it."""


def fake(asked: list[dict[str, Any]], *, refuses: bool) -> Any:
    def init(**about: Any) -> Any:
        asked.append(about)
        if refuses and about["mode"] == "online":
            raise Refused(f"invalid key {KEY}")
        return SimpleNamespace(log=lambda row: None, finish=lambda exit_code: None)

    return SimpleNamespace(init=init, Settings=lambda **fields: fields, errors=SimpleNamespace(Error=Refused))


@pytest.mark.parametrize(
    ("key", "heard", "refuses", "modes", "said"),
    [
        ("", True, False, ["offline"], ""),
        (KEY, True, False, ["online"], ""),
        (KEY, False, False, ["offline"], "https://api.wandb.ai does not answer"),
        (KEY, True, True, ["online", "offline"], "wandb refuses (Refused); is WANDB_API_KEY right?"),
    ],
)
def test_a_key_without_network_or_consent_falls_back_to_offline_with_one_line(
    key: str,
    heard: bool,
    refuses: bool,
    modes: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setattr(tracking, "answers", lambda address, seconds: heard)
    monkeypatch.setattr(tracking, "_wandb", lambda: fake(asked, refuses=refuses))
    with tracking.Tracker(ASKED, 0, tmp_path) as tracker:
        tracker.log({"loss": 1.0})
    assert [about["mode"] for about in asked] == modes
    error = capsys.readouterr().err
    line = f"metanas: {said}; metrics are written offline: `wandb sync` sends them\n"
    assert error == (line if said else "")
    assert KEY not in error + repr(asked)


def test_a_server_that_is_silent_or_away_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert not tracking.answers(address, 0.2)
    assert not tracking.answers(address, 0.2) and not tracking.answers("no address", 0.2)
    assert time.monotonic() - began < 2


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'metanas\[wandb\]'"):
        tracking.Tracker(ASKED, 0, tmp_path)
