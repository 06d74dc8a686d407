"""What is in the wheel and in the source distribution, from a build of a copy of this checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.lowest import lowest

ROOT = Path(__file__).parents[1]
WHEEL_MOST = 20_000_000  # bytes
BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]  # setuptools changes it
build_meta.build_sdist(out)
build_meta.build_wheel(out)
"""
RUN = """
import metanas
run = metanas.run("chance", "mini-v1", domains=["digits"], seeds=[0], budget="smoke", out="run")
table = metanas.load_table("table-v1")
print(metanas.__path__[0], run.scores().num_rows - 1, table.by_seed("digits").shape[1])
"""
LICENCES = sorted((ROOT / "leaderboard/static/vendor").glob("*.LICENSE"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built source distribution and wheel."""
    source, out = tmp_path_factory.mktemp("source") / "checkout", tmp_path_factory.mktemp("dist")
    skipped = shutil.ignore_patterns(".*", "docs", "runs", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=skipped)
    parts = ("*.md", "*.py", "_site/*.py", "concepts/*.*", "howto/*.md", "notebooks/*.ipynb")
    for document in chain(*(ROOT.glob(f"docs/{part}") for part in parts)):
        target = source / document.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(document, target)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "SetuptoolsDeprecationWarning" not in done.stderr
    return out


@pytest.fixture(scope="module")
def built(dist: Path) -> tuple[set[str], set[str], str]:
    """The files of the source distribution and of the wheel, and the wheel's metadata."""
    (archive,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    with tarfile.open(archive) as tar:
        sdist = {name.partition("/")[2] for name in tar.getnames()}
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        return sdist, set(file.namelist()), file.read(metadata).decode()


def test_the_source_distribution_can_test_itself(built: tuple[set[str], set[str], str]) -> None:
    sdist, _, _ = built
    wanted = {"Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml", "docs/domains.md"}
    wanted |= {"docs/conf.py", "docs/_site/reference.py", "docs/concepts/episode.svg"}
    wanted |= {"CITATION.cff", "examples/new_method.py", "examples/agent_task/TASK.md"}
    wanted |= {path.name for path in ROOT.glob("requirements*.txt")}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    tests |= {"tests/browser/vendor/axe.min.js", "tests/browser/vendor/axe.LICENSE"}
    assert not (wanted | tests) - sdist
    assert not [name for name in sdist if name.endswith((".pyc", ".db", ".part"))]


def test_scripts_of_others_come_with_their_licences(built: tuple[set[str], set[str], str]) -> None:
    sdist, wheel, metadata = built
    scripts = {
        path.name.removesuffix(".min.js") for path in (ROOT / "leaderboard/static/vendor").glob("*.js")
    }
    assert scripts == {path.stem for path in LICENCES}
    for licence in LICENCES:
        name = licence.relative_to(ROOT).as_posix()
        assert name in sdist and name in wheel
        assert any(other.endswith(f".dist-info/licenses/{name}") for other in wheel)
    fields = Parser().parsestr(metadata)
    assert fields["License-Expression"] == "Apache-2.0 AND BSD-3-Clause AND 0BSD"
    assert "LICENSE" in fields.get_all("License-File", [])


def test_the_wheel_has_the_packages_with_their_data_and_nothing_else(
    built: tuple[set[str], set[str], str], dist: Path
) -> None:
    sdist, wheel, _ = built
    assert any(name.startswith("leaderboard/results/") for name in sdist)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tops = {name.partition("/")[0] for name in wheel}
    assert tops == {"metanas", "tasks", "baselines", "leaderboard", f"metanas-{project['version']}.dist-info"}
    for data in (
        "tasks/suites/core-v1.yaml",
        "tasks/splits/trec_fine_test.txt",
        "tasks/manifests/core-v1.json",
    ):
        assert data in wheel
    assert not any(name.startswith("leaderboard/results/") for name in wheel), "2 MB a method"
    assert sum(path.stat().st_size for path in dist.glob("*.whl")) < WHEEL_MOST
    assert {f"{top}/py.typed" for top in ("metanas", "tasks", "baselines", "leaderboard")} <= wheel


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_what_is_built_runs_outside_the_checkout(kind: str, dist: Path, tmp_path: Path) -> None:
    (package,), target = dist.glob(kind), tmp_path / "installed"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(package)], check=True)
    (tmp_path / "script.py").write_text(RUN)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(target / "metanas"), "1", "200"]


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version and citation["cff-version"] == "1.2.0"


def test_every_dependency_has_a_lowest_version_and_the_pinned_one_is_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert len(lowest(project["dependencies"])) == len(project["dependencies"])
    with pytest.raises(ValueError, match="'torch' has no lower bound"):
        lowest(["torch"])
    pins = {}
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "==" in line and not line.startswith("#"):
                pin = Requirement(line.partition(" --")[0])
                pins[pin.name.lower()] = str(pin.specifier).removeprefix("==")
    for text in (*project["dependencies"], *chain(*project["optional-dependencies"].values())):
        needed = Requirement(text)
        if needed.name.lower() in pins:
            assert needed.specifier.contains(pins[needed.name.lower()]), text
