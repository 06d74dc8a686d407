"""Ask a trained method for predictions: on the pinned test episodes, or on meta-validation episodes.

The method gets support sets and query inputs, never query labels. Queries go in together for speed; that this
changes nothing is checked on the first episodes of every task (`check_independent`), unless the method
declares itself transductive. What comes out is written by `evaluation/result.py` and scored without torch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metanas.base import distributed
from metanas.base.errors import MetanasError
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, Batch, Episodes, EpisodeShape, Split, TaskSpec, moved
from metanas.engine import returned
from metanas.engine.returned import ProtocolError
from metanas.engine.seed_run import ProgressCallback, SeedRun, predictions_path, task_name
from metanas.evaluation import choices, result
from metanas.method import Adapted, Method, State
from metanas.params import Tensors

CHUNK = 10  # episodes adapted side by side


class Diverged(MetanasError):
    """Adapting to a support set gave numbers that are not finite."""


@dataclass(frozen=True)
class Evaluated:
    """Predictions of one task: class probabilities (E, Q, ways) of the queries of E episodes.

    arch: adapted architecture logits (E, ...) by name, None for a method without an architecture.
    """

    probabilities: NDArray[np.float32]
    arch: dict[str, Tensor] | None


@dataclass(frozen=True)
class Answered:
    """Some episodes and a method's class probabilities (T, Q, ways) for their queries, on the CPU.

    x: the query inputs where the learner is.
    """

    tasks: Episodes
    x: Tensor
    adapted: Adapted
    probabilities: Tensor
    ids: list[int]  # the numbers of the episodes
    done: int  # episodes answered so far, these included


def answers(
    method: Method,
    state: State,
    domain: Domain,
    split: Split,
    shape: EpisodeShape,
    seed: int,
    episodes: int,
    *,
    arch: Tensors | None = None,
) -> Iterator[Answered]:
    """Adapt to episodes 0..episodes-1 of (seed, split), some side by side, and predict their queries.

    The one loop of test and meta-validation, on the state's device; in order, but for drawn ways, of which
    equal ones lie side by side. arch: hard logits by group, the same for all episodes
    (`Method.adapt_with`); None: the method's own. ProtocolError for probabilities that are none.
    """
    device, done = State(state).device, 0
    for ids in domain.alike(split, shape, seed, episodes, CHUNK):
        tasks, done = domain.episodes(split, shape, seed, ids), done + len(ids)
        x, support = moved(tasks.query.x, device), tasks.support.to(device)
        adapted = returned.adapted(method, _adapted(method, state, tasks.spec, support, arch))
        probabilities = checked(adapted.predict(x), tasks.query, tasks.spec.ways)
        yield Answered(tasks, x, adapted, probabilities, ids, done)


def _adapted(
    method: Method, state: State, spec: TaskSpec, support: Batch, arch: Tensors | None
) -> Adapted | None:
    """`Method.adapt`, or `adapt_with` with the given architecture for each task of the support set."""
    if arch is None:
        return method.adapt(state, spec, support)
    device, tasks = support.y.device, len(support.y)
    each = {name: t.to(device).expand(tasks, *t.shape) for name, t in arch.items()}
    return method.adapt_with(state, spec, support, each)


def in_order(parts: Sequence[Tensor], ids: Sequence[int]) -> Tensor:
    """The rows of the parts, which are of these episodes, by the episodes' numbers."""
    together = torch.cat(list(parts))
    return together if list(ids) == sorted(ids) else together[torch.tensor(ids).argsort()]


def right_answers(
    method: Method,
    state: State,
    domain: Domain,
    split: Split,
    shape: EpisodeShape,
    seed: int,
    episodes: int,
    *,
    arch: Tensors | None = None,
) -> NDArray[np.uint16]:
    """How many queries of each of these episodes are answered rightly (E,); see `answers`."""
    parts, ids = list[Tensor](), list[int]()
    for part in answers(method, state, domain, split, shape, seed, episodes, arch=arch):
        parts.append((part.probabilities.argmax(-1) == part.tasks.query.y).sum(-1))
        ids += part.ids
    return in_order(parts, ids).numpy().astype(np.uint16)


