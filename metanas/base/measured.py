"""Answers that only save time: measured once a machine and kept as small JSON files in the cache folder.

None of them can stop the work. A file that is missing, cut or foreign is measured and written anew; where the
folder cannot be written, every process measures for itself, and one line on stderr says so.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from metanas.base import json_text
from metanas.base.atomic import cache_folder, write_atomically

Entry = dict[str, Any]
_said: set[str] = set()  # the folders that were complained of


def once(path: Path, measure: Callable[[], Entry], fits: Callable[[Entry], bool]) -> Entry:
    """The entry in the file, or else `measure()`, which is written to it; one process measures at a time.

    fits: whether an entry that was read has what is needed.
    """
    with _alone(path):
        entry = load(path)
        if entry is None or not fits(entry):
            entry = measure()
            keep(path, entry)
    return entry


def load(path: Path) -> Entry | None:
    """The JSON object in a file; None if there is no such file, or something else in it."""
    try:
        entry = json_text.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def keep(path: Path, entry: Entry) -> None:
    """Write an entry, if the folder allows it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(entry, indent=1).encode())
    except OSError as error:
        folder = str(cache_folder())
        if folder not in _said:
            _said.add(folder)
            reason = error.strerror or "no reason given"
            print(
                f"metanas: {folder} cannot be written ({reason}), so every process measures anew; "
                "METANAS_CACHE names another folder",
                file=sys.stderr,
            )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file, where its folder can hold one."""
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()
