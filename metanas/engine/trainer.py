"""The meta-training loop of all methods: iterate, log, checkpoint, resume, stop early.

Meta-batches are a pure function of (seed, iteration) and `Method.step` is one of (state, iteration, batch),
so a run that was killed and resumed ends with the same parameters as an uninterrupted one.

An accelerator works while Python prepares the next iteration, so what must be read of an iteration (its
losses, and whether all is finite) is read `LAG` iterations later there. On the CPU it is read at once.
"""

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from metanas.base import distributed, json_text
from metanas.base.atomic import write_atomically
from metanas.base.errors import MetanasError
from metanas.base.seeding import generator
from metanas.data.meta_batches import MetaBatchSampler, batches
from metanas.engine import returned
from metanas.engine.checkpoint import Trained, check_fits, load, save_checkpoint
from metanas.engine.early_stopping import VALIDATION, EarlyStop
from metanas.engine.runtime import CPU, Runtime, name_of
from metanas.engine.validation import EARLY_TASKS, Select
from metanas.method import Method, Metrics, Progress, State
from metanas.space.sampling import training

SAVE_EVERY = 10.0  # seconds between checkpoints
LAG = 2  # iterations that an accelerator may be ahead of what was read of it


class TrainError(MetanasError):
    """Meta-training cannot continue, or a run lacks what was to be trained."""


def meta_train(
    method: Method,
    sampler: MetaBatchSampler,
    iterations: int,
    folder: Path,
    *,
    workers: int = 0,
    runtime: Runtime = CPU,
    stop: EarlyStop | None = None,
    select: Select | None = None,
    on_progress: Callable[[int], None] = lambda iteration: None,
    log: Callable[[dict[str, float]], None] = lambda row: None,
) -> Trained:
    """Train up to `iterations`, starting from the checkpoint in `folder` if there is one.

    workers: background processes that draw meta-batches ahead; the result does not depend on them. runtime:
    where to train; a checkpoint of another device goes on there. stop: end with the state that is best on
    meta-validation. select: what follows training (`Method.select`), and happens in
    between at `Method.selects_at`. log: receives every row of
    metrics.jsonl. Of several processes only the first one writes. TrainError for a loss or a state that is
    not finite; the state before that iteration is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "state.safetensors"
    place, current = runtime.place, _begin(method, path, runtime, sampler.seed)
    metrics = folder / "metrics.jsonl"
    rows = _rows_before(metrics, current.iteration)
    distributed.barrier()  # no process writes before all have read
    last_save = time.monotonic()
    end = iterations if method.trains and not current.done else current.iteration
    selects = {math.ceil(share * iterations) for share in method.selects_at()} if select else set()
    meta_batches = batches(sampler, range(current.iteration, end), workers)
    lag = 0 if place.type == "cpu" else LAG
    unread: deque[_Step] = deque()

    def read(step: _Step, began: float) -> None:
        if problem := step.problem():
            _save(path, metrics, step.before, rows)
            raise TrainError(
                f"{problem} after iteration {step.before.iteration + 1}; lower a learning rate "
                f"({_rates(method)}). The state before this iteration is kept in {path}"
            )
        if stop is not None and step.is_due:
            step.row[VALIDATION] = stop.accuracy(step.state)
        step.row["seconds"] = round(time.monotonic() - began, 3)
        rows.append(json.dumps(step.row))
        log(step.row)
        on_progress(step.before.iteration + 1)

    while current.iteration < end and not current.done:
        began = time.monotonic() - current.seconds
        if select is not None and current.iteration in selects:  # again after a kill: it depends on the state
            current = replace(current, state=State(select(current.state, EARLY_TASKS)))
        progress, after = Progress(current.iteration, iterations), current.iteration + 1
        batch = [episodes.to(place) for episodes in next(meta_batches)]
        with training(sampler.seed, current.iteration, current.state.probabilities):
            state, losses = returned.stepped(method, method.step(current.state, progress, batch))
        is_due = stop is not None and stop.due(after, iterations)
        saves = time.monotonic() - last_save > SAVE_EVERY
        unread.append(_Step(current, state, losses, is_due=is_due))
        while len(unread) > (0 if is_due or saves or after == end else lag):
            read(unread.popleft(), began)
        current = replace(current, state=state, iteration=after, seconds=time.monotonic() - began)
        if stop is not None and is_due:
            best = _after_validation(current, stop, rows, folder / "best.safetensors", is_last=after == end)
            current = replace(best, state=best.state.to(place))
        if saves:
            _save(path, metrics, current, rows)
            last_save = time.monotonic()
    if select is not None and not current.selected and (current.done or current.iteration >= end):
        began, state = time.monotonic(), State(select(current.state))
        seconds = current.seconds + time.monotonic() - began
        current = replace(current, state=state, seconds=seconds, selected=True)
    _save(path, metrics, current, rows)
    return current


def _begin(method: Method, path: Path, runtime: Runtime, seed: int) -> Trained:
    """The checkpoint at `path`, or the state before meta-training; on the runtime's device."""
    here, saved = name_of(runtime.place), load(path)
    if saved is None:
        return Trained(runtime.start(method, generator(seed, "start")), 0, 0.0, devices=(here,))
    check_fits(saved.state, State(method.start(generator(seed, "start"))), path)
    if saved.devices[-1] != here:
        logging.getLogger("metanas").warning(
            "%s was trained on %s until iteration %d and goes on on %s: the last digits differ from those of "
            "a run on one device",
            path.parent.name,
            saved.devices[-1],
            saved.iteration,
            here,
        )
        saved = replace(saved, devices=(*saved.devices, here))
    return replace(saved, state=runtime.take(method, saved.state))


