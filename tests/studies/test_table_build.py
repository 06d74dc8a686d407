"""A table is built piece by piece, goes on after a stop, and holds what the recipe answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from metanas.base.errors import DamagedFile, InvalidValue
from metanas.data.datasets import Datasets
from metanas.data.episode import EVALUATION_SEED, VALIDATION_SEED
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.suite import load_suite
from metanas.engine import flops
from metanas.engine.predict import right_answers
from metanas.engine.runtime import Runtime
from metanas.engine.trainer import meta_train
from metanas.studies import table_build, table_page
from metanas.tables.definition import Definition
from metanas.tables.table import load_table
from tests.rooms import ROOT


@pytest.fixture
def definition(tmp_path: Path) -> Definition:
    text = (
        (ROOT / "tasks/suites/mini-v1.yaml").read_text().replace("[digits, langid, spoken-words]", "[langid]")
    )
    (tmp_path / "suite.yaml").write_text(text)
    return Definition(
        name="tiny",
        version="1.0",
        summary="Two architectures.",
        suites=(str(tmp_path / "suite.yaml"),),
        space={"ops": ["conv3"], "activations": ["relu"], "layers": 1, "channels": 4, "stem": "lean"},
        method="protonet",
        iterations=2,
        tasks=1,
        seeds=(0, 1),
        episodes={"val": 2, "test": 3},
        pure="relu",
        named=("gru/tanh",),
        random=0,
        stream="tiny",
    )


def build(definition: Definition, folder: Path) -> list[tuple[int, int]]:
    return list(table_build.build(definition, folder, root=None, jobs=1, kind="inline"))


def test_a_stopped_build_goes_on_and_ends_with_the_same_answers(
    definition: Definition, tmp_path: Path
) -> None:
    assert build(definition, tmp_path / "whole") == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    stopped = table_build.build(definition, tmp_path / "parts", root=None, jobs=1, kind="inline")
    assert [next(stopped), next(stopped)] == [(0, 4), (1, 4)]
    stopped.close()
    assert build(definition, tmp_path / "parts")[0] == (1, 4)
    whole, parts = (load_table(tmp_path / name / "tiny.parquet") for name in ("whole", "parts"))
    assert all(np.array_equal(whole.right[key], parts.right[key]) for key in whole.right)
    assert len(whole.right) == 4 and whole.right["langid", "test", 5].shape == (2, 2, 3)
    left = [path for path in (tmp_path / "whole/pieces").rglob("*") if path.is_file()]
    assert len(left) == 4 and not list((tmp_path / "whole").rglob("state.safetensors"))


def test_a_table_grows_by_seeds_and_refuses_another_recipe(definition: Definition, tmp_path: Path) -> None:
    first = definition.model_copy(update={"seeds": (0,)})
    build(first, tmp_path / "table")
    with pytest.raises(InvalidValue, match="holds another table; give another --out"):
        build(first.model_copy(update={"iterations": 3}), tmp_path / "table")
    assert build(definition, tmp_path / "table")[0] == (2, 4)
    assert load_table(tmp_path / "table/tiny.parquet").seeds == (0, 1)


def test_answers_are_those_of_the_method(definition: Definition, tmp_path: Path) -> None:
    build(definition, tmp_path / "table")
    table = load_table(tmp_path / "table/tiny.parquet")
    data = Datasets.open(load_suite(definition.suites[0]))
    domain = data["langid"]
    for place, architecture in enumerate(table.architectures):
        method = table_build.method_of(definition, architecture, domain, 5)
        sampler = MetaBatchSampler((domain,), data.suite.train_shapes, 1, 1)
        state = meta_train(method, sampler, 2, tmp_path / f"again{place}").state
        for split, seed, episodes in (("val", VALIDATION_SEED, 2), ("test", EVALUATION_SEED, 3)):
            for shape in data.suite.shapes("langid"):
                wanted = right_answers(method, state, domain, split, shape, seed, episodes)  # type: ignore[arg-type]
                assert wanted.tolist() == table.right["langid", split, shape.shots][1, place].tolist()


def test_flops_by_formula_are_those_that_are_counted(definition: Definition, tmp_path: Path) -> None:
    wide = definition.model_copy(update={"space": {**definition.space, "channels": 16}})
    pieces = [p for p in table_build.plan(wide, tmp_path / "table", None) if p.seed == 0]
    for piece, tolerance in zip(pieces, (0.02, 0.3), strict=True):  # a GRU's backward repeats its forward
        domain, suite = piece.data["langid"], piece.data.suite
        method = table_build.method_of(wide, piece.architecture, domain, 5)
        sampler = MetaBatchSampler((domain,), suite.train_shapes, 1, 0)
        state = meta_train(method, sampler, 0, tmp_path / str(piece.architecture)[:3]).state
        counted = flops.train_flops(method, state, [sampler[0], sampler[1]], wide.iterations)
        assert table_build.train_flops(piece) == pytest.approx(counted, rel=tolerance)


def test_metadata_say_how_it_was_made(definition: Definition, tmp_path: Path) -> None:
    build(definition.model_copy(update={"seeds": (0,)}), tmp_path / "table")
    about = load_table(tmp_path / "table/tiny.parquet").about
    assert about.domains["langid"].suite == "mini-v1" and len(about.domains["langid"].test_episodes) == 2
    assert about.definition.iterations == 2 and about.environment["torch"]
    piece = next((tmp_path / "table/pieces").rglob("*.json"))
    assert set(json.loads(piece.read_text())) == {"seconds", "right", "proxies"}


def test_seconds_of_another_device_are_not_in_the_column(definition: Definition, tmp_path: Path) -> None:
    build(definition, tmp_path / "table")
    card = {"device": "cuda (NVIDIA H100)", "precision": "float32"}
    piece = next((tmp_path / "table/pieces").rglob("*.json"))
    content = json.loads(piece.read_text())
    piece.write_text(json.dumps(content | {"device": card}))
    assert build(definition, tmp_path / "table") == [(4, 4)]
    table = load_table(tmp_path / "table/tiny.parquet")
    assert np.isnan(table.seconds["langid"]).sum() == 1 and (table.seconds["langid"] > 0).sum() == 3
    assert set(table.about.environment["device"].split("; ")) == {"cpu", "cuda (NVIDIA H100)"}
    assert "hours of meta-training of the 3 on one kind of device." in table_page._head(table)
    piece.write_text(json.dumps(content | {"device": 5}))
    with pytest.raises(DamagedFile, match=r"damaged \(device is 5, not texts by name\); delete it to train"):
        build(definition, tmp_path / "table")


def test_a_piece_names_a_device_and_precision_that_are_not_plain(
    definition: Definition, tmp_path: Path
) -> None:
    first = definition.model_copy(update={"seeds": (0,), "named": ()})
    runtime = Runtime("cpu", "bf16")
    list(table_build.build(first, tmp_path / "t", root=None, jobs=1, kind="inline", runtime=runtime))
    (piece,) = (tmp_path / "t/pieces").rglob("*.json")
    assert json.loads(piece.read_text())["device"] == {"device": "cpu", "precision": "bf16"}
    assert load_table(tmp_path / "t/tiny.parquet").about.environment["precision"] == "bf16"


def test_several_cards_take_the_pieces_in_turn(
    definition: Definition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    pieces = table_build.plan(definition, tmp_path / "table", None, Runtime("cuda"))
    assert [piece.runtime.device for piece in pieces] == ["cuda:0", "cuda:1"] * 2
    pieces = table_build.plan(definition, tmp_path / "table", None, Runtime("cuda"), "ray")
    assert {piece.runtime.device for piece in pieces} == {"cuda"}
