"""docs/own-data.md works as written: its Python, YAML and commands, in order, in an empty folder."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metanas.cli.app import app
from metanas.data.adapter import DOMAINS
from tests.rooms import ROOT

BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def test_every_block_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("METANAS_DOMAINS", "domains")
    names: dict[str, object] = {}
    printed = []
    for language, text in BLOCK.findall((ROOT / "docs/own-data.md").read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(text, "own-data.md", "exec"), names)
        elif language == "yaml":
            path = Path(text.partition("\n")[0].removeprefix("# "))
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            for line in text.splitlines():
                done = CliRunner().invoke(app, line.split()[1:])
                assert done.exit_code == 0, f"{line}: {done.output}"
                printed.append(done.output)
    assert "questions        built" in printed[0] and "shapes           built" in printed[3]
    assert "questions        whole" in printed[4]
    assert {"questions", "shapes", "fashion", "news", "words"} <= set(DOMAINS)
    assert DOMAINS["news"].licence == "see huggingface.co/datasets/fancyzhx/ag_news"
    assert "Questions to an imaginary bank" in (DOMAINS["questions"].__doc__ or "")
    assert os.environ["METANAS_DOMAINS"].endswith("elsewhere")
