"""Near copies and lookalikes: found by the answers whatever was changed a little, and by the eye."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from leaderboard.bundle import entry
from leaderboard.bundle.lookalikes import mixed_scripts, skeleton
from leaderboard.bundle.names import Members
from leaderboard.bundle.pack import to_zip
from leaderboard.bundle.problem import BundleError
from leaderboard.repository.results import FOLDER
from leaderboard.scoring.copies import agreement
from leaderboard.store.models import Score
from metanas.evaluation import result
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


def altered(files: Members, folder: Path, share: float, method: str) -> Members:
    """The same predictions under another name, its seeds in turn, with some answers changed."""
    table = result.parse_table("x", files[result.PREDICTIONS], result.SCHEMA)
    random, rows = np.random.default_rng(1), len(table)
    changed = random.random(rows) < share
    chances = np.array(table["probabilities"].to_pylist(), np.float16)
    chances[changed] = np.roll(chances[changed], 1, axis=1)
    tasks, seeds = np.array(table["task"].to_pylist()), (table["seed"].to_numpy() + 1) % 3
    parts = []
    for name in dict.fromkeys(tasks):
        for seed in range(3):
            chosen = chances[(tasks == name) & (seeds == seed)]
            parts.append(result.table(str(name), seed, 0, chosen.reshape(30, 75, 5)))
    folder.mkdir()
    result.write_table(folder / "p.parquet", pa.concat_tables(parts))
    document = {**json.loads(files[result.SUBMISSION]), "method": method}
    return bundles.resealed(
        {**files, result.SUBMISSION: json.dumps(document).encode()},
        predictions_parquet=(folder / "p.parquet").read_bytes(),
    )


def test_a_copy_is_flagged_with_the_figure_whatever_was_changed_a_little(
    server: Served, tmp_path: Path
) -> None:
    files = bundles.members(tmp_path / "a", "original", budget="demo")
    server.post(to_zip(files))
    server.work()
    for number, (role, share) in enumerate((("other", 0.001), ("other", 0.1), ("owner", 0.0))):
        copy = altered(files, tmp_path / f"{number}", share, f"copy-{'abc'[number]}")
        identity = server.post(to_zip(copy), role).json()["id"]
        server.work()
        found = server.get(f"submissions/{identity}", role).json()
        assert found["state"] == "flagged", share
        (words,) = (detail for _, detail in found["flags"] if "agrees with original (" in detail)
        figure = float(words.partition(") in ")[2].split()[0])
        assert figure == pytest.approx(100 * (1 - share), abs=1.5)
        assert "two trainings of one method do in about 52 %" in words


@SQLITE
def test_a_copy_of_a_row_of_an_earlier_version_is_flagged_by_its_counts(
    server: Served, tmp_path: Path
) -> None:
    files = bundles.members(tmp_path / "a", "original", budget="demo")
    server.post(to_zip(files))
    server.work()
    with server.context.store.database.write() as session:
        session.query(Score).update({"answers": None})
    identity = server.post(to_zip(altered(files, tmp_path / "b", 0.0, "copy")), "other").json()["id"]
    server.work()
    assert server.get(f"submissions/{identity}", "other").json()["flags"][0][0] == "near-duplicate"


def test_trainings_of_their_own_are_no_copies() -> None:
    """The committed results: protonet and maml of one seed agree most, in 78 %."""
    answers = {}
    for folder in sorted(FOLDER.glob("mini-v1/*/*")):
        read = result.read(folder)
        if read.submission.method == "chance":  # which has no trainings: all of its seeds are the same
            continue
        answers[read.submission.method] = np.hstack(
            [a.predicted.reshape(len(a.predicted), -1) for a in read.answers.values()]
        )
    for name, mine in answers.items():
        for other, theirs in answers.items():
            assert agreement(mine, theirs).is_copy == (name == other), (name, other)


def test_one_copied_seed_among_others_is_enough() -> None:
    random = np.random.default_rng(0)
    theirs = random.integers(0, 5, (3, 5000))
    mine = random.integers(0, 5, (3, 5000))
    assert not agreement(mine, theirs).is_copy
    mine[1] = theirs[2]
    found = agreement(mine, theirs)
    assert found.is_copy and found.highest == 1.0 and 0.15 < found.usual < 0.25


def test_names_that_look_alike_have_one_skeleton() -> None:
    for name in ("pr0tonet", "proto-net", "prot0.net", "protonet_"):
        assert skeleton(name) == skeleton("protonet"), name
    assert skeleton("rnetanas") == skeleton("metanas")
    assert len({skeleton(name) for name in ("maml", "maml2", "fomaml", "anil", "protonet", "reptile")}) == 6
    assert mixed_scripts("Аda Lovelace") == ["Cyrillic", "Latin"]
    assert mixed_scripts("Ада Лавлейс") == mixed_scripts("José Ñandú 李") == []


def test_a_name_that_looks_like_someone_elses_is_refused(server: Served, tmp_path: Path) -> None:
    server.post(bundles.zipped(tmp_path / "a", "protonet"))
    refused = server.post(bundles.zipped(tmp_path / "b", "pr0to-net", seed=3), "other")
    assert (
        refused.status_code == 403 and "looks like 'protonet', which belongs to" in refused.json()["detail"]
    )
    assert server.post(bundles.zipped(tmp_path / "c", "pr0to-net", seed=4)).status_code == 202, "one's own"


@pytest.mark.parametrize("name", ["Ada\u202elovelace", "Ada\u200b", "\ufeffAda"])
def test_what_turns_text_around_or_is_not_seen_is_refused(name: str) -> None:
    about = {**json.loads(bundles.good()["entry.json"]), "authors": [{"name": name}]}
    with pytest.raises(BundleError, match="authors.0.name"):
        entry.parse(json.dumps(about).encode())


@SQLITE
def test_authors_in_mixed_scripts_wait_for_a_reviewer(server: Served, tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "a")
    sealed = bundles.sealed_entry(files, authors=[{"name": "\u0410da Lovelace"}])
    identity = server.post(to_zip({**files, "entry.json": sealed})).json()["id"]
    server.work()
    ((kind, detail),) = server.get(f"submissions/{identity}").json()["flags"]
    assert kind == "lookalike" and "mixes Cyrillic and Latin letters" in detail
