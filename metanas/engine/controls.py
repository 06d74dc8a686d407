"""Ask a trained method what its architecture is worth: answers under other architectures, same episodes.

Comes after `predict.py`, once all tasks of a seed run are answered, since the swap needs the architectures of
another domain. The controls are listed in `evaluation/controls.py`. Weights adapt in as many steps as before,
the architecture is given (`Method.adapt_with`). An architecture that computes the same as the decoded one of
an episode is not run again, so a method that does not adapt its architecture gains exactly nothing; nor is
the decoded one run where the answers were already given by a discrete architecture.

This costs up to four adaptations of one discrete architecture per episode, and as many predictions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from metanas.base import distributed
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, Episodes, EpisodeShape
from metanas.data.sampler import query_labels
from metanas.engine.predict import CHUNK, checked
from metanas.engine.seed_run import ProgressCallback, SeedRun, predictions_path, task_name
from metanas.evaluation import choices, controls, result
from metanas.method import Adapted, Method, State
from metanas.params import Tensors
from metanas.space import decoding
from metanas.space.decoding import Chosen, Probabilities
from metanas.space.space import SearchSpace

Classes = NDArray[np.int64]  # predicted classes of queries


def score_controls(
    seed_run: SeedRun,
    method: Method,
    state: State,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    report: ProgressCallback,
) -> None:
    """Write the controls of every task that has none yet; nothing for a method without `adapt_with`.

    Several processes share the tasks.
    """
    if not seed_run.controls:
        return
    asked = Asked(seed_run, method, state, tasks, seed_run.path)
    for index, name in asked.left(controls.path_of):
        report(f"controls of {name}", seed_run.config.budget.eval_episodes * len(tasks))
        if answers := asked.answers(index, controls.NAMES):
            labels = asked.labels(index)
            right = {control: (given == labels).sum(1) for control, given in answers.items()}
            controls.keep(seed_run.path, name, seed_run.seed, right)


class Asked:
    """A trained method that is asked for answers under other architectures.

    folder: where its predictions and choices on all `tasks` are.
    """

    def __init__(
        self,
        seed_run: SeedRun,
        method: Method,
        state: State,
        tasks: Sequence[tuple[Domain, EpisodeShape]],
        folder: Path,
    ) -> None:
        config = seed_run.config
        self.method, self.state, self.tasks, self.folder = method, state, tasks, folder
        self.seed, self.episodes = seed_run.seed, config.budget.eval_episodes
        self.space = SearchSpace(**config.settings["space"]) if "space" in config.settings else None

    def left(self, path_of: Callable[[Path, str], Path]) -> Iterator[tuple[int, str]]:
        """Numbers and names of this process's share of the tasks, without those that have their file.

        path_of: the file of a task in a folder.
        """
        for index, task in enumerate(self.tasks):
            name = task_name(*task)
            mine = index % distributed.world_size() == distributed.rank()
            if mine and not path_of(self.folder, name).exists():
                yield index, name

    def labels(self, index: int) -> Classes:
        """The right classes (E, Q) of the task number `index`."""
        domain, shape = self.tasks[index]
        return query_labels(domain.name, "test", EVALUATION_SEED, shape, np.arange(self.episodes))

    def answers(self, index: int, wanted: Sequence[str]) -> dict[str, Classes]:
        """Predicted classes (E, Q) of the task number `index`, by control; empty where nothing can be asked.

        wanted: the controls; those that the method does not have are left out.
        """
        domain, shape = self.tasks[index]
        probabilities = self._adapted(index)
        if self.space is None or not probabilities:
            return {}
        architectures = {
            "decoded": decoding.decode(self.space, probabilities),
            **self._fixed(domain, shape),
            "random": decoding.drawn(
                self.space, probabilities, f"{task_name(domain, shape)} seed {self.seed}"
            ),
            **self._swapped(domain),
        }
        chosen = {control: architectures[control] for control in wanted if control in architectures}
        return self._run(index, chosen, probabilities)

    def under_candidates(self, index: int) -> list[Classes]:
        """Predicted classes (E, Q) of the task number `index` under each candidate; empty without any."""
        domain, shape = self.tasks[index]
        candidates = self.method.candidate_archs(self.state, domain.spec(shape.ways))
        probabilities = self._adapted(index) if candidates else {}
        if not probabilities:
            return []
        archs = {str(number): self._repeated(self._decoded(arch)) for number, arch in enumerate(candidates)}
        return list(self._run(index, archs, probabilities).values())

    def _adapted(self, index: int) -> Probabilities:
        """The choices of all episodes of a task; empty where the method takes no other architecture."""
        domain, shape = self.tasks[index]
        probabilities = choices.of_task(self.folder, task_name(domain, shape))
        if self.space is None or not probabilities or not self._answers_with(domain, shape, probabilities):
            return {}
        return probabilities

    def _answers_with(self, domain: Domain, shape: EpisodeShape, probabilities: Probabilities) -> bool:
        """Whether the method has architectures that can be given, as it says for the first episode."""
        self.options = {name: p.shape[-1] for name, p in probabilities.items()}
        tasks = domain.episodes("test", shape, EVALUATION_SEED, range(1)).to(State(self.state).device)
        return self._adapt(tasks, {name: p[:1].argmax(-1) for name, p in probabilities.items()}) is not None

    def _adapt(self, tasks: Episodes, architecture: Chosen) -> Adapted | None:
        """`Method.adapt_with` under one architecture for all of the tasks."""
        support = tasks.support
        logits = {
            name: torch.from_numpy(t).to(support.y.device).expand(len(support.y), *t.shape[1:])
            for name, t in decoding.hard(architecture, self.options).items()
        }
        return self.method.adapt_with(self.state, tasks.spec, support, logits)

    def _fixed(self, domain: Domain, shape: EpisodeShape) -> dict[str, Chosen]:
        """The method's own non-adapted architectures, the same for all episodes."""
        archs = self.method.fixed_archs(self.state, domain.spec(shape.ways))
        return {control: self._repeated(self._decoded(logits)) for control, logits in archs.items()}

    def _decoded(self, logits: Tensors) -> Chosen:
        """One architecture of logits without T, as one episode.

        From what would be kept of it: what ties there must not be told apart here.
        """
        assert self.space is not None
        return decoding.decode(self.space, {name: p[None] for name, p in choices.kept(logits).items()})

    def _swapped(self, domain: Domain) -> dict[str, Chosen]:
        """The most frequent decoded architecture of the next domain in the order of `tasks`, if any."""
        assert self.space is not None
        names = list(dict.fromkeys(other.name for other, _ in self.tasks))
        donor = names[(names.index(domain.name) + 1) % len(names)]
        if donor == domain.name:
            return {}
        theirs = [task_name(other, shape) for other, shape in self.tasks if other.name == donor]
        parts = [decoding.decode(self.space, choices.of_task(self.folder, name)) for name in theirs]
        if not all(parts):
            return {}
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {"swap": self._repeated(decoding.most_frequent(whole))}

    def _repeated(self, architecture: Chosen) -> Chosen:
        return {name: np.repeat(t, self.episodes, axis=0) for name, t in architecture.items()}

    def _run(
        self, index: int, wanted: Mapping[str, Chosen], probabilities: Probabilities
    ) -> dict[str, Classes]:
        """Answers (E, Q) of a task by control; those that were given as decoded already are taken over."""
        domain, shape = self.tasks[index]
        rows = {control: decoding.flat(chosen) for control, chosen in wanted.items()}
        own, settled = self._answered(index, probabilities)
        answers: dict[str, dict[int, Classes]] = {control: {} for control in wanted}
        for ids in domain.alike("test", shape, EVALUATION_SEED, self.episodes, CHUNK):
            tasks = domain.episodes("test", shape, EVALUATION_SEED, ids).to(State(self.state).device)
            known = {(e, own[e].tobytes()): settled[e] for e in ids if e in settled}
            for control, chosen in wanted.items():
                keys = {e: rows[control][e].tobytes() for e in ids}
                for e, key in keys.items():
                    if (e, key) not in known:
                        same = [o for o in ids if keys[o] == key and (o, key) not in known]
                        architecture = {name: t[e : e + 1] for name, t in chosen.items()}
                        given = self._predicted(tasks.tasks([ids.index(o) for o in same]), architecture)
                        known |= {(o, key): row for o, row in zip(same, given, strict=True)}
                    answers[control][e] = known[e, key]
        return {
            control: np.stack([found[e] for e in range(self.episodes)]) for control, found in answers.items()
        }

    def _answered(
        self, index: int, probabilities: Probabilities
    ) -> tuple[NDArray[np.int64], dict[int, Classes]]:
        """The decoded architectures (E, C) of a task, and the answers (Q,) that were given as decoded."""
        assert self.space is not None
        path = predictions_path(self.folder, task_name(*self.tasks[index]))
        given = result.read_table(path, result.SCHEMA).column("prediction").to_numpy()
        predicted = given.astype(np.int64).reshape(self.episodes, -1)
        settled = np.flatnonzero(decoding.settled(self.space, probabilities))
        own = decoding.flat(decoding.decode(self.space, probabilities))
        return own, {e: predicted[e] for e in settled}

    def _predicted(self, tasks: Episodes, architecture: Chosen) -> Classes:
        """Predicted classes (T, Q) of T tasks under one architecture."""
        adapted = self._adapt(tasks, architecture)
        assert adapted is not None  # it answered before
        probabilities = checked(adapted.predict(tasks.query.x), tasks.query, tasks.spec.ways).numpy(
            force=True
        )
        return probabilities.astype(np.float16).argmax(-1)  # as results round
