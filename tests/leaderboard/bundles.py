"""Makes valid bundles of mini-v1's smallest budget, with the pinned data and episodes."""

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from leaderboard.bundle.names import ENTRY, Members
from leaderboard.bundle.pack import collect, to_zip
from metanas import plugins
from metanas.episode import query_labels
from metanas.evaluation import result
from metanas.suite import load_suite

ABOUT = {
    "authors": [{"name": "Ada Lovelace", "affiliation": "Analytical Engines"}],
    "contact": "ada@example.org",
    "family": "baseline",
    "summary": "Right with a fixed probability.",
    "hparam_trials": 1,
}


def run(
    folder: Path,
    method: str = "mine",
    *,
    skill: float = 0.6,
    seed: int = 0,
    budget: str = "smoke",
    suite: str = "mini-v1",
    probabilities: bool = True,
    seeds: tuple[int, ...] = (),
) -> result.Submission:
    """A run folder. seed: other answers. seeds: the suite's by default."""
    folder.mkdir(parents=True)
    random, tables = np.random.default_rng(seed), []
    tasks, seeds = _tasks(suite, budget), seeds or load_suite(suite).seeds
    for task in tasks:
        labels = query_labels(task.domain, "test", 0, task.shape, np.arange(task.episodes))
        for number in seeds:
            right = random.random(labels.shape) < skill
            answer = np.where(right, labels, (labels + 1) % task.ways)
            sure = np.eye(task.ways)[answer]
            noise = random.random(sure.shape) * 0.05
            found = (sure + noise) / (sure + noise).sum(-1, keepdims=True)
            tables.append(result.table(task.name, number, 0, found))
    digest = result.write_table(folder / result.PREDICTIONS, pa.concat_tables(tables))
    found = load_suite(suite)
    submission = result.Submission(
        method=method,
        settings={},
        transductive=False,
        suite=suite,
        suite_version=found.version,
        budget=found.budgets[budget].named(budget),
        seeds=seeds,
        tasks=tasks,
        costs=result.Costs(train_seconds=1, evaluate_seconds=1, parameters=10, peak_bytes=10),
        environment={"cpu": "x"},
        package_version="0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        predictions_sha256=digest,
    )
    result.write(folder, submission)
    return submission


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
def _tasks(suite: str, budget: str) -> tuple[result.Task, ...]:
    found = load_suite(suite)
    text = (plugins.folder("tasks") / "manifests" / f"{suite}.json").read_text()
    pinned = json.loads(text)
    episodes = found.budgets[budget].eval_episodes
    return tuple(
        result.Task(
            domain=domain,
            ways=shape.ways,
            shots=shape.shots,
            queries=shape.queries,
            episodes=episodes,
            manifest=pinned[domain]["full"]["test"][str(shape)],
            fingerprint=pinned[domain]["full"]["fingerprint"],
            sample=False,
            synthetic=domain == "spoken-words",
        )
        for domain in found.domains
        for shape in found.shapes(domain)
    )
