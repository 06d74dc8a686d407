"""Every extra in turn is taken away: what needs it says so in one line, and all else works."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from metanas.base import extras

ROOT = Path(__file__).parents[2]
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
import warnings; warnings.simplefilter("ignore")
from metanas.cli.app import main
main()
"""
MODULES = {  # what each extra installs, as it is imported
    "speech": ("espeakng_loader",),
    "wandb": ("wandb",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "leaderboard": ("fastapi", "uvicorn", "httptools", "httpx", "cryptography", "psycopg"),
    "ray": ("ray",),
    "l2l": ("learn2learn",),
}
RUN = "run --suite mini-v1 --domains langid --budget smoke --seeds 0 --jobs 1 --db board.db"


def metanas(words: str, extra: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    code = BLOCKED.format(names=MODULES[extra])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "METANAS_TOKEN": "mnas_x"}
    words_ = [sys.executable, "-c", code, *words.split()]
    return subprocess.run(words_, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_every_extra_is_known_here_and_its_packages_are_its_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(MODULES) == set(project["optional-dependencies"]) - {"dev", "all"}
    for extra, modules in MODULES.items():
        assert {extras.extra_of(module) for module in modules} == {extra}
        assert extras.extra_of(f"{modules[0]}.inner") == extra
    assert extras.extra_of("numpy") is None and extras.extra_of("") is None


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("leaderboard", "submit BUNDLE"),
        ("leaderboard", "status x"),
        ("leaderboard", "challenge status x"),
        ("leaderboard", "leaderboard serve --port 0 --db board.db"),
        ("leaderboard", "leaderboard verify-receipt BUNDLE/submission.json"),
        ("leaderboard", "leaderboard show --db postgresql://a@/b?host=/nowhere"),
        ("speech", "data prepare spoken-words"),
        ("wandb", f"{RUN} --method chance --set tracking=wandb"),
        (
            "ray",
            "grid --methods chance --domains langid --seeds 0 --budget smoke --executor ray --db b.db",
        ),
        ("l2l", f"{RUN} --method l2l-maml"),
    ],
)
def test_a_command_without_its_extra_names_it_in_one_line(
    extra: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extra == "speech":
        monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    bundle = ROOT / "leaderboard/results/mini-v1/scratch/f2b7dbc76e5c"
    done = metanas(words.replace("BUNDLE", str(bundle)), extra, tmp_path)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'metanas[{extra}]'" in done.stdout + done.stderr
    ours = [line for line in done.stderr.splitlines() if line.startswith("metanas: ")]
    assert "Traceback" not in done.stderr and len(ours) == 1, done.stderr


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
