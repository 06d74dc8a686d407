"""Kills builds of a store at random moments; run by test_store.py in a process of its own, which forks.

Prints how many kills came while files were being written, and how many after the store was whole.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.store import folder_of, open_store


@DOMAINS.register("toy")
class Toy(Adapter):
    """A domain that takes longer to write than to make."""

    modality = "image"
    licence = citation = "none"
    synthetic = True
    packages = ()
    recipe = "v1"

    def locate(self, root: Path | None) -> Sequence[Path]:
        return ()

    def load(self, root: Path | None) -> Examples:
        return Examples(
            x=np.random.default_rng(0).integers(0, 256, (4000, 1, 28, 28), np.uint8),
            labels=np.arange(4000) % 10,
            classes=tuple("0123456789"),
            splits={"train": tuple("01234"), "test": tuple("56789")},
            source="0" * 64,
        )


def main(kills: int) -> None:
    began = time.monotonic()
    whole = open_store("toy").fingerprint
    longest, folder = time.monotonic() - began, folder_of("toy", None)
    part, moments = folder.with_name(f".{folder.name}.part"), random.Random(0)
    during = after = 0
    for _ in range(kills):
        shutil.rmtree(folder, ignore_errors=True)
        child = os.fork()
        if child == 0:
            open_store("toy")
            os._exit(0)
        time.sleep(moments.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        during += part.is_dir()
        longest *= 0.8 if folder.is_dir() else 1.25  # so that about every second kill is late
        if folder.is_dir():
            after += 1
            assert open_store("toy").fingerprint == whole  # which checks every file's SHA-256
    assert open_store("toy").fingerprint == whole
    print(json.dumps({"during": during, "after": after}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
