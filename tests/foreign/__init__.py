"""Packages of others as an installer leaves them: a module and a dist-info folder on sys.path."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from metanas.base import plugins
from metanas.data.adapter import DOMAINS

DOMAIN = '''
"""A domain of another package."""
import numpy as np
from metanas.data.adapter import DOMAINS, Adapter, Examples

@DOMAINS.register("{name}")
class Dots(Adapter):
    """Grey squares."""
    modality, licence, citation, synthetic, packages, recipe = "image", "CC0", "none", False, (), "v1"

    def locate(self, root):
        return []

    def load(self, root):
        x = np.arange(6 * 20 * 64, dtype=np.int64).reshape(120, 1, 8, 8) % 251
        names = tuple("abcdef")
        return Examples(x.astype(np.uint8), np.repeat(np.arange(6), 20), names, {{"test": names}}, "0" * 64)
'''


def install(folder: Path, package: str, points: str, files: Mapping[str, str]) -> None:
    """Write a package into a folder. points: its entry_points.txt; files: text by path."""
    about = folder / f"{package}-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(points)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@contextmanager
def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The packages in a folder are installed; what they registered is forgotten afterwards."""
    before = set(sys.modules)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(folder))
        plugins.forget()
        yield
    for module in set(sys.modules) - before:
        file = getattr(sys.modules[module], "__file__", None)
        if file is not None and Path(file).is_relative_to(folder):
            del sys.modules[module]
            for name in [name for name, kind in DOMAINS._things.items() if kind.__module__ == module]:
                del DOMAINS._things[name]
    plugins.forget()
