"""Several data folders, and a folder for each domain."""

import os
from pathlib import Path

import pytest

from metanas.base.errors import DataError, InvalidValue
from metanas.data.datasets import Datasets
from metanas.data.roots import DataRoots, data_root, root_of
from metanas.data.suite import load_suite


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders; only the second has SST-2's files."""
    for part in ("train.csv", "validation.csv", "test.csv"):
        (tmp_path / "b/text/sst2").mkdir(parents=True, exist_ok=True)
        (tmp_path / "b/text/sst2" / part).write_text("sentence,label\n")
    (tmp_path / "a").mkdir()
    return tmp_path / "a", tmp_path / "b"


def test_one_folder_is_a_path_and_none_is_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METANAS_DATA", raising=False)
    assert data_root(None) is None and data_root([]) is None
    assert data_root("data") == data_root(["data"]) == Path("data")
    monkeypatch.setenv("METANAS_DATA", os.pathsep.join(("one", "two")))
    assert data_root(None) == DataRoots((Path("one"), Path("two")))


def test_a_domain_is_taken_from_the_first_folder_that_has_it(two: tuple[Path, Path]) -> None:
    root = data_root(two)
    assert root_of(root, "sst2") == two[1]
    assert root_of(root, "digits") == two[0]  # of a pip package: any folder will do
    with pytest.raises(DataError, match="banking77 is in none of 2 data folders: .*a/text.*b/text"):
        root_of(root, "banking77")


def test_a_file_gives_each_domain_its_folder(tmp_path: Path, two: tuple[Path, Path]) -> None:
    file = tmp_path / "datasets.yaml"
    file.write_text("sst2: b\ndigits: download\nbanking77: bank\n")
    root = data_root([file, two[0]])
    assert root_of(root, "sst2") == two[1] and root_of(root, "digits") is None
    with pytest.raises(InvalidValue, match="the data folder .*/bank does not exist"):
        root_of(root, "banking77")
    (tmp_path / "bank").mkdir()
    assert root_of(root, "banking77") == tmp_path / "bank"
    assert root_of(root, "langid") == two[0]
    assert hash(root) == hash(data_root([file, two[0]]))


@pytest.mark.parametrize("given", [["nowhere"], ["nowhere", "."], [".", "nowhere"]])
def test_a_folder_that_does_not_exist_is_never_right(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match="the data folder nowhere does not exist"):
        root_of(data_root(given), "digits")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must list domains with their folders"),
        ("- a", "must list domains with their folders"),
        ("digits: [1]", "'digits': \\[1\\]; it must be a domain and a folder"),
        ("digit: x", "no domain named 'digit'; did you mean 'digits'"),
        (None, "datasets.yaml cannot be read: No such file"),
    ],
)
def test_a_wrong_file_says_what_is_right(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "datasets.yaml").write_text(text)
    with pytest.raises(InvalidValue, match=words):
        data_root([tmp_path / "datasets.yaml"])


def test_opened_data_takes_its_folders_to_other_processes(tmp_path: Path) -> None:
    suite = load_suite("mini-v1").model_copy(update={"domains": ("digits",)})
    (tmp_path / "datasets.yaml").write_text("langid: download\n")
    root = data_root([tmp_path / "datasets.yaml", tmp_path])
    opened = Datasets.open(suite, root)
    make, arguments = opened.__reduce__()
    assert make(*arguments).root == root
