"""The documentation: the site builds without a warning and asks no other host; every command in it exists."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from metanas.cli.app import app
from metanas.method import METHODS
from tests.rooms import ROOT

PAGES = sorted(
    path
    for pattern in ("*.md", "concepts/*.md", "howto/*.md")
    for path in (ROOT / "docs").glob(pattern)
    if path.stem not in ("changelog", "contributing", "security")
)
PAGES += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
COMMANDS: Any = get_command(app)
FETCHED = {"src", "srcset", "data", "poster", "background"}  # attributes whose address a browser asks for
RELATIONS = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
FOREIGN = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])([^'\")\s]+)", re.IGNORECASE)


class Requests(HTMLParser):
    """The addresses that a browser fetches by itself when it shows a page; links to click are none."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.addresses += [value for name, value in values.items() if name in FETCHED and tag != "a"]
        if tag == "link" and RELATIONS & set(values.get("rel", "").split()):
            self.addresses.append(values.get("href", ""))
        self.addresses += IN_STYLES.findall(values.get("style", ""))


def requests(page: str) -> list[str]:
    """What showing the page asks other hosts for."""
    parser = Requests()
    parser.feed(page)
    styles = re.findall(r"<style[^>]*>(.*?)</style>", page, flags=re.S)
    found = parser.addresses + [address for style in styles for address in IN_STYLES.findall(style)]
    return [address for address in found if FOREIGN.match(address)]


def built(folder: Path) -> Path:
    """The site, built into `folder`. Pages of the Reference are written into docs/, so one test builds it."""
    for module in ("sphinx", "myst_parser", "pydata_sphinx_theme"):
        if find_spec(module) is None:
            pytest.skip(f"the documentation was not built: no package {module}; pip install 'metanas[docs]'")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-b", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_builds_without_warnings_and_asks_no_other_host(tmp_path: Path) -> None:
    site = built(tmp_path / "site")
    for page in ("start", "concepts/episode", "howto/gpu", "comparison", "leaderboard", "contributing"):
        assert (site / f"{page}.html").stat().st_size > 1000
    reference = site / "reference/generated"
    settings = (reference / "settings.html").read_text(encoding="utf-8")
    ours = [entry.name for entry in METHODS.entries() if entry.module.startswith("baselines.")]
    assert len(ours) > 30 and all(f'id="{name}"' in settings for name in ours)
    assert "--budget" in (reference / "cli.html").read_text(encoding="utf-8")
    assert "The method as it was meta-trained with this seed" in (reference / "api.html").read_text()
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    asked = {page.name: found for page in pages if (found := requests(page.read_text(encoding="utf-8")))}
    assert asked == {}
    for style in site.rglob("*.css"):
        foreign = [a for a in IN_STYLES.findall(style.read_text(encoding="utf-8")) if FOREIGN.match(a)]
        assert foreign == [], style


def test_a_request_to_another_host_would_be_seen() -> None:
    page = """<a href="https://a.org">click</a> <link rel="canonical" href="https://a.org">
    <link rel="stylesheet" href="//b.org/x.css"> <script src="https://c.org/x.js"></script>
    <style>@import "https://d.org/f.css"; p { background: url(/own.png) }</style><img src="own.png">"""
    assert requests(page) == ["//b.org/x.css", "https://c.org/x.js", "https://d.org/f.css"]


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of every `metanas` command in the code blocks of a page; notations are skipped."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", text, flags=re.M)
    blocks += re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, flags=re.M | re.S)
    for line in re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines():
        if found := re.search(r"(?:^|-m |&& )\s*(metanas .*)$", line.strip()):
            words = shlex.split(found[1].rstrip("&"), comments=True)
            if not any("|" in word or word == "..." for word in words):
                yield words[1:]


def fault(words: list[str]) -> str:
    """What is wrong with a command: "" if it exists and has these options."""
    command = COMMANDS
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"there is no command {' '.join(words[: len(words) - len(rest) + 1])}"
        command = command.commands[rest.pop(0)]
    known = {o for param in command.params for o in (*param.opts, *param.secondary_opts)}
    wrong = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{' '.join(words)} has no option {wrong[0]}" if wrong else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_documentation_exists(page: Path) -> None:
    faults = [found for words in commands_in(page.read_text(encoding="utf-8")) if (found := fault(words))]
    assert faults == []


def test_commands_are_found_and_wrong_ones_named() -> None:
    start = list(commands_in((ROOT / "docs/start.md").read_text(encoding="utf-8")))
    assert ["list", "methods"] in start and len(start) >= 8
    assert fault(["run", "--method", "maml"]) == ""
    assert "no command leaderboard sirve" in fault(["leaderboard", "sirve"])
    assert "no option --metod" in fault(["run", "--metod", "maml"])


@pytest.mark.parametrize("page", ["start", "concepts/episode"])
def test_the_blocks_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / f"docs/{page}.md").read_text(), flags=re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {"__name__": "docs"})


def test_every_drawing_is_used_and_safe() -> None:
    for drawing in (ROOT / "docs/concepts").glob("*.svg"):
        assert f"]({drawing.name})" in drawing.with_suffix(".md").read_text(encoding="utf-8")
        text = drawing.read_text(encoding="utf-8")
        assert "<title>" in text and "<script" not in text and "href" not in text


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_docs_is_what_the_test_builds() -> None:
    done = subprocess.run(["make", "-n", "docs"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "sphinx --fail-on-warning --keep-going --quiet -b html docs runs/docs" in done.stdout
