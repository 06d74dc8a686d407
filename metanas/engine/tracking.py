"""Optional logging of metrics to Weights & Biases (`--set tracking=wandb`), besides metrics.jsonl."""

import os
import queue
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metanas.base import distributed
from metanas.engine.config import ConfigError, RunConfig

SERVER = "https://api.wandb.ai"
SECONDS = 4.0  # for a server to answer


class Tracker:
    """A context manager whose `log` sends metrics to Weights & Biases; without `tracking` it does nothing.

    Of several processes only the first one sends. Without WANDB_API_KEY, or where its server does not answer
    or refuses, wandb writes offline files to `folder`, which `wandb sync` sends later, and one line on stderr
    says so. ConfigError if wandb is not installed.
    """

    def __init__(self, config: RunConfig, seed: int, folder: Path) -> None:
        self._run: Any = None
        if config.tracking == "wandb" and distributed.rank() == 0:
            self._run = _start(
                project="metanas",
                name=f"{config.suite.name}-{config.method}-{seed}",
                dir=folder,
                config=config.model_dump(mode="json"),
            )

    def __enter__(self) -> Self:
        return self

    def log(self, row: dict[str, float]) -> None:
        """Send one row of metrics, by name."""
        if self._run is not None:
            self._run.log(row)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            self._run.finish(exit_code=0 if kind is None else 1)


def check(config: RunConfig) -> None:
    """ConfigError if the package that a run's tracking needs is not installed."""
    if config.tracking == "wandb":
        _wandb()


def _start(**about: Any) -> Any:
    """A run of wandb: online where there is a key and a server that takes it, else offline."""
    wandb = _wandb()
    if os.environ.get("WANDB_API_KEY"):
        server = os.environ.get("WANDB_BASE_URL") or SERVER
        if not answers(server, SECONDS):
            _say(f"{server} does not answer")
        else:
            try:
                return wandb.init(**about, mode="online", settings=_settings(wandb))
            except wandb.errors.Error as error:
                _say(f"wandb refuses ({type(error).__name__}); is WANDB_API_KEY right?")
    return wandb.init(**about, mode="offline", settings=_settings(wandb))


def _settings(wandb: Any) -> Any:
    """Without wandb's metadata, which hold the command line and so perhaps a database's password."""
    return wandb.Settings(init_timeout=3 * SECONDS, x_disable_meta=True)


def answers(address: str, seconds: float) -> bool:
    """Whether an HTTP server answers, with whatever status, in this time; looking up its name included."""
    heard: queue.Queue[bool] = queue.Queue()

    def ask() -> None:
        try:
            urllib.request.urlopen(address, timeout=seconds).close()
        except urllib.error.HTTPError:
            heard.put(True)
        except (OSError, ValueError, HTTPException):  # not a URL is a ValueError
            heard.put(False)
        else:
            heard.put(True)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return heard.get(timeout=seconds)
    except queue.Empty:
        return False


def _say(why: str) -> None:
    text = f"metanas: {why}; metrics are written offline: `wandb sync` sends them"
    print(text, file=sys.stderr)


def _wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise ConfigError("tracking=wandb needs the extra: pip install 'metanas[wandb]'") from None
    return wandb
