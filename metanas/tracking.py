"""Where metric rows go besides metrics.jsonl: to Weights & Biases, when asked (`--set tracking=wandb`)."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metanas import parallel
from metanas.config import ConfigError, RunConfig


class Tracker:
    """A context in which `log` sends a row on. Without a key or a network wandb writes offline files."""

    def __init__(self, config: RunConfig, seed: int, folder: Path) -> None:
        self._run: Any = None
        if config.tracking == "wandb" and parallel.rank() == 0:
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
        """One row of metrics."""
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
