"""Ask a trained method what its architecture is worth: answers under other architectures, same episodes.

Comes after `predict.py`, once all tasks of a seed run are answered, since the swap needs the architectures of
another domain. The controls are listed in `evaluation/controls.py`. Weights adapt in as many steps as before,
the architecture is given (`Method.adapt_with`). An architecture that computes the same as the decoded one of
an episode is not run again, so a method that does not adapt its architecture gains exactly nothing; nor is
the decoded one run where the answers were already given by a discrete architecture.

This costs up to four adaptations of one discrete architecture per episode, and as many predictions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metanas.base import distributed
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, Episodes, EpisodeShape, moved
from metanas.data.sampler import query_labels
from metanas.engine.predict import CHUNK, checked
from metanas.engine.seed_run import ProgressCallback, SeedRun, predictions_path, task_name
from metanas.evaluation import choices, controls, result
from metanas.method import Adapted, Method, State
from metanas.space import decoding
from metanas.space.decoding import Chosen, Probabilities
from metanas.space.space import SearchSpace

Counts = NDArray[np.int64]


def score_controls(
    seed_run: SeedRun,
    method: Method,
    state: State,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    report: ProgressCallback,
    *,
    folder: Path | None = None,
) -> None:
    """Write the controls of every task that has none yet; nothing for a method without `adapt_with`.

    folder: where predictions and choices of all `tasks` are, if not in the seed run's own. Several processes
    share the tasks.
    """
    folder, settings = folder or seed_run.path, seed_run.config.settings
    if not seed_run.controls or "space" not in settings:
        return
    space, episodes = SearchSpace(**settings["space"]), seed_run.config.budget.eval_episodes
    for index, (domain, shape) in enumerate(tasks):
        name = task_name(domain, shape)
        mine = index % distributed.world_size() == distributed.rank()
        probabilities = choices.of_task(folder, name)
        if not mine or not probabilities or controls.path_of(folder, name).exists():
            continue
        if not _answers_with(method, state, domain, shape, probabilities):
            continue
        report(f"controls of {name}", episodes * len(tasks))
        decoded = decoding.decode(space, probabilities)
        others = {
            **_fixed(space, method, state, domain, shape, episodes),
            "random": decoding.drawn(space, probabilities, f"{name} seed {seed_run.seed}"),
            **_swapped(space, folder, domain, tasks, episodes),
        }
        asked = _Asked(method, state, domain, shape, {n: p.shape[-1] for n, p in probabilities.items()})
        known = _right_answers(folder, name, domain, shape, episodes)
        settled = decoding.settled(space, probabilities)
        right = _count(asked, {"decoded": decoded, **others}, np.where(settled, known, -1))
        controls.keep(folder, name, seed_run.seed, right)


class _Asked:
    """What is asked of a method: episodes of one task, each under an architecture."""

    def __init__(
        self,
        method: Method,
        state: State,
        domain: Domain,
        shape: EpisodeShape,
        options: Mapping[str, int],
    ) -> None:
        self.method, self.state, self.domain, self.shape = method, state, domain, shape
        self.options = options

    def episodes(self, ids: range) -> Episodes:
        """Test episodes of the task."""
        return self.domain.episodes("test", self.shape, EVALUATION_SEED, ids)

    def right(self, tasks: Episodes, architecture: Chosen) -> Counts:
        """How many answers to each of T tasks are right under one architecture: (T,)."""
        adapted = adapt(self.method, self.state, tasks, architecture, self.options)
        assert adapted is not None  # it answered before
        x = moved(tasks.query.x, State(self.state).device)
        probabilities = checked(adapted.predict(x), tasks.query)
        predicted = probabilities.numpy(force=True).astype(np.float16).argmax(-1)  # as results round
        right: Counts = (predicted == tasks.query.y.numpy(force=True)).sum(1)
        return right


def adapt(
    method: Method, state: State, tasks: Episodes, architecture: Chosen, options: Mapping[str, int]
) -> Adapted | None:
    """`Method.adapt_with` under one architecture for all of the tasks."""
    device = State(state).device
    support = tasks.support.to(device)
    logits = {
        name: torch.from_numpy(t).to(device).expand(len(support.y), *t.shape[1:])
        for name, t in decoding.hard(architecture, options).items()
    }
    return method.adapt_with(state, tasks.spec, support, logits)


def _answers_with(
    method: Method, state: State, domain: Domain, shape: EpisodeShape, probabilities: Probabilities
) -> bool:
    """Whether the method has architectures that can be given, as it says for the first episode."""
    tasks = domain.episodes("test", shape, EVALUATION_SEED, range(1))
    first: Chosen = {name: p[:1].argmax(-1) for name, p in probabilities.items()}
    options = {name: p.shape[-1] for name, p in probabilities.items()}
    return adapt(method, state, tasks, first, options) is not None


def _fixed(
    space: SearchSpace, method: Method, state: State, domain: Domain, shape: EpisodeShape, episodes: int
) -> dict[str, Chosen]:
    """The method's own non-adapted architectures, the same for all episodes."""
    fixed = method.fixed_archs(state, domain.spec(shape.ways))
    found = {}
    for control, logits in fixed.items():
        p = {name: t.cpu().double().softmax(-1).numpy(force=True)[None] for name, t in logits.items()}
        found[control] = _repeated(decoding.decode(space, p), episodes)
    return found


