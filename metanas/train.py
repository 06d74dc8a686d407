"""Meta-training: run a method's iterations, checkpoint, resume; the same loop for every method.

Episodes are a pure function of (seed, iteration) and `Method.step` is one of (state, iteration), so a run
that was killed and resumed ends with the same numbers as an undisturbed one.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from metanas import parallel
from metanas.disk import write_atomically
from metanas.domain import Domain
from metanas.episode import Episodes, EpisodeShape
from metanas.method import Method, Moment, State
from metanas.seeding import generator
from metanas.stopping import VALIDATION, EarlyStop
from metanas.store import DataError

SAVE_EVERY = 10.0  # seconds


class TrainError(RuntimeError):
    """Meta-training cannot go on."""


@dataclass(frozen=True)
class Source:
    """Where meta-training tasks come from: every iteration has `tasks` episodes of each domain.

    Domains without meta-train classes are left out. The shapes of a domain (`Suite.train_shapes`) are
    taken in turn by iteration, so that one learner serves 1 and 5 shots.
    """

    domains: Sequence[Domain]
    shapes: Callable[[str], Sequence[EpisodeShape]]
    tasks: int
    seed: int

    def batch(self, iteration: int) -> list[Episodes]:
        """The tasks of one iteration, one `Episodes` per domain."""
        ids = range(iteration * self.tasks, (iteration + 1) * self.tasks)
        return [
            domain.episodes("train", shapes[iteration % len(shapes)], self.seed, ids)
            for domain in self.domains
            if domain.trains
            for shapes in [self.shapes(domain.name)]
        ]


@dataclass(frozen=True)
class Trained:
    """A state, after how many iterations, and how many seconds they took; done: stopped early."""

    state: State
    iteration: int
    seconds: float
    done: bool = False


def meta_train(
    method: Method,
    source: Source,
    iterations: int,
    folder: Path,
    *,
    stop: EarlyStop | None = None,
    tell: Callable[[int], None] = lambda iteration: None,
    log: Callable[[dict[str, float]], None] = lambda row: None,
) -> Trained:
    """Train to `iterations`, from the checkpoint in `folder` if there is one.

    stop: end earlier, with the state that was best on meta-validation. Of several processes the first one
    writes. TrainError on a loss that is not finite; the last good checkpoint is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "state.safetensors"
    now = load(path) or Trained(method.start(generator(source.seed, "start")), 0, 0.0)
    metrics = folder / "metrics.jsonl"
    rows = _rows_before(metrics, now.iteration)
    parallel.wait()  # nobody writes before all have read
    saved = time.monotonic()
    while method.trains and now.iteration < iterations and not now.done:
        began = time.monotonic()
        moment = Moment(now.iteration, iterations)
        state, losses = method.step(now.state, moment, source.batch(now.iteration))
        if bad := [name for name, value in losses.items() if not math.isfinite(value)]:
            raise TrainError(
                f"the loss of {bad[0]} is {losses[bad[0]]} at iteration {now.iteration}; lower the rates "
                f"(--set ...). The last good checkpoint is {path}"
            )
        row: dict[str, float] = {"iteration": now.iteration + 1, "seconds": 0.0, **losses}
        if stop is not None and stop.due(now.iteration + 1, iterations):
            row[VALIDATION] = stop.accuracy(state)
        now = Trained(state, now.iteration + 1, now.seconds + time.monotonic() - began)
        row["seconds"] = round(now.seconds, 3)
        rows.append(json.dumps(row))
        log(row)
        tell(now.iteration)
        if stop is not None and VALIDATION in row:
            now = _checked(now, stop, rows, folder / "best.safetensors", last=now.iteration == iterations)
        if time.monotonic() - saved > SAVE_EVERY:
            _save(path, metrics, now, rows)
            saved = time.monotonic()
    _save(path, metrics, now, rows)
    return now


def _checked(now: Trained, stop: EarlyStop, rows: list[str], best: Path, *, last: bool) -> Trained:
    """Keep the best state beside; at the end of patience or of training, go back to it."""
    checks = [row[VALIDATION] for row in map(json.loads, rows) if VALIDATION in row]
    if checks.index(max(checks)) == len(checks) - 1:
        _keep(best, now)
    parallel.wait()
    if not last and not stop.over(checks):
        return now
    found = load(best)
    assert found is not None  # the first check kept one
    return Trained(found.state, now.iteration, now.seconds, done=True)


def checkpoint(run: Path, seed: int) -> Trained:
    """What a run has learned with this seed. DataError if its checkpoint is damaged or not there."""
    found = load(run / f"seed{seed}" / "state.safetensors")
    if found is None:
        raise DataError(f"{run} has no checkpoint of seed {seed}: it was not trained, or deleted")
    return found


def load(path: Path) -> Trained | None:
    """The checkpoint at `path`, None if there is none. DataError if it is damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["about"])
            names = about.get("names") or file.keys()  # safetensors sorts; a method may count on its order
            state = {name: file.get_tensor(name) for name in names}
        done = bool(about.get("done", False))
        return Trained(state, int(about["iteration"]), float(about["seconds"]), done)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"the checkpoint {path} is damaged ({error}); delete it to start again") from error


def _save(path: Path, metrics: Path, now: Trained, rows: list[str]) -> None:
    if parallel.rank() == 0:
        write_atomically(metrics, "".join(row + "\n" for row in rows).encode())
        _keep(path, now)


def _keep(path: Path, now: Trained) -> None:
    if parallel.rank() == 0:
        about = {"iteration": now.iteration, "seconds": now.seconds, "names": list(now.state)}
        about |= {"done": True} if now.done else {}
        state = {name: t.contiguous() for name, t in now.state.items()}
        write_atomically(path, save(state, {"about": json.dumps(about)}))


def _rows_before(path: Path, iteration: int) -> list[str]:
    """Metric rows up to the checkpoint; what came after it will be computed again."""
    rows = path.read_text().splitlines() if path.exists() else []
    return [row for row in rows if json.loads(row)["iteration"] <= iteration]
