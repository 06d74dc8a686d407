"""The way tasks run side by side is measured once, remembered, and never changes what is computed."""

from pathlib import Path

import pytest

from baselines.maml import Maml
from metanas.base.machine import arithmetic
from metanas.base.seeding import generator
from metanas.engine.runtime import Runtime
from metanas.meta.batching import WAYS, Batching, fastest
from metanas.method import Progress
from metanas.space.network_config import NetworkConfig
from tests import tiny


def test_the_fastest_way_is_measured_once_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    clock, tried = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    cost: dict[Batching, float] = {"vmap": 3.0, "shared": 1.0, "loop": 2.0}

    def attempt(way: Batching) -> None:
        tried.append(way)
        clock[0] += cost[way]

    assert fastest("a network", attempt) == "shared"
    assert set(tried) == set(WAYS)
    tried.clear()
    cost["loop"] = 0.1
    assert fastest("a network", attempt) == "shared" and not tried  # remembered
    assert fastest("another network", attempt) == "loop"


def test_auto_measures_fixed_networks_and_not_the_supernet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    for choice in (NetworkConfig(), NetworkConfig("conv4", width=4)):
        method = Maml([tiny.SPEC], Maml.Settings(network=choice, space=tiny.SPACE))
        state = method.start(generator(0, "auto"))
        episodes = tiny.episodes(2)
        support, query = (type(b)(b.x.float(), b.y) for b in (episodes.support, episodes.query))
        method.step(state, Progress(0, 2), [type(episodes)(tiny.SPEC, support, query)])
        measured = list(tmp_path.glob("batching/*.json"))
        assert len(measured) == (0 if choice.kind == "supernet" else 1)


def test_another_processor_measures_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    for name in ("one", "two", "two"):
        monkeypatch.setattr("metanas.meta.batching.cpu_name", lambda name=name: name)
        fastest("a network", lambda way: None)
    assert len(list((tmp_path / "batching").glob("*.json"))) == 2


def test_another_precision_is_measured_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    for precision in ("float32", "bf16", "bf16", "float32"):
        with Runtime("cpu", precision).active():  # type: ignore[arg-type]
            fastest("a network", lambda way: None)
    assert len(list((tmp_path / "batching").glob("*.json"))) == 2
    assert arithmetic("cpu") == arithmetic("meta") == ""
