"""Suites of one's own: a YAML file with its manifest beside it, or one that an installed package has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from metanas.base.errors import DataError, InvalidValue, MetanasError
from metanas.base.registry import UnknownName
from metanas.cli.app import app
from metanas.data import manifest, pinning
from metanas.data.datasets import Datasets
from metanas.data.episode_page import write as write_page
from metanas.data.suite import Suite, folder, load_suite, names, problems
from metanas.engine import config as configs
from tests import foreign

POINTS = """
[metanas.domains]
dots = dots.data:Dots
[metanas.suites]
dots-v1 = dots
mini-v1 = dots
lost-v1 = dots
wrong-v1 = dots
"""
TEXT = """name: dots-v1
version: "1.0"
summary: Squares.
domains: [dots]
ways: 5
shots: [1, 2]
queries: 3
train_queries: 3
episodes: 10
seeds: [0, 1]
budgets:
  smoke: {iterations: 1, tasks: 1, eval_episodes: 5}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an installed package with a domain and suites."""
    files = {
        "dots/__init__.py": "",
        "dots/data.py": foreign.DOMAIN.format(name="dots"),
        "dots/dots-v1.yaml": TEXT,
        "dots/mini-v1.yaml": TEXT,
        "dots/wrong-v1.yaml": "name: [",
    }
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    foreign.install(tmp_path, "dots", POINTS, files)
    with foreign.on_path(tmp_path, monkeypatch):
        yield tmp_path / "dots"


@pytest.fixture
def own(installed: Path, tmp_path: Path) -> Path:
    """A suite's file of one's own, not pinned."""
    file = tmp_path / "here" / "own-v1.yaml"
    file.parent.mkdir()
    file.write_text(TEXT.replace("dots-v1", "own-v1"))
    return file


def suite(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["suite", *words])
    return done.exit_code, done.output


def test_an_installed_suite_is_pinned_listed_and_opened_by_name(installed: Path) -> None:
    assert "dots-v1" in names()
    with pytest.raises(DataError, match=r"dots \(full\) is not pinned in dots-v1.*metanas suite"):
        Datasets.open(load_suite("dots-v1"))
    assert suite("pin", "dots-v1")[0] == 0
    assert (installed / "dots-v1.manifest.json").is_file()
    opened = Datasets.open(load_suite("dots-v1"))
    assert opened.suite.origin is None and opened.suite.label == "dots-v1"
    assert manifest.pins("dots", sample=False).keys() == {"dots-v1"}
    assert "dots" in manifest.page(["dots-v1"])
    listed = CliRunner().invoke(app, ["list", "suites"])
    assert listed.exit_code == 0 and "Squares." in listed.output


def test_broken_suites_of_a_package_are_named_and_stop_nothing(installed: Path, tmp_path: Path) -> None:
    found = {line.split("'")[1]: line for line in problems()}
    assert found.keys() == {"mini-v1", "lost-v1", "wrong-v1"}
    assert "there is a built-in suite of that name" in found["mini-v1"]
    assert "there is no lost-v1.yaml beside the module dots" in found["lost-v1"]
    assert "of dots 0.1 (dots)" in found["wrong-v1"] and "wrong-v1.yaml" in found["wrong-v1"]
    assert load_suite("mini-v1").domains == ("digits", "langid", "spoken-words")
    (installed / "dots-v1.manifest.json").write_text("[")
    assert CliRunner().invoke(app, ["data", "status"]).exit_code == 0
    assert CliRunner().invoke(app, ["list", "suites"]).exit_code == 0
    write_page("digits", tmp_path / "p.html", suite="", split="test", episode=0, shots=1, root=None)


def test_a_file_is_a_suite_with_its_manifest(own: Path, tmp_path: Path) -> None:
    code, output = suite("check", str(own))
    said = " ".join(output.replace("│", " ").split())  # without the box, which breaks lines
    assert code == 2 and "dots unpinned" in said and "cannot be run as it is: dots" in said
    assert suite("pin", str(own))[0] == 0
    code, output = suite("check", str(own))
    assert code == 0 and "as own-v1 pins it" in output
    loaded = load_suite(own)
    data = Datasets.open(loaded)
    make, arguments = data.__reduce__()
    assert make(*arguments).suite == loaded  # a worker process has the manifest, too
    own.with_suffix(".manifest.json").unlink()
    config = configs.resolve("chance", loaded, budget="smoke")
    configs.write(config, tmp_path / "config.yaml")
    Datasets.open(configs.read(tmp_path / "config.yaml").suite)  # and so has a run
    with pytest.raises(DataError, match="is not pinned in own-v1"):
        Datasets.open(load_suite(own))


def test_data_other_than_it_was_pinned_on_is_refused_and_pins_stay(own: Path) -> None:
    assert [p.state for p in pinning.pin(own, None)] == ["new"]
    assert [p.state for p in pinning.pin(own, None)] == ["same"]
    before = own.with_suffix(".manifest.json").read_bytes()
    own.write_text(own.read_text().replace("queries: 3", "queries: 4"))
    with pytest.raises(InvalidValue, match="raise `version` in the file and give --replace"):
        list(pinning.pin(own, None))
    assert own.with_suffix(".manifest.json").read_bytes() == before
    with pytest.raises(InvalidValue, match=r"dots: .* not what own-v1 1.0 was pinned on.* raise `version`"):
        list(pinning.pin(own, None, replace=True))
    assert own.with_suffix(".manifest.json").read_bytes() == before
    own.write_text(own.read_text().replace('"1.0"', '"0.9"'))
    with pytest.raises(InvalidValue, match=r"not what own-v1 1.0 was pinned on"):
        list(pinning.pin(own, None, replace=True))
    own.write_text(own.read_text().replace('"0.9"', '"1.1"'))
    assert [p.state for p in pinning.pin(own, None, replace=True)] == ["changed"]
    pins = own.with_suffix(".manifest.json").read_text()
    own.with_suffix(".manifest.json").write_text(pins.replace('"fingerprint": "', '"fingerprint": "0'))
    (checked,) = pinning.check(own, None)
    assert checked.state == "wrong" and "own-v1 was pinned on" in checked.detail


def test_a_manifest_without_versions_is_replaced_and_gets_them(own: Path) -> None:
    list(pinning.pin(own, None))
    file = own.with_suffix(".manifest.json")
    pins = json.loads(file.read_text())
    assert pins["dots"]["full"].pop("version") == "1.0"
    file.write_text(json.dumps(pins))
    own.write_text(own.read_text().replace("queries: 3", "queries: 4"))
    assert [p.state for p in pinning.pin(own, None, replace=True)] == ["changed"]
    assert json.loads(file.read_text())["dots"]["full"]["version"] == "1.0"


def test_a_domain_that_is_added_needs_no_new_version(own: Path) -> None:
    list(pinning.pin(own, None))
    own.write_text(own.read_text().replace("[dots]", "[dots, langid]"))
    assert [p.state for p in pinning.pin(own, None)] == ["same", "new"]


def test_a_file_with_a_built_in_suite_s_name_is_not_pinned(own: Path) -> None:
    own.write_text(own.read_text().replace("own-v1", "mini-v1"))
    for ask in (pinning.pin, pinning.check):
        with pytest.raises(InvalidValue, match="there is a suite named 'mini-v1' already; give .* another"):
            list(ask(own, None))
    assert not own.with_suffix(".manifest.json").exists()


def test_a_suite_beside_is_named_by_its_path(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own.parent)
    with pytest.raises(UnknownName, match=r"no suite named 'own-v1'; .* .the file ./own-v1.yaml is given"):
        load_suite("own-v1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("querys: 15", "querys: there is no such key; did you mean 'queries'?"),
        ("group_disjoint: true", "group_disjoint: there is no such key; it is one of options"),
        ("shots: 1", "shots: it is 1; it must be a list, as \\[1\\]"),
        ("queries: many", "queries: Input should be a valid integer, .*, got 'many'"),
        ("queries: 0", "queries: must be at least 1, .*, got 0"),
        ("version: 1.0", "version: it is 1.0, a number; it must be text, so quote it: '1.0'"),
        ("options: {dots: {way: 3}}", "options.dots.way: there is no such key; did you mean 'ways'?"),
        ("options: {dots: 3}", "options.dots: it is 3; it must be keys with values"),
        ("options: {dots: {augment: [flop]}}", r"options.dots.augment.0: it is 'flop'; did you mean 'flip'"),
        ("options: {dts: {ways: 3}}", "options.dts: the suite has no such domain; did you mean 'dots'"),
        (
            "budgets: {smoke: {iteration: 1}}",
            "budgets.smoke.iteration: .* no such key; did you mean 'iterations'",
        ),
        ("domains: [dots, dots]", "domains: 'dots' stands 2 times, each may stand once$"),
        ("", "it is empty$"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(own: Path, change: str, words: str) -> None:
    fields = yaml.safe_load(TEXT.replace("dots-v1", "own-v1")) | (yaml.safe_load(change) or {})
    if "querys" in fields:
        del fields["queries"]
    own.write_text(yaml.safe_dump(fields) if change else "# nothing")
    with pytest.raises(InvalidValue, match=rf"own-v1.yaml does not describe a suite: {words}") as caught:
        load_suite(own)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({}, "own-v1"),
        ({"shots": (1,), "seeds": (9,)}, "own-v1"),
        ({"ways": 4}, "own-v1 (changed)"),
        ({"train_queries": 1}, "own-v1 (changed)"),
        ({"version": "2"}, "own-v1 (changed)"),
    ],
)
def test_a_changed_suite_of_ones_own_is_not_called_by_its_name(
    own: Path, change: dict[str, object], label: str
) -> None:
    assert load_suite(own).model_copy(update=change).label == label


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("domains: [dot]", "no domain named 'dot'; did you mean 'dots'"),
        ("ways: 7", "6 classes, too few for 7 ways"),
        ("queries: 30", "too few for 1 shots + 30 queries"),
        ("name: My Suite", "a suite's name has lower-case letters"),
        ("options: {digits: {ways: 2}}", "options.digits: the suite has no such domain"),
    ],
)
def test_check_says_what_is_wrong(own: Path, change: str, words: str) -> None:
    key = change.partition(":")[0]
    lines = [line for line in own.read_text().splitlines() if not line.startswith(f"{key}:")]
    own.write_text("\n".join([*lines, change]))
    code, output = suite("check", str(own))
    if code == 0:
        pytest.fail(output)
    try:
        detail = " ".join(p.detail for p in pinning.check(own, None))
    except MetanasError as error:
        detail = str(error)
    assert words in detail


def test_new_writes_a_suite_that_fits_its_data(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "made-v1.yaml"
    code, output = suite("new", "made-v1", "--domains", "dots", "--ways", "8", "--out", str(file))
    assert code == 0 and f"metanas suite pin {file}" in output
    made = load_suite(file)
    assert (made.ways, made.ways_of("dots"), made.shots) == (8, 6, (1, 5))
    assert [p.state for p in pinning.pin(file, None)] == ["new"]
    assert list(pinning.check(file, None))[0].is_good
    for words, problem in (
        (["made-v1", "--domains", "dots", "--out", str(file)], InvalidValue),
        (["mini-v1", "--domains", "dots"], InvalidValue),
        (["other-v1", "--domains", "dotz"], UnknownName),
    ):
        assert isinstance(CliRunner().invoke(app, ["suite", "new", *words]).exception, problem)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CSV of the domain "words": 12 classes of 25 texts; class 3 of train, 5 of val, 9 of test."""
    (tmp_path / "yaml").mkdir()
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("METANAS_DOMAINS", str(tmp_path / "yaml"))
    file = tmp_path / "yaml/words.csv"
    file.write_text("text,label\n" + "".join(f"{c} {i},class {c}\n" for c in range(12) for i in range(25)))
    lists = {"train": range(5), "val": range(5, 7), "test": range(7, 12)}
    splits = {split: [f"class {c}" for c in classes] for split, classes in lists.items()}
    fields = {"modality": "text", "source": {"csv": "words.csv"}, "splits": splits}
    (tmp_path / "yaml/words.yaml").write_text(yaml.safe_dump(fields))
    return file