def _swapped(
    space: SearchSpace,
    folder: Path,
    domain: Domain,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    episodes: int,
) -> dict[str, Chosen]:
    """The most frequent decoded architecture of the next domain in the order of `tasks`, if there is any."""
    names = list(dict.fromkeys(other.name for other, _ in tasks))
    donor = names[(names.index(domain.name) + 1) % len(names)]
    if donor == domain.name:
        return {}
    parts = [
        decoding.decode(space, choices.of_task(folder, task_name(other, shape)))
        for other, shape in tasks
        if other.name == donor
    ]
    if not all(parts):
        return {}
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"swap": _repeated(decoding.most_frequent(whole), episodes)}


def _repeated(architecture: Chosen, episodes: int) -> Chosen:
    return {name: np.repeat(t, episodes, axis=0) for name, t in architecture.items()}


def _right_answers(folder: Path, name: str, domain: Domain, shape: EpisodeShape, episodes: int) -> Counts:
    """How many of the predictions in the folder are right, per episode (E,)."""
    rows = result.read_table(predictions_path(folder, name), result.SCHEMA)
    predicted = rows.column("prediction").to_numpy().reshape(episodes, -1)
    labels = query_labels(domain.name, "test", EVALUATION_SEED, shape, np.arange(episodes))
    right: Counts = (predicted == labels).sum(1)
    return right


def _count(asked: _Asked, wanted: Mapping[str, Chosen], known: Counts) -> dict[str, Counts]:
    """Right answers (E,) by control. known: of the decoded architecture, -1 where it is to be run."""
    rows = {control: decoding.flat(chosen) for control, chosen in wanted.items()}
    right = {control: np.zeros(len(known), np.int64) for control in wanted}
    for first in range(0, len(known), CHUNK):
        ids = range(first, min(first + CHUNK, len(known)))
        tasks, found = asked.episodes(ids), {}
        for e in ids:
            if known[e] >= 0:
                found[e, rows["decoded"][e].tobytes()] = int(known[e])
        for control, chosen in wanted.items():
            for e in ids:
                key = rows[control][e].tobytes()
                if (e, key) not in found:
                    same = [o for o in ids if rows[control][o].tobytes() == key and (o, key) not in found]
                    architecture = {name: t[e : e + 1] for name, t in chosen.items()}
                    counts = asked.right(tasks.tasks([o - first for o in same]), architecture)
                    found |= {(o, key): int(c) for o, c in zip(same, counts, strict=True)}
                right[control][e] = found[e, key]
    return right
