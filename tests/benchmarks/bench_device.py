"""Meta-training on a card, beside learn2learn's loop on the same card, in one run; a Markdown table.

    python -m tests.benchmarks.bench_device [--device cuda] [--only conv4|supernet] [--smoke]

An iteration is a method's whole `step`: all tasks' inner steps, the meta-gradient and the outer update, on
random tasks on the card. "no graphs" computes the same without CUDA graphs (`metanas/meta/replay.py`).
learn2learn's loop takes one task after the other, as its examples do, on torch's own modules. --smoke runs
all of it once with tiny sizes, to see that it works.
"""

import argparse
import statistics
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.engine.config import settings_of
from metanas.engine.runtime import Precision, Runtime, driver, name_of
from metanas.method import METHODS, Method, Progress
from metanas.space.sampling import training

WAYS, ROUNDS = 5, 5
OMNIGLOT = TaskSpec("omniglot", "image", (1, 28, 28), WAYS)
CIFAR = TaskSpec("cifar", "image", (3, 32, 32), WAYS)
MINI = (  # the inputs of mini-v1's domains
    TaskSpec("digits", "image", (1, 28, 28), WAYS, classes=16),
    TaskSpec("langid", "text", (24,), WAYS, 257, classes=50),
    TaskSpec("spoken-words", "speech", (40, 64), WAYS, classes=20),
)


@dataclass(frozen=True)
class Case:
    """A row. shots: all are run; the row has their mean. goal: tasks a second if `conv4`, else seconds."""

    label: str
    method: str
    settings: dict[str, Any]
    specs: Sequence[TaskSpec]
    tasks: int
    shots: tuple[int, ...] = (1,)
    queries: int = 1
    goal: float | None = None


def conv4(width: int, down: str, steps: int) -> dict[str, Any]:
    """MAML's network with batch norm, as in `bench_maml.py`."""
    network = {"kind": "conv4", "width": width, "norm": "batch", "down": down, "read": "mean"}
    return {"network": network, "adapts": "weights", "steps": steps, "weight_rate": 0.1, "clip": float("inf")}


STRIDE, POOL = conv4(64, "stride", 1), conv4(32, "pool", 5)
ALL, CNN = {}, {"space": {"strategy": "cnn-only"}}
BOTH: dict[str, Any] = {"shots": (1, 5), "queries": 10}
CONV4 = (
    Case("conv4-64, 28x28, 1 step, second order", "maml", STRIDE, [OMNIGLOT], 16),
    Case("conv4-64, 28x28, 1 step, second order", "maml", STRIDE, [OMNIGLOT], 32),
    Case("conv4-64, 28x28, 1 step, second order", "maml", STRIDE, [OMNIGLOT], 128, goal=5000),
    Case(
        "conv4-32, 32x32, 5 steps, 15 queries, second order", "maml", POOL, [CIFAR], 64, queries=15, goal=1000
    ),
)
SUPERNET = (
    Case("supernet, all families, MAML, second order", "maml", ALL, MINI, 16, goal=0.25, **BOTH),
    Case("supernet, all families, MAML, second order", "maml", ALL, MINI, 2, **BOTH),
    Case("supernet, cnn-only, MAML, second order", "maml", CNN, MINI, 16, **BOTH),
    Case("supernet, all families, metanas-ours", "metanas-ours", ALL, MINI, 16, **BOTH),
    Case("supernet, all families, ProtoNet", "protonet", ALL, MINI, 16, **BOTH),
    Case("drawn single paths, ProtoNet", "protonet", {"space": {"sampling": "uniform"}}, MINI, 16, **BOTH),
    Case(
        "single path of conv3, ProtoNet",
        "protonet",
        {"space": {"ops": ["conv3"]}},
        MINI,
        16,
        goal=0.03,
        **BOTH,
    ),
    Case(
        "single path of gru, ProtoNet", "protonet", {"space": {"ops": ["gru"]}}, MINI, 16, goal=0.03, **BOTH
    ),
)


def random_tasks(spec: TaskSpec, tasks: int, shots: int, queries: int, device: torch.device) -> Episodes:
    """Random tasks on the device; texts and recordings end before the last position."""
    dice = generator(shots, "bench", spec.name)

    def batch(each: int) -> Batch:
        shape = (tasks, spec.ways * each, *spec.input_shape)
        if spec.modality == "text":
            x = torch.randint(1, spec.vocabulary, shape, generator=dice)
            x[..., -3:] = 0
        else:
            x = torch.randn(shape, generator=dice)
            if spec.modality == "speech":
                x[..., -9:] = torch.nan
        return Batch(x, torch.arange(spec.ways).repeat_interleave(each).repeat(tasks, 1))

    classes = torch.stack(
        [torch.randperm(max(spec.classes, WAYS), generator=dice)[:WAYS] for _ in range(tasks)]
    )
    return Episodes(spec, batch(shots), batch(queries), classes).to(device)


def build(case: Case) -> Method:
    """The case's method."""
    kind = METHODS[case.method]
    method: Method = kind(case.specs, settings_of(kind, case.settings))
    return method


