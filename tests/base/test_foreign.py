"""What installed packages add: one that is broken is named in a line, and stops nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metanas.base import plugins
from metanas.base.plugins import PluginError
from metanas.cli.app import app
from metanas.data.adapter import DOMAINS
from tests import foreign

ROOT = Path(__file__).parents[2]
POINTS = """
[metanas.domains]
dots = dots.good:Dots
dots-broken = dots.broken:Dots
dots-renamed = dots.renamed:Dots
dots-nothing = dots.nothing
dots-missing = dots.good:Spots
dots-bare = dots.bare:Bare
dots-exits = dots.exits:Dots
digits = dots.good:Dots
dots-odd = 3 + 4
dots-written = dots
[metanas.methods]
maml = dots.good:Dots
[metanas.networks]
dots-net = dots.broken:Net
[metanas.ops]
dots-op = dots.broken:op
[metanas.searchers]
dots-search = dots.broken:Search
"""
FILES = {
    "dots/__init__.py": "",
    "dots/good.py": foreign.DOMAIN.format(name="dots"),
    "dots/broken.py": "import no_such_library\n",
    "dots/renamed.py": foreign.DOMAIN.format(name="dots-other"),
    "dots/nothing.py": "",
    "dots/dots-written.yaml": "modality: text\nsource: {csv: a.csv}\nsplits: test\n",
    "dots/bare.py": "from metanas.data.adapter import DOMAINS\n"
    '@DOMAINS.register("dots-bare")\nclass Bare:\n    modality = "image"\n',
    "dots/exits.py": "raise SystemExit('no licence')\n",
}
WORDS = {
    "dots-broken": "of dots 0.1 (dots.broken:Dots) cannot be loaded (ModuleNotFoundError: No module",
    "dots-renamed": "of dots 0.1 (dots.renamed:Dots): dots.renamed registers 'dots-other'; the entry",
    "dots-nothing": "of dots 0.1 (dots.nothing): dots.nothing registers no domain; the entry point "
    "must have the name that is registered; nor is there a dots-nothing.yaml beside dots.nothing",
    "dots-missing": "of dots 0.1 (dots.good:Spots) cannot be loaded (AttributeError",
    "dots-bare": "of dots 0.1 (dots.bare:Bare) has no licence, citation, synthetic, packages, recipe",
    "dots-exits": "of dots 0.1 (dots.exits:Dots) cannot be loaded (SystemExit: no licence)",
}


@pytest.fixture
def dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    foreign.install(tmp_path, "dots", POINTS, FILES)
    with foreign.on_path(tmp_path, monkeypatch):
        yield tmp_path


@pytest.mark.parametrize("name", sorted(WORDS))
def test_what_is_wrong_names_package_and_object(dots: Path, name: str) -> None:
    with pytest.raises(PluginError) as raised:
        DOMAINS[name]
    assert WORDS[name] in str(raised.value) and "\n" not in str(raised.value)
    assert DOMAINS["dots"].__module__ == "dots.good"


def test_every_kind_is_listed_whatever_is_broken(dots: Path) -> None:
    for kind, name in (
        ("methods", "maml"),
        ("networks", "dots-net"),
        ("ops", "dots-op"),
        ("searchers", "dots-s"),
    ):
        done = CliRunner().invoke(app, ["list", kind])
        assert done.exit_code == 0 and name in done.output, kind
    done = CliRunner().invoke(app, ["list", "domains"])
    assert done.exit_code == 0 and "dots-broken" in done.output
    assert "declared in dots 0.1" in done.output and DOMAINS["dots-written"].modality == "text"
    assert "'digits' of dots 0.1 (dots.good:Dots) is left out: tasks.digits has that name" in done.output
    assert "'dots-odd' of dots 0.1 is '3 + 4'; it must be module:object" in done.output
    assert (
        "'maml' of dots 0.1 (dots.good:Dots) is left out: baselines.maml"
        in CliRunner().invoke(app, ["list", "methods"]).output
    )


def test_status_and_verify_say_broken_and_go_on(dots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(dots / "cache"))
    done = CliRunner().invoke(app, ["data", "status", "--json"])
    assert done.exit_code == 0 and done.output.count('"broken"') == len(WORDS)
    assert '"name": "digits"' in done.output and "no_such_library" in done.output
    done = CliRunner().invoke(app, ["data", "verify", "dots-broken", "dots"])
    assert done.exit_code == 2 and "dots-broken      broken" in done.output
    assert "dots             missing" in done.output
    done = CliRunner().invoke(app, ["data", "prepare", "dots-broken", "dots"])
    assert done.exit_code == 2 and "dots             built" in done.output


def test_a_line_that_is_no_entry_point_does_not_hide_other_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign.install(tmp_path, "cut", "[metanas.domains]\nhalf a line\n", {})
    foreign.install(tmp_path, "dots", "[metanas.domains]\ndots = dots.good:Dots\n", FILES)
    with foreign.on_path(tmp_path, monkeypatch):
        assert "dots" in DOMAINS
        assert any("entry_points.txt of cut 0.1 cannot be read" in line for line in DOMAINS.problems())


def test_two_packages_with_one_name_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "two"):
        foreign.install(tmp_path, package, f"[metanas.domains]\nsame = {package}:Dots\n", {})
    with foreign.on_path(tmp_path, monkeypatch):
        (line,) = DOMAINS.problems()
        assert {"one 0.1", "two 0.1"} <= {f"{word} 0.1" for word in line.split() if word in ("one", "two")}
        assert "choose another" in line


def test_the_traceback_comes_with_debug(dots: Path) -> None:
    words = [sys.executable, "-m", "metanas", "data", "prepare", "dots-broken"]
    status = [*words[:4], "status"]
    for command, debug in ((status, True), (status, False)):
        done = subprocess.run(
            [*command, *(["--debug"] if debug else [])],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": f"{dots}:{ROOT}",
                "METANAS_CACHE": str(dots / "cache"),
            },
        )
        assert done.returncode == 0, done.stderr
        assert ("Traceback" in done.stderr) == debug
        assert ("dots/broken.py" in done.stderr) == debug


def test_a_packages_file_may_not_be_imported_to_be_found(dots: Path) -> None:
    assert plugins.place("dots.broken") == dots / "dots"
    assert plugins.place("no_such_package.inner") is None
    assert "dots.broken" not in sys.modules
