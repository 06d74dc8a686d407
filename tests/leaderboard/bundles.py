"""Valid bundles of mini-v1's smallest budget, with the pinned data and episodes; each is computed once."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from leaderboard.bundle.names import ENTRY, Members
from leaderboard.bundle.pack import collect, to_zip
from metanas.base import plugins
from metanas.data.episode import EpisodeShape
from metanas.data.sampler import query_labels
from metanas.data.suite import load_suite
from metanas.evaluation import controls, regret, result

ABOUT = {
    "authors": [{"name": "Ada Lovelace", "affiliation": "Analytical Engines"}],
    "contact": "ada@example.org",
    "family": "baseline",
    "summary": "Right with a fixed probability.",
    "hparam_trials": 1,
    "meta_train_domains": ["digits", "langid", "spoken-words"],
}


def run(
    folder: Path,
    method: str = "mine",
    *,
    skill: float = 0.6,
    seed: int = 0,
    budget: str = "smoke",
    suite: str = "mini-v1",
    seeds: tuple[int, ...] = (),
) -> result.Submission:
    """A run folder. seed: other answers. seeds: the suite's by default."""
    folder.mkdir(parents=True)
    found = load_suite(suite)
    predictions = _predictions(skill, seed, budget, suite, seeds or found.seeds)
    (folder / result.PREDICTIONS).write_bytes(predictions)
    submission = result.Submission(
        method=method,
        settings={},
        transductive=False,
        suite=suite,
        suite_version=found.version,
        budget=found.budgets[budget].named(budget),
        seeds=seeds or found.seeds,
        tasks=_tasks(suite, budget),
        costs=result.Costs(train_seconds=1, evaluate_seconds=1, parameters=10, peak_bytes=10),
        environment={"cpu": "x"},
        package_version="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        predictions_sha256=hashlib.sha256(predictions).hexdigest(),
    )
    result.write(folder, submission)
    return submission


@cache
def good() -> Members:
    """The files of one valid bundle of the method "mine"; not to be changed."""
    with tempfile.TemporaryDirectory() as folder:
        return members(Path(folder) / "run")


def numbered(files: Members, number: object) -> bytes:
    """The same as it is sent, but with a README.md of its own, so that it was not sent before."""
    return to_zip(resealed({**files, "README.md": b""}, README_md=str(number).encode()))


def members(folder: Path, method: str = "mine", **options: Any) -> Members:
    """The files of a valid bundle."""
    run(folder, method, **options)
    return collect(folder, ABOUT)


def zipped(folder: Path, method: str = "mine", **options: Any) -> bytes:
    """A valid bundle as it is sent."""
    return to_zip(members(folder, method, **options))


def resealed(files: Members, **changed: bytes) -> Members:
    """With other files, and hashes that fit: what someone sends who knows the format. a_json: a.json."""
    names = {name.replace(".", "_"): name for name in files}
    found = {**files, **{names[key]: content for key, content in changed.items()}}
    if "predictions_parquet" in changed:
        document = json.loads(found[result.SUBMISSION])
        document["predictions_sha256"] = hashlib.sha256(found[result.PREDICTIONS]).hexdigest()
        found[result.SUBMISSION] = json.dumps(document).encode()
    return {**found, ENTRY: sealed_entry(found)}


def controlled(files: Members, content: bytes | None = None) -> Members:
    """With a controls.parquet: this one, or one in which a shared architecture is right half as often."""
    return _counted(files, content, controls, lambda counts: {"decoded": counts, "shared": counts // 2})


def with_candidates(files: Members, content: bytes | None = None) -> Members:
    """With a candidates.parquet: this one, or one of three that are right as often, once less, once more."""

    def under(counts: Any) -> Any:
        return np.stack([counts, np.maximum(counts - 1, 0), counts + (counts < counts.max())])

    return _counted(files, content, regret, under)


def _counted(files: Members, content: bytes | None, kept: Any, right: Callable[[Any], Any]) -> Members:
    """With this content of the file of `kept`, or one of what is right by an episode's right answers (E,)."""
    if content is None:
        checked = result.check(files[result.SUBMISSION], files[result.PREDICTIONS])
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            for name, answers in checked.answers.items():
                own = (answers.predicted == answers.labels).sum(2)
                for seed, counts in zip(checked.submission.seeds, own, strict=True):
                    (folder / str(seed)).mkdir(exist_ok=True)
                    kept.keep(folder / str(seed), name, seed, right(counts))
            seed_runs = [folder / str(seed) for seed in checked.submission.seeds]
            kept.join(folder, seed_runs, list(checked.answers))
            content = (folder / kept.FILE.file).read_bytes()
    found = {**files, kept.FILE.file: content}
    return {**found, ENTRY: sealed_entry(found)}


def sealed_entry(bundle: Members, **fields: Any) -> bytes:
    """entry.json with the hashes of these files."""
    entry = json.loads(bundle[ENTRY])
    entry["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in bundle.items()
        if name != ENTRY
    }
    return json.dumps({**entry, **fields}).encode()


@cache
def _predictions(skill: float, seed: int, budget: str, suite: str, seeds: tuple[int, ...]) -> bytes:
    """predictions.parquet of answers that are right with probability `skill`."""
    random, tables = np.random.default_rng(seed), []
    for task in _tasks(suite, budget):
        labels = query_labels(task.domain, "test", 0, task.shape, np.arange(task.episodes))
        for number in seeds:
            right = random.random(labels.shape) < skill
            answer = np.where(right, labels, (labels + 1) % task.ways)
            sure = np.eye(task.ways)[answer]
            noise = random.random(sure.shape) * 0.05
            probabilities = (sure + noise) / (sure + noise).sum(-1, keepdims=True)
            tables.append(result.table(task.name, number, 0, probabilities))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / result.PREDICTIONS
        result.write_table(path, pa.concat_tables(tables))
        return path.read_bytes()


@cache
def _tasks(suite: str, budget: str) -> tuple[result.Task, ...]:
    found = load_suite(suite)
    text = (plugins.folder("tasks") / "manifests" / f"{suite}.json").read_text()
    pinned = json.loads(text)
    episodes = found.budgets[budget].eval_episodes

    def listed(domain: str, shape: EpisodeShape) -> str:
        full = pinned[domain]["full"]
        fewer = full["first"].get(str(episodes), full["test"])
        return str(fewer[str(shape)])

    return tuple(
        result.Task(
            domain=domain,
            ways=shape.ways,
            shots=shape.shots,
            queries=shape.queries,
            episodes=episodes,
            manifest=listed(domain, shape),
            fingerprint=pinned[domain]["full"]["fingerprint"],
            sample=False,
            synthetic=domain == "spoken-words",
        )
        for domain in found.domains
        for shape in found.shapes(domain)
    )
