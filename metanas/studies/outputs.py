"""Whether a run will be able to keep what it computes: asked before anything is trained.

Hours of training must not end because the board was a folder, the pages' folder a file, or the disk full.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metanas.base import plugins
from metanas.base.atomic import check_writable
from metanas.base.errors import InvalidValue
from metanas.engine.config import RunConfig

CHECKPOINT = 2**22  # bytes that a seed's checkpoint and logs may take, generously for the networks here
CONTROLS = 6  # times that the test episodes are answered, with the controls


def check_outputs(wanted: Sequence[tuple[RunConfig, Path]], db: str | None, pages: Path | None) -> None:
    """Raise what would otherwise be raised after training: InvalidValue, StoreError or OSError.

    The board is opened, and made if it is new; folders are made, and a file is written to each.
    """
    for _, folder in wanted:
        check_writable(folder)
    if pages is not None:
        check_writable(pages)
    _check_space(wanted)
    if db is not None:
        store: Any = plugins.load("leaderboard.store.store").Store(db)
        try:
            store.check_writable()
        finally:
            store.close()


def bytes_of(config: RunConfig) -> int:
    """About how many bytes a run folder takes; rather too many."""
    suite, tested = config.suite, config.budget.eval_episodes
    predictions = sum(
        tested * shape.ways * shape.queries * (4 * shape.ways + 16)
        for domain in suite.domains
        for shape in suite.shapes(domain)
    )
    return len(config.seeds) * (CONTROLS * predictions + CHECKPOINT)


def _check_space(wanted: Sequence[tuple[RunConfig, Path]]) -> None:
    """InvalidValue if the runs would fill the disk of one of their folders."""
    needed: dict[int, int] = {}
    for config, folder in wanted:
        disk = folder.stat().st_dev
        needed[disk] = needed.get(disk, 0) + bytes_of(config)
        free = shutil.disk_usage(folder).free
        if free < needed[disk]:
            raise InvalidValue(
                f"the disk of {folder} has {free / 2**20:,.0f} MiB free, and the runs need about "
                f"{needed[disk] / 2**20:,.0f}; free some, or give another --out"
            )
