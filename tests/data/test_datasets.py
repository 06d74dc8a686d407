"""The opened data of a suite: opened once a process, and the same in another one."""

import pickle
from pathlib import Path

import pytest
import torch

import metanas
from metanas.base.errors import DataError
from metanas.data import datasets, domain
from metanas.data.datasets import Datasets
from metanas.data.suite import Suite, load_suite


def small() -> Suite:
    return load_suite("mini-v1").model_copy(update={"domains": ("langid", "digits")})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stores that are opened from now on."""
    names: list[str] = []
    original = domain.open_store
    monkeypatch.setattr(domain, "open_store", lambda name, root: names.append(name) or original(name, root))
    return names


def test_a_run_opens_its_data_once(opened: list[str], tmp_path: Path) -> None:
    tiny = {"suite.queries": 3, "suite.shots": [1], "budget.eval_episodes": 2}
    metanas.run("chance", domains=["langid", "digits"], seeds=[0, 1], settings=tiny, out=tmp_path / "run")
    assert opened == ["langid", "digits"] or opened == ["digits", "langid"]


def test_another_process_opens_it_once_however_often_it_arrives(opened: list[str]) -> None:
    datasets._open_once.cache_clear()
    sent = pickle.dumps(Datasets.open(small()))
    assert len(sent) < 5_000, "suite and folder travel, not the data"
    opened.clear()
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second and opened == ["langid", "digits"]
    shape = small().shapes("digits")[0]
    one = Datasets.open(small())["digits"].episodes("test", shape, 0, [3])
    assert torch.equal(one.query.x, first["digits"].episodes("test", shape, 0, [3]).query.x)


def test_what_is_pinned_is_checked_unless_asked_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    other = small().model_copy(update={"name": "unpinned"})
    with pytest.raises(DataError, match="langid .full. is not pinned in unpinned"):
        Datasets.open(other)
    assert set(Datasets.open(other, pinned=False)) == {"langid", "digits"}