def evaluate(
    method: Method,
    state: State,
    domain: Domain,
    shape: EpisodeShape,
    episodes: int,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Evaluated:
    """Predictions on the pinned test episodes 0..episodes-1 of this domain and shape.

    Where ways are drawn, classes that an episode does not have get probability 0.
    """
    parts, ids = list[Tensor](), list[int]()
    archs: list[dict[str, Tensor]] = []
    for part in answers(method, state, domain, "test", shape, EVALUATION_SEED, episodes):
        if not parts and not method.transductive:
            check_independent(part.adapted, part.x, part.probabilities)
        parts.append(F.pad(part.probabilities, (0, shape.ways - part.probabilities.shape[-1])))
        ids += part.ids
        if part.adapted.arch:
            archs.append({name: t.cpu() for name, t in part.adapted.arch.items()})
        on_progress(part.done)
    arch = {name: in_order([a[name] for a in archs], ids) for name in archs[0]} if archs else None
    return Evaluated(in_order(parts, ids).numpy(), arch)


def predict_tasks(
    seed_run: SeedRun,
    method: Method,
    state: State,
    tasks: Sequence[tuple[Domain, EpisodeShape]],
    report: ProgressCallback,
    *,
    folder: Path | None = None,
) -> None:
    """Write the predictions on every task that has none yet, each with the seconds it took.

    folder: where they go, if not to the seed run's own. Several processes share the tasks.
    """
    folder = folder or seed_run.path
    done, episodes = 0, seed_run.config.budget.eval_episodes
    for index, (domain, shape) in enumerate(tasks):
        before, name = done, task_name(domain, shape)
        mine = index % distributed.world_size() == distributed.rank()
        if mine and not predictions_path(folder, name).exists():
            began = time.monotonic()
            evaluated = evaluate(
                method,
                state,
                domain,
                shape,
                episodes,
                on_progress=lambda e, name=name, before=before: report(f"testing {name}", before + e),  # type: ignore[misc]
            )
            seconds = time.monotonic() - began
            choices.keep(folder, name, seed_run.seed, evaluated.arch)
            table = result.table(name, seed_run.seed, 0, evaluated.probabilities)
            result.write_table(predictions_path(folder, name), table, seconds=seconds)
        done += episodes
        report(f"testing {name}", done)


def checked(found: Tensor, query: Batch, ways: int) -> Tensor:
    """ProtocolError unless every query has probabilities that sum to 1; Diverged if they are not finite."""
    probabilities = returned.predicted(found, query, ways)
    if lost := int((~probabilities.isfinite().all(-1)).sum()):
        raise Diverged(
            f"the predictions for {lost} of {query.y.numel()} queries are not finite: adapting to the "
            "support set diverged; lower a learning rate (--set weight_rate=...) or the number of test_steps"
        )
    sums = probabilities.sum(-1)
    if not torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        raise ProtocolError(
            f"probabilities must sum to 1, got sums from {sums.min():.4f} to {sums.max():.4f}"
        )
    return probabilities.detach().float().cpu()


def check_independent(adapted: Adapted, x: Tensor, together: Tensor) -> None:
    """ProtocolError if a query's prediction changes when it is asked alone. x: (T, Q, *input_shape)."""
    for query in range(0, x.shape[1], max(1, x.shape[1] // 5)):
        by_itself = adapted.predict(x[:, query : query + 1])[:, 0]
        gap = float((by_itself.cpu() - together[:, query].cpu()).abs().max())
        if gap > 1e-3:
            raise ProtocolError(
                f"predictions depend on the other queries (probability of query {query} differs by {gap:.3g} "
                "when it is asked alone); declare the method `transductive = True`"
            )