def seconds(run: Callable[[], object], device: torch.device, rounds: int, warm_up: int = 3) -> float:
    """The median time of a call, after some that warm up, measure and record."""
    took = []
    warm_up = 0 if rounds == 1 else warm_up
    for i in range(rounds + warm_up):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if i >= warm_up:
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def iteration(case: Case, runtime: Runtime, rounds: int, *, graphs: bool) -> float:
    """Seconds of one meta-iteration, the mean over the case's shots."""
    method = build(case)
    if not graphs:
        method.replay = lambda kind, gradient, learned, episodes: gradient(learned, episodes)  # type: ignore[attr-defined]
    start = runtime.start(method, generator(0, "bench"))
    means = []
    for shots in case.shots:
        batch = [random_tasks(s, case.tasks, shots, case.queries, runtime.place) for s in case.specs]
        state, number = start, 0

        def step(batch: list[Episodes] = batch) -> None:
            nonlocal state, number
            with training(0, number):
                state, losses = method.step(state, Progress(number, 10**6), batch)
            number += 1

        once = rounds == 1 or graphs  # without them an iteration is long, and its first call records nothing
        means.append(seconds(step, runtime.place, rounds if once else 2, 3 if graphs else 1))
    return statistics.mean(means)


def learn2learn_loop(case: Case, device: torch.device, tasks: int, rounds: int) -> float:
    """Tasks a second of learn2learn's MAML on the same network written with torch's modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from learn2learn.algorithms import MAML
    network, spec = case.settings["network"], case.specs[0]
    layers: list[nn.Module] = []
    inputs, pooled = spec.input_shape[0], network["down"] == "pool"
    for _ in range(4):
        layers += [
            nn.Conv2d(inputs, network["width"], 3, stride=1 if pooled else 2, padding=1, bias=False),
            nn.BatchNorm2d(network["width"], track_running_stats=False),
            nn.ReLU(),
            *([nn.MaxPool2d(2)] if pooled else []),
        ]
        inputs = network["width"]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, WAYS)]
    maml = MAML(nn.Sequential(*layers).to(device), lr=case.settings["weight_rate"])
    outer = torch.optim.Adam(maml.parameters(), 1e-3)
    episodes = random_tasks(spec, tasks, 1, case.queries, device)

    def step() -> None:
        outer.zero_grad()
        for task in range(tasks):
            learner = maml.clone()
            for _ in range(case.settings["steps"]):
                learner.adapt(F.cross_entropy(learner(episodes.support.x[task]), episodes.support.y[task]))
            loss = F.cross_entropy(learner(episodes.query.x[task]), episodes.query.y[task])
            (loss / tasks).backward()
        outer.step()

    return tasks / seconds(step, device, rounds, 1)


def conv4_rows(runtime: Runtime, *, smoke: bool) -> None:
    """Tasks a second."""
    print("\n| | tasks | tasks/s | no graphs | learn2learn | times | goal |")
    print("|---|---|---|---|---|---|---|", flush=True)
    theirs: dict[str, float] = {}
    for case in CONV4:
        tasks, rounds = (2, 1) if smoke else (case.tasks, ROUNDS)
        case = small(case) if smoke else case
        if case.label not in theirs:
            theirs[case.label] = attempt(
                lambda case=case, rounds=rounds: learn2learn_loop(  # type: ignore[misc]
                    case, runtime.place, 2 if smoke else 8, min(rounds, 3)
                )
            )
        found = [
            tasks / attempt(lambda g=graphs, case=case, r=rounds: iteration(case, runtime, r, graphs=g))  # type: ignore[misc]
            for graphs in (True, False)
        ]
        ratio = found[0] / theirs[case.label]
        goal = "" if case.goal is None else f"{case.goal:,.0f}"
        print(
            f"| {case.label} | {tasks} | {found[0]:,.0f} | {found[1]:,.0f} | {theirs[case.label]:.0f} "
            f"| {ratio:.0f} | {goal} |",
            flush=True,
        )


def supernet_rows(runtime: Runtime, *, smoke: bool) -> None:
    """Seconds of an iteration."""
    print("\n| 3 domains, 1 and 5 shots | tasks a domain | seconds | no graphs | goal |")
    print("|---|---|---|---|---|", flush=True)
    for case in SUPERNET:
        case, rounds = (small(case), 1) if smoke else (case, ROUNDS)
        found = [
            attempt(lambda g=graphs, case=case, r=rounds: iteration(case, runtime, r, graphs=g))  # type: ignore[misc]
            for graphs in (True, False)
        ]
        goal = "" if case.goal is None else f"{case.goal:g}"
        print(f"| {case.label} | {case.tasks} | {found[0]:.4f} | {found[1]:.4f} | {goal} |", flush=True)
        if runtime.place.type == "cuda":
            torch.cuda.empty_cache()


def small(case: Case) -> Case:
    """The case with tiny sizes."""
    settings = dict(case.settings)
    if "network" in settings:
        settings["network"] = {**settings["network"], "width": 4}
    else:
        settings["space"] = {"channels": 4, "layers": 1, "reductions": [], **settings.get("space", {})}
    return Case(case.label, case.method, settings, case.specs, 2, case.shots[:1], 1, case.goal)


def attempt(run: Callable[[], float]) -> float:
    """The figure; not a number, with the traceback, if it fails: the other rows are still run."""
    try:
        return run()
    except Exception:
        traceback.print_exc()
        return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--only", choices=("conv4", "supernet"))
    parser.add_argument("--smoke", action="store_true")
    words = parser.parse_args()
    precision: Precision = words.precision
    runtime = Runtime(words.device, precision)
    with runtime.active() as place:
        about = f"{name_of(place)}, driver {driver()}" if place.type == "cuda" else cpu_name()
        print(
            f"{date.today()}  {about}, torch {torch.__version__}, {precision}; medians of {ROUNDS} iterations"
        )
        if words.only != "supernet":
            conv4_rows(runtime, smoke=words.smoke)
        if words.only != "conv4":
            supernet_rows(runtime, smoke=words.smoke)
        if place.type == "cuda":
            print(f"\npeak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
