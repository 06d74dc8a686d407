"""The pages "Bring your ..." work as written: their files, Python and commands, in an empty folder."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from metanas.cli.app import app
from metanas.data.adapter import DOMAINS
from metanas.data.examples_check import FORMS
from metanas.data.suite import Budget, DomainOptions, Suite
from tests.foreign.person import Person, environment
from tests.rooms import ROOT

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NAMED = re.compile(r"# (\S+/?\S*\.(?:yaml|toml|py))\n")  # the first line of a block that is a file
PACKAGE = ROOT / "tests/foreign/package"


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Language, path ("" for a block that is no file) and text of each block of a page."""
    for language, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        named = NAMED.match(text)
        yield language, named[1] if named else "", text[named.end() :] if named else text


def follow(page: str, folder: Path, command: Callable[[list[str]], str]) -> list[str]:
    """Do all that a page says in a folder; returns what its commands printed."""
    names: dict[str, object] = {}
    printed = []
    for language, path, text in blocks(page):
        if path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, page, "exec"), names)
        elif language == "sh":
            printed += [command(line.split()) for line in text.splitlines()]
    return printed


def here(words: list[str]) -> str:
    """A command of metanas in this process."""
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, f"{words}: {done.output} {done.exception}"
    return done.output


def test_bring_your_data_and_your_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite is of the domains that the first page makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("METANAS_DOMAINS", "domains")
    try:
        printed = follow("own-data.md", tmp_path, here)
        assert "waves" in DOMAINS
    finally:
        DOMAINS._things.pop("waves", None)  # which the page registers
    assert "questions        built" in printed[0] and "shapes           built" in printed[4]
    assert "questions        whole" in printed[5]
    assert {"questions", "shapes", "fashion", "news", "words"} <= set(DOMAINS)
    assert DOMAINS["news"].licence == "see huggingface.co/datasets/fancyzhx/ag_news"
    assert "Questions to an imaginary bank" in (DOMAINS["questions"].__doc__ or "")
    assert os.environ["METANAS_DOMAINS"].endswith("elsewhere")

    monkeypatch.setenv("METANAS_DOMAINS", "domains")
    new, pinned, checked, ran, again, added, listed = follow("own-suite.md", tmp_path, here)
    assert "metanas suite pin mine-v1.yaml" in new and "shapes           new" in pinned
    assert checked.count("as mine-v1 pins it") == again.count("as mine-v1 pins it") == 2
    assert "chance" in ran and "mine-v1" in added and "mine-v1" in listed


def test_the_page_of_suites_has_all_their_keys() -> None:
    page = (ROOT / "docs/own-suite.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    keys = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert keys == {key for kind in (Suite, DomainOptions, Budget) for key in kind.model_fields} - {"origin"}


def test_the_page_s_table_is_what_is_checked() -> None:
    text = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
    for modality, form in FORMS.items():
        (row,) = re.findall(rf"^\| `{modality}` \| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE)
        assert row[0] == form.axes
        types = {"u": "uint8", "iu": "integers", "f": "floating"}
        assert types[form.kinds] in row[1] and np.dtype(np.uint8).kind in "u"


@pytest.mark.parametrize(
    ("page", "module", "listed"), [("method", "cosine", "field-cosine"), ("backbone", "bag", "field-bag")]
)
def test_bring_your_method_and_your_backbone(page: str, module: str, listed: str, tmp_path: Path) -> None:
    """In an environment of its own; the page's code is that of the foreign package."""
    home = tmp_path / "home"
    home.mkdir()
    person = Person(home, environment(tmp_path / "venv"), METANAS_LEADERBOARD="board.db")
    person.env |= {key: os.environ[key] for key in ("METANAS_CACHE",)}  # langid is built already

    def typed(words: list[str]) -> str:
        if words[0] == "pip":
            person.install(home / words[-1])
            return ""
        return person.says(*words[1:])

    with closing(person):
        printed = follow(f"howto/{page}.md", home, typed)
    assert listed in printed[1] and ("100 %" in printed[-1] or "langid" in printed[-1])
    code = (home / f"fieldwork/fieldwork/{module}.py").read_text(encoding="utf-8")
    assert code == (PACKAGE / f"fieldwork/{module}.py").read_text(encoding="utf-8")