class _Step:
    """One iteration: the state before and after it, its losses, and its row of metrics.jsonl."""

    def __init__(self, before: Trained, state: State, losses: Metrics, *, is_due: bool) -> None:
        self.before, self.state, self.losses = before, state, losses
        self.is_due = is_due  # for a validation
        self.row: dict[str, float] = {"iteration": before.iteration + 1, "seconds": 0.0}
        self._totals = _totals(state)

    def problem(self) -> str:
        """Reads the losses into the row. What of the iteration is not finite; empty if all is."""
        self.row |= {name: float(value) for name, value in self.losses.items()}
        return _divergence(self.state, self.row, self._totals)


def _totals(state: State) -> list[Tensor]:
    """Sums of the norms of a state's floating-point tensors, one per device and dtype.

    Not finite if a number is not, or if its square is not: the next iteration would be of no use.
    """
    kinds: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for t in state.values():
        if t.is_floating_point() and t.numel():
            kinds.setdefault((t.device, t.dtype), []).append(t)
    return [torch.stack(list(torch._foreach_norm(group))).sum() for group in kinds.values()]


def _divergence(state: State, losses: dict[str, float], totals: list[Tensor]) -> str:
    """What of an iteration's result is not finite; empty if all is."""
    for name, value in losses.items():
        if not math.isfinite(value):
            return f"the loss of {name} is {value}"
    if not all(math.isfinite(float(total)) for total in totals):
        for name, t in state.items():
            if t.is_floating_point() and not bool(torch.isfinite(t).all()):
                return f"{name} is not finite"
        sizes = {n: float(t.abs().max()) for n, t in state.items() if t.is_floating_point() and t.numel()}
        largest = max(sizes, key=lambda name: sizes[name])
        return f"{largest} reaches {sizes[largest]:.0e}, whose square is not finite,"
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
    return replace(current, state=best.state, done=True)


def _save(path: Path, metrics: Path, current: Trained, rows: list[str]) -> None:
    if distributed.rank() == 0:
        write_atomically(metrics, "".join(row + "\n" for row in rows).encode())
        save_checkpoint(path, current)


def _rows_before(path: Path, iteration: int) -> list[str]:
    """The rows of metrics.jsonl up to the checkpoint; later iterations are computed again."""
    if not path.exists():
        return []
    remedy = f"delete {path.parent} to start again"
    rows = json_text.read_lines(path, remedy, keys=("iteration",))
    source = str(path)
    return [
        json.dumps(row) for row in rows if json_text.number(row, "iteration", source, remedy) <= iteration
    ]
