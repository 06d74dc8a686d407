"""Weights from elsewhere: a division of their own in tracks, a badge in tables, and declared in a bundle."""

from pathlib import Path

import pytest

from leaderboard.bundle.names import ENTRY
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.validate import inspect
from leaderboard.store.store import track_of
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.pretraining import external_weights, shown
from metanas.evaluation.result import SUBMISSION, Submission, write
from metanas.evaluation.tables import label
from metanas.evaluation.track import TracksDiffer
from tests import runs
from tests.leaderboard import bundles

SETTINGS = {"weight_rate": 0.1, "network": {"kind": "resnet18", "weights_sha256": "ab" * 32}}


def with_weights(submission: Submission, sha256: str = "ab" * 32) -> Submission:
    network = {"kind": "resnet18", "weights_sha256": sha256}
    return submission.model_copy(update={"settings": {**SETTINGS, "network": network}})


def test_runs_with_and_without_are_not_ranked_together(tmp_path: Path) -> None:
    plain = runs.make(tmp_path / "a", "protonet", 0.5)
    write(tmp_path / "b", with_weights(runs.make(tmp_path / "b", "linear-probe", 0.7)))
    write(tmp_path / "c", with_weights(runs.make(tmp_path / "c", "r2d2", 0.7), "cd" * 32))
    assert external_weights(plain) == {} and shown(plain) == ""
    with pytest.raises(TracksDiffer, match=r"external pre-training: no \(protonet\), yes \(linear-probe\)"):
        load_runs([tmp_path / "a", tmp_path / "b"])
    both = load_runs([tmp_path / "b", tmp_path / "c"])
    assert [label(run) for run in both.values()] == [
        "linear-probe (external pre-training: resnet18 abababab)",
        "r2d2 (external pre-training: resnet18 cdcdcdcd)",
    ]


def test_a_board_ranks_them_on_a_track_of_their_own(tmp_path: Path) -> None:
    plain = runs.make(tmp_path / "a", "protonet", 0.5)
    first, second, third = (track_of(s) for s in (plain, with_weights(plain), with_weights(plain, "cd" * 32)))
    assert " / external pre-training / " in second and "external" not in first
    assert second == third
    assert second.replace(" / external pre-training", "") == first


def test_a_bundle_declares_them() -> None:
    good = bundles.good()
    changed = with_weights(Submission.model_validate_json(good[SUBMISSION]))
    members = bundles.resealed(good, submission_json=changed.model_dump_json().encode())
    with pytest.raises(BundleError, match="the weights abab.* of resnet18 are not declared"):
        inspect(members)
    weights = {"name": "ResNet-18", "url": "https://example.org/w", "sha256": "ab" * 32}
    inspect({**members, ENTRY: bundles.sealed_entry(members, pretrained_weights=[weights])})
