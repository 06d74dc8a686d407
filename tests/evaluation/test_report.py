"""What a reader finds in a report and a comparison."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from metanas.evaluation import report, tables
from metanas.evaluation.compare import compare
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.result import ResultError
from tests import runs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    for name, skill in (("good", 0.8), ("bad", 0.4), ("middle", 0.6)):
        runs.make(tmp_path / name, name, skill)
    return [tmp_path / name for name in ("good", "bad", "middle")]


def test_the_page_holds_everything_and_asks_no_host(folders: list[Path], tmp_path: Path) -> None:
    page = report.build(folders, tmp_path / "out" / "report.html").read_text()
    for words in (
        "good - bad",
        "how computed",
        "spoken-words 5w1s (synthetic)",
        "Some of the data is synthetic",
    ):
        assert words in page
    assert "default-src 'none'" in page
    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(?:img|link|iframe|base)\b|url\(http|@import", outside)
    assert not re.search(
        r"<script[^>]*\ssrc\b", re.sub(r"(?<=<script>).*?(?=</script>)", "", page, flags=re.DOTALL)
    )
    specs = re.findall(r'<script type="application/json" class="spec">(.*?)</script>', page)
    assert specs and all(json.loads(spec)["data"]["values"] for spec in specs)
    assert page.count("<svg") >= len(specs), "every picture can be read without a script"
    twins = tmp_path / "out" / "report-pictures"
    assert {path.suffix for path in twins.iterdir()} == {".svg", ".png"}


def test_a_page_made_twice_has_the_same_bytes(folders: list[Path], tmp_path: Path) -> None:
    pages = [
        report.build(folders, tmp_path / name, twins=False).read_bytes() for name in ("a.html", "b.html")
    ]
    assert pages[0] == pages[1]


def test_names_of_methods_cannot_become_markup(tmp_path: Path) -> None:
    runs.make(tmp_path / "x", "</script><b>x", 0.5)
    page = report.build([tmp_path / "x"], tmp_path / "report.html", twins=False).read_text()
    assert "</script><b>" not in page


def test_every_table_reads_in_markdown_and_latex(folders: list[Path]) -> None:
    found = load_runs(folders)
    comparison = compare({name: run.scores.view() for name, run in found.items()})
    for table in tables.tables(found, comparison):
        lines = tables.markdown(table).splitlines()
        assert {line.count("|") for line in lines if line.startswith("|")} == {len(table.columns) + 1}
        body = tables.tex(table).partition(r"\midrule")[2].partition(r"\bottomrule")[0]
        assert all(row.count(" & ") == len(table.columns) - 1 for row in body.strip().splitlines())


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_every_cell_whole(folders: list[Path], width: int) -> None:
    found = load_runs(folders)
    comparison = compare({name: run.scores.view() for name, run in found.items()})
    for table in tables.tables(found, comparison):
        console = Console(width=width, file=io.StringIO(), record=True)
        console.print(*tables.terminal(table, width), sep="\n")
        text = console.export_text()
        assert max(map(len, text.splitlines())) <= width
        assert all(cell in text for row in table.rows for cell in row)


def test_compare_prints_json_without_torch(folders: list[Path]) -> None:
    code = "import sys; from metanas.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
    words = ["compare", *map(str, folders), "--json"]
    check = code + "print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check, *words], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.strip() == "False", done.stderr
    made = json.loads(done.stdout)
    assert [method["name"] for method in made["methods"]] == ["good", "middle", "bad"]
    assert len(made["pairs"]) == 3


def test_charts_and_tables_show_equal_numbers(tmp_path: Path) -> None:
    """Few episodes of a weak method: raw intervals reach beyond 0 and 100."""
    for name, skill in (("good", 0.97), ("bad", 0.05)):
        runs.make(tmp_path / name, name, skill, seeds=2, episodes=2)
    loaded = load_runs([tmp_path / "good", tmp_path / "bad"])
    comparison = compare({name: run.scores.view() for name, run in loaded.items()})
    raw = [i for by_task in comparison.tasks.values() for i in by_task.values()]
    assert min(i.low for i in raw) < 0 and max(i.high for i in raw) > 1
    page = report.build(
        [tmp_path / "good", tmp_path / "bad"], tmp_path / "report.html", twins=False
    ).read_text()
    specs = re.findall(r'<script type="application/json" class="spec">(.*?)</script>', page)
    rows = [row for spec in specs for row in json.loads(spec)["data"]["values"] if "task" in row]
    scored = tables.scores(loaded, comparison)
    drawn = {f"{row['accuracy']:.1f} [{row['low']:.1f}, {row['high']:.1f}]" for row in rows}
    assert drawn and drawn <= {cell for line in scored.rows for cell in line}


def test_runs_on_other_episodes_are_not_compared(folders: list[Path], tmp_path: Path) -> None:
    runs.make(tmp_path / "other", "other", 0.5, sample=True)
    with pytest.raises(
        ResultError, match="digits/5w1s: not the test episodes of good: sample is True, expected False"
    ):
        load_runs([folders[0], tmp_path / "other"])


def test_an_unreadable_run_ends_with_code_3_and_the_field(folders: list[Path]) -> None:
    document = json.loads((folders[0] / "submission.json").read_text())
    (folders[0] / "submission.json").write_text(json.dumps(document | {"schema_version": 7}))
    words = [sys.executable, "-m", "metanas", "compare", str(folders[0])]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 3
    assert "schema_version: 7 is newer than this metanas, which reads 1 to 2" in done.stderr
