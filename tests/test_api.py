"""`import metanas`: quick, complete, and every example in docs/api.md runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import metanas
from metanas.data.meta_batches import MetaBatchSampler, batches
from metanas.engine.config import resolve
from tests.rooms import ROOT

OPTIONS = {
    "suite.queries": 3,
    "suite.shots": [1],
    "budget.iterations": 3,
    "budget.tasks": 1,
    "budget.eval_episodes": 4,
}


@pytest.fixture(scope="module")
def suite() -> metanas.Suite:
    return metanas.load_suite("mini-v1")


@pytest.fixture(scope="module")
def data(suite: metanas.Suite) -> metanas.Datasets:
    return metanas.load_suite("mini-v1").model_copy(update={"domains": ("langid", "digits")}).open()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> metanas.Run:
    out = tmp_path_factory.mktemp("api") / "protonet"
    return metanas.run("protonet", domains=["langid"], seeds=[0, 1], settings=OPTIONS, out=out)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import metanas, sys; print([m for m in ('torch', 'numpy', 'pydantic', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_a_wrong_one_is_an_attribute_error() -> None:
    for name in metanas.__all__:
        assert getattr(metanas, name) is not None
    assert set(metanas.__all__) <= set(dir(metanas))
    with pytest.raises(AttributeError, match="has no attribute 'load_suit'"):
        metanas.load_suit  # noqa: B018


def test_a_task_is_a_function_of_its_number(data: metanas.Datasets) -> None:
    tasks = data["digits"].tasks("meta-train", ways=5, shots=1, queries=2, seed=3)
    together = tasks.collate([tasks[i] for i in (4, 9, 5)])
    for at, index in enumerate((4, 9, 5)):
        assert torch.equal(together.support.x[at], tasks[index].support.x[0])
        assert torch.equal(together.query.y[at], tasks[index].query.y[0])
    direct = data["digits"].episodes("train", metanas.EpisodeShape(5, 1, 2), 3, [4, 9, 5])
    assert torch.equal(together.support.x, direct.support.x) and torch.equal(together.query.x, direct.query.x)
    assert together.classes is not None and direct.classes is not None
    assert torch.equal(together.classes, direct.classes)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_loader_s_workers_give_the_same_bytes(data: metanas.Datasets) -> None:
    tasks = data["langid"].tasks("meta-train", shots=1, queries=2, size=7)
    loaded = [
        list(DataLoader(tasks, batch_size=3, num_workers=workers, collate_fn=tasks.collate))
        for workers in (0, 2)
    ]
    assert [len(batch.support.y) for batch in loaded[0]] == [3, 3, 1]
    for one, other in zip(*loaded, strict=True):
        assert torch.equal(one.support.x, other.support.x) and torch.equal(one.query.y, other.query.y)


def test_wrong_tasks_say_what_would_be_right(data: metanas.Datasets) -> None:
    with pytest.raises(ValueError, match="no split named 'training'; there are: meta-train, meta-validation"):
        data["digits"].tasks("training")
    with pytest.raises(ValueError, match="digits/test has 5 classes, too few for 6 ways"):
        data["digits"].tasks("meta-test", ways=6)
    with pytest.raises(IndexError, match=r"there are tasks 0\.\.9, got 10"):
        data["digits"].tasks("meta-test", size=10)[10]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_background_workers_draw_the_same_meta_batches(data: metanas.Datasets) -> None:
    suite = resolve("maml", "mini-v1").suite
    sampler = MetaBatchSampler(tuple(data.values()), suite.train_shapes, 2, 0)
    for one, other in zip(batches(sampler, range(3, 6), 0), batches(sampler, range(3, 6), 2), strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.spec == b.spec and torch.equal(a.support.x, b.support.x)
            assert torch.equal(a.query.x, b.query.x) and torch.equal(a.query.y, b.query.y)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_run_with_workers_gives_the_same_predictions(run: metanas.Run, tmp_path: Path) -> None:
    other = metanas.run(
        "protonet", domains=["langid"], seeds=[0, 1], settings=OPTIONS, out=tmp_path / "run", workers=1
    )
    assert (other.folder / "predictions.parquet").read_bytes() == (
        run.folder / "predictions.parquet"
    ).read_bytes()


def test_predictions_have_the_true_labels(run: metanas.Run) -> None:
    rows, scores = run.predictions().to_pandas(), run.scores().to_pandas()
    assert len(rows) == 2 * 4 * 15  # seeds x episodes x queries
    assert (rows["correct"] == (rows["prediction"] == rows["label"])).all()
    assert rows["correct"].mean() == pytest.approx(scores["accuracy"].item())
    first = rows[(rows["seed"] == 0) & (rows["episode"] == 2)].sort_values("query")
    tasks = run.data["langid"].tasks("meta-test", ways=5, shots=1, queries=3)
    assert first["label"].tolist() == tasks[2].query.y[0].tolist()


def test_a_learner_answers_as_the_run_did(run: metanas.Run) -> None:
    learner = metanas.load_run(run.folder).learner(seed=1)
    task = run.data["langid"].tasks("meta-test", ways=5, shots=1, queries=3)[2]
    predicted = learner.adapt(task.support).predict(task.query).argmax(-1)[0]
    rows = run.predictions().to_pandas()
    kept = rows[(rows["seed"] == 1) & (rows["episode"] == 2)].sort_values("query")["prediction"]
    assert predicted.tolist() == kept.tolist()
    with pytest.raises(ValueError, match="'digits' does not have inputs of shape"):
        learner.adapt(task.support, domain="digits")


def test_runs_are_compared(run: metanas.Run, tmp_path: Path) -> None:
    chance = metanas.run(
        "chance", domains=["langid"], seeds=[0, 1], settings=OPTIONS, out=tmp_path / "chance"
    )
    compared = metanas.compare([run.folder, chance])
    assert set(compared.to_pandas()["method"]) == {"protonet", "chance"}
    assert compared.pairs().num_rows == 1


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(metanas.MetanasError, match="no method named 'protone'; did you mean 'protonet'"):
        metanas.run("protone", out=tmp_path / "a")
    with pytest.raises(metanas.InvalidValue, match="no setting named 'stepz'; did you mean 'steps'"):
        metanas.run("maml", settings={"stepz": 3}, out=tmp_path / "b")
    with pytest.raises(metanas.InvalidValue, match="is not a run folder"):
        metanas.load_run(tmp_path)
    (tmp_path / "own.yaml").write_text("name: own")
    with pytest.raises(metanas.InvalidValue, match="own.yaml does not describe a suite"):
        metanas.load_suite(tmp_path / "own.yaml")


def test_a_suite_of_ones_own_opens_unpinned_and_says_so_pinned(tmp_path: Path) -> None:
    text = (ROOT / "tasks/suites/mini-v1.yaml").read_text().replace("name: mini-v1", "name: own-v1")
    (tmp_path / "own.yaml").write_text(text)
    suite = metanas.load_suite(tmp_path / "own.yaml").model_copy(update={"domains": ("langid",)})
    assert list(suite.open(pinned=False)) == ["langid"]
    with pytest.raises(metanas.DataError, match="langid .full. is not pinned in own-v1"):
        suite.open()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_plain_script_without_a_guard_works(jobs: int, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import metanas\n"
        f"run = metanas.run('chance', domains=['langid'], seeds=[0, 1], settings={OPTIONS!r}, jobs={jobs},\n"
        "    out='run')\n"
        "print(run.scores().num_rows)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_every_example_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(blocks) >= 8
    space: dict[str, object] = {"__name__": "docs"}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), space)
    printed = capsys.readouterr().out
    assert "['digits', 'langid', 'spoken-words']" in printed and "protonet" in printed
    assert (tmp_path / "architecture.svg").read_text().startswith("<svg")


def test_a_name_of_ours_cannot_be_taken_and_a_cell_may_run_twice() -> None:
    for _ in range(2):  # as a notebook's cell that runs again

        @metanas.METHODS.register("a-notebooks-own")
        class Own:
            """One."""

    with pytest.raises(metanas.InvalidValue, match="method 'chance' is that of baselines.chance"):
        metanas.METHODS.register("chance")(Own)  # type: ignore[arg-type]
    with pytest.raises(metanas.InvalidValue, match="every seed may stand once, got 0, 0"):
        metanas.run("chance", seeds=[0, 0])


def test_the_data_folder_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    with pytest.raises(metanas.DataError, match=f"missing from the data folder {tmp_path}"):
        metanas.load_suite("core-v1").model_copy(update={"domains": ("omniglot",)}).open()
