"""The meta-training loop of all methods: iterate, log, checkpoint, resume, stop early.

Meta-batches are a pure function of (seed, iteration) and `Method.step` is one of (state, iteration, batch),
so a run that was killed and resumed ends with the same parameters as an uninterrupted one.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import torch

from metanas.base import distributed
from metanas.base.atomic import write_atomically
from metanas.base.errors import MetanasError
from metanas.base.seeding import generator
from metanas.data.meta_batches import MetaBatchSampler, batches
from metanas.engine.checkpoint import Trained, load, save_checkpoint
from metanas.engine.early_stopping import VALIDATION, EarlyStop
from metanas.method import Method, Metrics, Progress, State
from metanas.space.sampling import training

SAVE_EVERY = 10.0  # seconds between checkpoints


class TrainError(MetanasError):
    """Meta-training cannot continue, or a run lacks what was to be trained."""


def meta_train(
    method: Method,
    sampler: MetaBatchSampler,
    iterations: int,
    folder: Path,
    *,
    workers: int = 0,
    stop: EarlyStop | None = None,
    select: Callable[[State], State] | None = None,
    on_progress: Callable[[int], None] = lambda iteration: None,
    log: Callable[[dict[str, float]], None] = lambda row: None,
) -> Trained:
    """Train up to `iterations`, starting from the checkpoint in `folder` if there is one.

    workers: background processes that draw meta-batches ahead; the result does not depend on them. stop: end
    with the state that is best on meta-validation. select: what follows training (`Method.select`). log:
    receives every row of metrics.jsonl. Of several processes only the first one writes. TrainError for a loss
    or a state that is not finite; the state before that iteration is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "state.safetensors"
    current = load(path) or Trained(State(method.start(generator(sampler.seed, "start"))), 0, 0.0)
    metrics = folder / "metrics.jsonl"
    rows = _rows_before(metrics, current.iteration)
    distributed.barrier()  # no process writes before all have read
    last_save = time.monotonic()
    end = iterations if method.trains and not current.done else current.iteration
    meta_batches = batches(sampler, range(current.iteration, end), workers)
    while current.iteration < end and not current.done:
        step_start = time.monotonic()
        progress = Progress(current.iteration, iterations)
        with training(sampler.seed, current.iteration, current.state.probabilities):
            state, losses = method.step(current.state, progress, next(meta_batches))
        state = State(state)
        if problem := _divergence(state, losses):
            _save(path, metrics, current, rows)
            raise TrainError(
                f"{problem} after iteration {current.iteration + 1}; lower a learning rate "
                f"({_rates(method)}). The state before this iteration is kept in {path}"
            )
        row: dict[str, float] = {"iteration": current.iteration + 1, "seconds": 0.0, **losses}
        if stop is not None and stop.due(current.iteration + 1, iterations):
            row[VALIDATION] = stop.accuracy(state)
        seconds = current.seconds + time.monotonic() - step_start
        current = Trained(state, current.iteration + 1, seconds)
        row["seconds"] = round(current.seconds, 3)
        rows.append(json.dumps(row))
        log(row)
        on_progress(current.iteration)
        if stop is not None and VALIDATION in row:
            is_last = current.iteration == iterations
            current = _after_validation(current, stop, rows, folder / "best.safetensors", is_last=is_last)
        if time.monotonic() - last_save > SAVE_EVERY:
            _save(path, metrics, current, rows)
            last_save = time.monotonic()
    if select is not None and not current.selected and (current.done or current.iteration >= end):
        began, state = time.monotonic(), State(select(current.state))
        seconds = current.seconds + time.monotonic() - began
        current = replace(current, state=state, seconds=seconds, selected=True)
    _save(path, metrics, current, rows)
    return current


def _divergence(state: State, losses: Metrics) -> str:
    """What of an iteration's result is not finite; empty if all is."""
    for name, value in losses.items():
        if not math.isfinite(value):
            return f"the loss of {name} is {value}"
    floats = {name: t for name, t in state.items() if t.is_floating_point() and t.numel()}
    if floats and not math.isfinite(float(torch.stack([t.sum().float() for t in floats.values()]).sum())):
        for name, t in floats.items():
            if not bool(torch.isfinite(t).all()):
                return f"{name} is not finite"
    return ""


def _rates(method: Method) -> str:
    """The learning rates of a method, as one sets them: weight_rate=0.1, outer_weight_rate=0.003."""
    settings = getattr(method, "settings", None)
    names = [f.name for f in fields(settings)] if is_dataclass(settings) else []
    rates = [f"{name}={getattr(settings, name):g}" for name in names if name.endswith("_rate")]
    return f"now {', '.join(rates)}" if rates else "--set ..."


def _after_validation(
    current: Trained, stop: EarlyStop, rows: list[str], best_path: Path, *, is_last: bool
) -> Trained:
    """Save a new best state to `best_path`; when training ends, return the best state with `done` set."""
    accuracies = [row[VALIDATION] for row in map(json.loads, rows) if VALIDATION in row]
    if accuracies.index(max(accuracies)) == len(accuracies) - 1:
        save_checkpoint(best_path, current)
    distributed.barrier()
    if not is_last and not stop.over(accuracies):
        return current
    best = load(best_path)
    assert best is not None  # the first validation saved one
    return Trained(best.state, current.iteration, current.seconds, done=True)


def _save(path: Path, metrics: Path, current: Trained, rows: list[str]) -> None:
    if distributed.rank() == 0:
        write_atomically(metrics, "".join(row + "\n" for row in rows).encode())
        save_checkpoint(path, current)


def _rows_before(path: Path, iteration: int) -> list[str]:
    """The rows of metrics.jsonl up to the checkpoint; later iterations are computed again."""
    rows = path.read_text().splitlines() if path.exists() else []
    return [row for row in rows if json.loads(row)["iteration"] <= iteration]
