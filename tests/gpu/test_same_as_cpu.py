"""Every method computes on a CUDA card what it computes on the CPU."""

import math

import pytest
import torch

from metanas.base.seeding import generator
from metanas.engine.predict import checked
from metanas.engine.runtime import CPU
from metanas.method import METHODS, Progress, State
from metanas.space.network_config import NETWORKS
from tests.gpu.problems import CUDA, TOTAL, decided, double, in_double, made, sampler, specs_of, tasks

pytestmark = pytest.mark.gpu
NETWORK_CASES = [
    (m, kind, norm) for kind in NETWORKS for m in ("maml", "protonet") for norm in ("layer", "batch")
]


@pytest.mark.parametrize("name", list(METHODS))
def test_a_step_in_float64_equals_the_cpus(name: str) -> None:
    compare_steps(name)


@pytest.mark.parametrize(("name", "kind", "norm"), NETWORK_CASES)
def test_a_step_of_a_network_in_float64_equals_the_cpus(name: str, kind: str, norm: str) -> None:
    compare_steps(name, network={"kind": kind, "width": 8, "norm": norm})


def compare_steps(name: str, **settings: object) -> None:
    """Three steps (the second is recorded, the third replayed) and one in each later phase."""
    specs = specs_of(name)
    here, there = (made(name, specs, **settings) for _ in range(2))
    if not here.trains:
        pytest.skip("it does not meta-train")
    state = here.start(generator(0, "gpu"))
    cpu, cuda = torch.device("cpu"), CUDA.place
    with CUDA.active():
        for iteration in (0, 1, 2, *(math.ceil(phase * TOTAL) for phase in here.phases())):
            batch, progress = sampler(specs)[iteration], Progress(min(iteration, TOTAL - 1), TOTAL)
            ours = there.step(double(there, state, cuda), progress, [in_double(e, cuda) for e in batch])[0]
            state = State(
                here.step(double(here, state, cpu), progress, [in_double(e, cpu) for e in batch])[0]
            )
            for key, value in state.items():
                torch.testing.assert_close(
                    ours[key].cpu(), value, rtol=1e-8, atol=1e-8, msg=lambda m, key=key: f"{key}: {m}"
                )


@pytest.mark.parametrize("name", list(METHODS))
def test_answers_in_float32_agree(name: str) -> None:
    assert agreement(name) >= 0.995


def agreement(name: str) -> float:
    """The share of queries with the same answer.

    Architecture logits are spread, as after training: between equal ones rounding would choose.
    """
    specs, answers = specs_of(name), []
    for runtime in (CPU, CUDA):
        method = made(name, specs)
        with runtime.active():
            state, found = decided(runtime.start(method, generator(0, "gpu"))), []
            for spec in specs:
                episodes = tasks(spec, 100, count=20, queries=6)
                support, x = episodes.support.to(runtime.place), episodes.query.to(runtime.place).x
                predicted = method.adapt(state, spec, support).predict(x)
                found.append(checked(predicted, episodes.query, spec.ways).argmax(-1))
        answers.append(torch.stack(found))
    return float((answers[0] == answers[1]).double().mean())
