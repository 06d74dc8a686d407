"""Optional logging of metrics to Weights & Biases (`--set tracking=wandb`), besides metrics.jsonl."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metanas.base import distributed
from metanas.engine.config import ConfigError, RunConfig


class Tracker:
    """A context manager whose `log` sends metrics to Weights & Biases; without `tracking` it does nothing.

    Of several processes only the first one sends. Without WANDB_API_KEY, wandb writes offline files to
    `folder`. ConfigError if wandb is not installed.
    """

    def __init__(self, config: RunConfig, seed: int, folder: Path) -> None:
        self._run: Any = None
        if config.tracking == "wandb" and distributed.rank() == 0:
            self._run = _wandb().init(
                project="metanas",
                name=f"{config.suite.name}-{config.method}-{seed}",
                dir=folder,
                config=config.model_dump(mode="json"),
                mode="online" if os.environ.get("WANDB_API_KEY") else "offline",
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


def _wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise ConfigError("tracking=wandb needs the extra: pip install 'metanas[wandb]'") from None
    return wandb
