"""Trained states: a method as it was meta-trained, ready to adapt, without its data or its run folder.

`load` reads one, `pack` makes one of a run; `state_cards.py` says what its two files are.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metanas.base.atomic import sha256, write_atomically
from metanas.base.errors import DamagedFile, DataError, InvalidValue
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.engine import checkpoint
from metanas.engine.config import settings_of
from metanas.engine.runtime import Runtime
from metanas.engine.seed_run import specs_of
from metanas.evaluation import result
from metanas.method import METHODS, State
from metanas.studies import state_cards
from metanas.studies.api import Learner, Run


def load(
    method: str,
    suite: str = "mini-v1",
    seed: int = 0,
    *,
    folder: str | Path | None = None,
    device: str = "cpu",
) -> Learner:
    """A meta-trained method that is ready to adapt to tasks with the inputs of the suite's domains.

    folder: where a state lies that `metanas state pack` made; by default that of the package. No data is
    opened: the card says what the inputs look like. InvalidValue names the states that there are; DamagedFile
    if the state is not what its card says.
    """
    place = Path(folder) if folder is not None else state_cards.shipped() / suite / method
    if not (place / f"seed{seed}.json").exists():
        if folder is not None:
            raise InvalidValue(f"{place} has no seed{seed}.json; make it by `metanas state pack RUN`")
        there = ", ".join(state_cards.names()) or "none"
        raise InvalidValue(f"no trained state {suite}/{method}/{seed}; there are: {there}")
    card, path = state_cards.read(place, seed), place / f"seed{seed}.safetensors"
    if not path.exists() or sha256(path) != card["state_sha256"]:
        raise DamagedFile(f"{path} is missing or not the state that its card describes; get both files again")
    trained = checkpoint.load(path)
    assert trained is not None
    specs = _specs(card, place)
    kind = METHODS[card["method"]]
    built = kind(specs, settings_of(kind, card["settings"], stored=True))
    checkpoint.check_fits(trained.state, built.start(generator(seed, "start")), path)
    return Learner(built, Runtime(device).take(built, trained.state), {spec.name: spec for spec in specs})


def _specs(card: Mapping[str, Any], place: Path) -> list[TaskSpec]:
    try:
        return [TaskSpec(**{**spec, "input_shape": tuple(spec["input_shape"])}) for spec in card["specs"]]
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"the card in {place} is damaged (specs: {error}); pack the run again") from error


def pack(run: Run, seed: int, out: Path) -> Path:
    """Write the state of one seed of a finished run and its card to `out`; returns the card's path.

    The outer optimizer's moments, two thirds of a checkpoint, are left out: nobody trains on from it.
    DataError without its checkpoint, or where the state is of no use without other files (word vectors).
    ResultError if the run is not finished.
    """
    found, config = run.result, run.config
    if seed not in config.seeds:
        raise InvalidValue(f"{run.folder} has no seed {seed}; it has: {', '.join(map(str, config.seeds))}")
    trained = checkpoint.checkpoint(run.folder, seed)  # DataError without one
    specs = specs_of(config, run.data.values())
    if any(spec.vectors for spec in specs):
        raise DataError("the state of a run on frozen word vectors needs them; it cannot be packed alone")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"seed{seed}.safetensors"
    checkpoint.save_checkpoint(path, dataclasses.replace(trained, state=State(trained.state.learned())))
    card = out / f"seed{seed}.json"
    about = _about(found, seed) | {
        "specs": [dataclasses.asdict(spec) for spec in specs],
        "settings": config.settings,
        "state_sha256": sha256(path),
    }
    write_atomically(card, (json.dumps(about, indent=1, sort_keys=True) + "\n").encode())
    return card


def _about(found: result.Result, seed: int) -> dict[str, Any]:
    """What a card says of where the state came from and what it reached."""
    submission = found.submission
    row = submission.seeds.index(seed)
    accuracy = {name: round(float(a.accuracy[row].mean()), 4) for name, a in found.answers.items()}
    answers = {name: answers_digest(a, row) for name, a in found.answers.items()}
    mean = sum(accuracy.values()) / len(accuracy)
    return {
        "schema_version": 1,
        "summary": f"{submission.method} on {submission.suite}, seed {seed}, mean accuracy {mean:.1%}",
        "method": submission.method,
        "suite": [submission.suite, submission.suite_version],
        "budget": submission.budget,
        "seed": seed,
        "accuracy": accuracy,
        "answers_sha256": answers,
        "episodes": {name: a.task.episodes for name, a in found.answers.items()},
        "train_flops": submission.costs.train_flops,
        "environment": submission.environment,
        "commit": submission.provenance.commit if submission.provenance else None,
        "created": submission.created.isoformat(),
        "licence": "Apache-2.0",
    }


def answers_digest(answers: result.Answers, row: int) -> str:
    """SHA-256 of one seed's class probabilities (E, Q, ways) on a task, as a result stores them (float16)."""
    return hashlib.sha256(answers.probabilities[row].astype("<f2").tobytes()).hexdigest()
