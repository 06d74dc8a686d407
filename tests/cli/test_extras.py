"""Every extra in turn is taken away: what needs it says so in one line, before it has computed anything."""

import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from baselines import l2l_maml
from metanas.base import extras
from metanas.base.plugins import PluginError
from metanas.cli import app
from tasks.modality import espeak

ROOT = Path(__file__).parents[2]
MODULES = {  # what each extra installs, as it is imported
    "speech": ("espeakng_loader",),
    "wandb": ("wandb",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "leaderboard": ("fastapi", "uvicorn", "httptools", "httpx", "cryptography", "psycopg"),
    "ray": ("ray",),
    "l2l": ("learn2learn",),
    "data": ("torchvision", "datasets"),
}
OURS = ("leaderboard.client", "leaderboard.accounts.receipts", "leaderboard.challenge", "leaderboard.server")
BUNDLE = next((ROOT / "leaderboard/results/mini-v1/chance").iterdir())
SMALL = "--domains langid --seeds 0 --budget smoke --jobs 1 --db board.db"


class Blocked:
    """An import hook for which packages are not installed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the extra's packages and our modules that import them, and block them."""
    for name in list(sys.modules):
        if name.partition(".")[0] in MODULES[extra] or name.startswith(OURS):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocked(MODULES[extra]), *sys.meta_path])
    monkeypatch.setattr(espeak, "_library", cache(espeak._library.__wrapped__))


def test_every_extra_is_known_here_and_its_packages_are_its_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(MODULES) == set(project["optional-dependencies"]) - {"dev", "docs", "all"}
    for extra, modules in MODULES.items():
        assert {extras.extra_of(module) for module in modules} == {extra}
        assert extras.extra_of(f"{modules[0]}.inner") == extra
    assert extras.extra_of("numpy") is None and extras.extra_of("") is None


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("leaderboard", f"submit {BUNDLE} --token mnas_x"),
        ("leaderboard", "status x"),
        ("leaderboard", "challenge status x"),
        ("leaderboard", "leaderboard serve --port 0 --db board.db"),
        ("leaderboard", f"leaderboard verify-receipt {BUNDLE}/submission.json --key 00"),
        ("leaderboard", "leaderboard show --db postgresql://a@/b?host=/nowhere"),
        ("speech", "data prepare spoken-words"),
        ("wandb", f"run --method chance {SMALL} --set tracking=wandb"),
        ("ray", f"grid --methods chance {SMALL} --executor ray"),
    ],
)
def test_a_command_without_its_extra_names_it_in_one_line(
    extra: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if extra == "speech":
        monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    without(extra, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["metanas", *words.split()])
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capsys.readouterr()
    assert ended.value.code == 2, printed.err
    assert f"pip install 'metanas[{extra}]'" in printed.out + printed.err
    assert len([line for line in printed.err.splitlines() if line.startswith("metanas: ")]) == 1, printed.err
    assert not list(tmp_path.rglob("*.safetensors")), "nothing was trained first"


def test_a_method_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker process builds it, before it trains."""
    without("l2l", monkeypatch)
    with pytest.raises(PluginError, match=r"learn2learn is not installed .* pip install 'metanas\[l2l\]'"):
        l2l_maml._learn2learn()


def test_an_export_without_its_extra_stops_before_it_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metanas.models.export import export

    for module in MODULES["onnx"]:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(ModuleNotFoundError) as raised:
                export(None, None, tmp_path / "a.onnx", "onnx")  # type: ignore[arg-type]
        assert extras.missing(raised.value) == f"this needs the package {module}: pip install 'metanas[onnx]'"