def shorten(table: Path, number: int, left: int) -> None:
    """Leave so many examples of a class."""
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not _beyond(line, number, left)))


def _beyond(line: str, number: int, left: int) -> bool:
    text, _, label = line.partition(",")
    return label == f"class {number}" and int(text.split()[1]) >= left


def test_new_looks_at_every_class_of_every_split(table: Path, tmp_path: Path) -> None:
    for number, left, found in ((3, 8, (3, 15)), (6, 12, (3, 7)), (9, 9, (3, 4))):
        shorten(table, number, left)
        out = tmp_path / f"own-{number}.yaml"
        pinning.new(f"own-{number}", ["words"], out, ways=5, shots=[1, 5], root=None)
        made = load_suite(out)
        assert (made.train_queries, made.shapes("words")[0].queries) == found
        assert [p.state for p in pinning.pin(out, None)] == ["new"]
    shorten(table, 3, 5)
    with pytest.raises(
        InvalidValue, match="words: class 'class 3' of train has 5 examples, .* fewer --shots"
    ):
        pinning.new("own-v2", ["words"], tmp_path / "b.yaml", ways=5, shots=[1, 5], root=None)
    with pytest.raises(InvalidValue, match="words/train has a class with 5 examples .'class 3'., too few"):
        list(pinning.pin(out, None))
    with pytest.raises(
        InvalidValue, match="own-v2 cannot be a suite: shots.0: must be at least 1, .*, got 0"
    ):
        pinning.new("own-v2", ["words"], tmp_path / "b.yaml", ways=5, shots=[0], root=None)


def test_changed_data_of_your_own_names_its_files(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "own-v1.yaml"
    pinning.new("own-v1", ["words"], out, ways=5, shots=[1], root=None)
    list(pinning.pin(out, None))
    shorten(table, 3, 20)
    (checked,) = pinning.check(out, None)
    assert "words.yaml or words.csv has changed: put it back, or raise version in" in checked.detail


def test_stored_suites_keep_their_form() -> None:
    for name in ("mini-v1", "core-v1", "planted-v1"):
        loaded = load_suite(name)
        assert "origin" not in loaded.model_dump() and "origin" not in loaded.model_dump_json()
        assert Suite.model_validate_json(loaded.model_dump_json()) == loaded
        assert (folder() / f"{name}.yaml").is_file()
