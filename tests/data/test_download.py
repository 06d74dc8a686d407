"""Downloads against a server that misbehaves."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Remote
from metanas.data.download import fetch
from metanas.data.prepare import prepare
from tests.web import Site, serve

CONTENT = bytes(range(256)) * 4000  # about a megabyte
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WAITS = (0.0, 0.0, 0.0)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site({"/data.bin": CONTENT})) as running:
        yield running


def remote(site: Site, digest: str = f"sha256:{SHA256}", path: str = "data.bin") -> Remote:
    return Remote(f"set/{path}", f"{site.url}/{path}", digest)


def left_over(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock")


def test_a_good_server_is_asked_once_and_never_again(site: Site, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(remote(site), tmp_path).read_bytes() == CONTENT
    assert site.asked == [None]
    assert left_over(tmp_path) == ["data.bin"]


def test_a_cut_connection_is_resumed_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.faults = ["cut", "cut"]
    assert fetch(remote(site), tmp_path, waits=WAITS).read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    assert site.asked == [None, f"bytes={half}-", f"bytes={half + quarter}-"]


def test_a_server_without_ranges_sends_all_of_it_again(site: Site, tmp_path: Path) -> None:
    site.faults, site.ranges = ["cut"], False
    assert fetch(remote(site), tmp_path, waits=WAITS).read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_begun_again(site: Site, tmp_path: Path) -> None:
    site.faults = ["cut"]
    with pytest.raises(DataError, match="in 1 attempts: got 512000 of 1024000 bytes"):
        fetch(remote(site), tmp_path, waits=())
    changed = CONTENT[::-1]
    site.files["/data.bin"] = changed
    digest = f"sha256:{hashlib.sha256(changed).hexdigest()}"
    assert fetch(remote(site, digest), tmp_path, waits=()).read_bytes() == changed


@pytest.mark.parametrize("fault", ["500", "hang up", "truncated", "other"])
def test_one_bad_answer_is_got_over(fault: str, site: Site, tmp_path: Path) -> None:
    site.faults = [fault]
    assert fetch(remote(site), tmp_path, waits=WAITS).read_bytes() == CONTENT
    assert left_over(tmp_path) == ["data.bin"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("500", "the server says 500 Internal Server Error"),
        ("hang up", "Remote end closed connection|Connection reset"),
        ("truncated", f"it is another file: sha256 [0-9a-f]{{64}}, expected {SHA256}"),
        ("other", f"it is another file: sha256 [0-9a-f]{{64}}, expected {SHA256}"),
    ],
)
def test_answers_that_stay_bad_are_named_and_leave_no_file(
    fault: str, message: str, site: Site, tmp_path: Path
) -> None:
    site.faults = [fault] * 4
    with pytest.raises(
        DataError, match=f"could not download {site.url}/data.bin in 4 attempts: .*({message})"
    ):
        fetch(remote(site), tmp_path, waits=WAITS)
    assert not (tmp_path / "set/data.bin").exists()
    assert fetch(remote(site), tmp_path, waits=()).read_bytes() == CONTENT, "later, when the server is well"


def test_a_file_that_is_not_there_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none.bin: the server says 404"):
        fetch(remote(site, path="none.bin"), tmp_path, waits=WAITS)
    assert len(site.asked) == 1


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not download http://127.0.0.1:9/x in 2 attempts: .*refused"):
        fetch(Remote("x", "http://127.0.0.1:9/x"), tmp_path, waits=(0.0,))


def test_an_unknown_digest_is_recorded_and_holds_from_then_on(site: Site, tmp_path: Path) -> None:
    file = fetch(remote(site, ""), tmp_path)
    assert (tmp_path / "set/data.bin.sha256").read_text().strip() == SHA256
    file.unlink()
    site.files["/data.bin"] = CONTENT[::-1]
    with pytest.raises(DataError, match=f"expected {SHA256}"):
        fetch(remote(site, ""), tmp_path, waits=())


def test_an_md5_is_checked_as_well(site: Site, tmp_path: Path) -> None:
    right = hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(DataError, match=f"md5 {right}, expected {'0' * 32}"):
        fetch(remote(site, f"md5:{'0' * 32}"), tmp_path, waits=())
    assert fetch(remote(site, f"md5:{right}"), tmp_path, waits=()).is_file()


def test_two_processes_get_it_once(site: Site, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from metanas.data.adapter import Remote; "
        "from metanas.data.download import fetch; "
        f"print(fetch(Remote('a', '{site.url}/data.bin', 'sha256:{SHA256}'), Path('{tmp_path}')))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [bytes(tmp_path / "a")] * 2
    assert len(site.asked) == 1


def test_a_domain_is_downloaded_and_equals_the_one_from_a_folder(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    files = {
        f"/{name}": (shared / "text/banking77" / name).read_bytes() for name in ("train.csv", "test.csv")
    }
    with serve(Site(files, faults=["cut"])) as bank:
        ours = tuple(
            Remote(remote.path, f"{bank.url}/{Path(remote.path).name}", remote.digest)
            for remote in DOMAINS["banking77"].remotes
        )
        monkeypatch.setattr(DOMAINS["banking77"], "remotes", ours)
        (missing,) = prepare(["banking77"], tmp_path)
        assert "text/banking77/train.csv is missing from the data folder" in missing.problem
        (downloaded,) = prepare(["banking77"], None)
    (from_folder,) = prepare(["banking77"], shared)
    assert downloaded.action == from_folder.action == "built"
    assert downloaded.fingerprint == from_folder.fingerprint
    assert not downloaded.sample


def test_known_digests_are_those_of_the_libraries_that_load_the_same_files() -> None:
    """An independent source: the checksum tables inside torchaudio and scikit-learn."""
    from sklearn.datasets import _twenty_newsgroups
    from torchaudio.datasets import speechcommands

    from tasks.newsgroups import Newsgroups
    from tasks.speech_commands import SpeechCommands

    theirs = {url.rpartition("/")[2]: sha256 for url, sha256 in speechcommands._CHECKSUMS.items()}
    assert SpeechCommands.remotes[0].digest == f"sha256:{theirs['speech_commands_v0.02.tar.gz']}"
    assert Newsgroups.remotes[0].digest == f"sha256:{_twenty_newsgroups.ARCHIVE.checksum}"
    assert Newsgroups.remotes[0].url == _twenty_newsgroups.ARCHIVE.url
