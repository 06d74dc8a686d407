"""Two ways to compute faster that the product does not use: torch.compile and torch's own recurrent kernels.

    python -m tests.benchmarks.bench_levers [--device cpu]

torch.compile: loss and first-order gradients of 2 tasks' support sets (5-way 5-shot) by a network's
functional forward, as ProtoNet's step computes them, against the same without it. A compilation that takes
longer than --limit seconds is given up. (A second-order gradient cannot be compiled: its first gradient is
taken inside, by autograd functions of ours.)
Recurrent kernels: torch.nn.GRU and LSTM against the ops `gru` and `lstm`, forward and first-order backward,
at the sizes of mini-v1's texts, images and recordings.
One thread; medians of ROUNDS after two to warm up.
"""

import argparse
import signal
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import date

import torch
import torch._inductor.compile_fx  # before a row can give its import up, which would break the later ones
from torch import Tensor, nn

from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.build import build
from metanas.models.network import features
from metanas.models.ops import OPS
from metanas.params import Params
from metanas.space.network_config import NetworkConfig
from metanas.space.space import SearchSpace
from tests.benchmarks.bench_device import MINI, OMNIGLOT, random_tasks

ROUNDS = 7
CONV4 = NetworkConfig("conv4", down="stride", norm="batch", read="mean")
COMPILED: dict[str, tuple[NetworkConfig, SearchSpace, TaskSpec]] = {
    "conv4-64, 28x28": (CONV4, SearchSpace(), OMNIGLOT),
    "single path of conv3, image": (NetworkConfig(), SearchSpace(ops=("conv3",)), MINI[0]),
    "single path of gru, text": (NetworkConfig(), SearchSpace(ops=("gru",)), MINI[1]),
    "single path of attn, recording": (NetworkConfig(), SearchSpace(ops=("attn",)), MINI[2]),
    "supernet, cnn-only, image": (NetworkConfig(), SearchSpace(strategy="cnn-only"), MINI[0]),
    "supernet, all, text": (NetworkConfig(), SearchSpace(), MINI[1]),
}
SIZES = {"text, 24 tokens": (24, 1), "image, 7x7": (7, 7), "recording, 10x16": (10, 16)}


def milliseconds(run: Callable[[], object], device: torch.device) -> float:
    """The median time of a call."""
    took = []
    for _ in range(ROUNDS + 2):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took[2:])


def compiled_row(name: str, device: torch.device, limit: int) -> str:
    """Eager and compiled milliseconds, and the seconds of compilation."""
    config, space, spec = COMPILED[name]
    net = build(config, space, [spec]).to(device)
    start = net.init(generator(0, "bench"))
    weights, arch = (
        {k: t.detach().to(device).requires_grad_() for k, t in part.items()}
        for part in (start.weights, start.arch)
    )
    x = random_tasks(spec, 2, 5, 1, device).support.x.flatten(0, 1)
    leaves = [*weights.values(), *arch.values()]

    def loss(weights: dict[str, Tensor], arch: dict[str, Tensor], x: Tensor) -> Tensor:
        return features(net, Params(weights, arch), x, spec).square().mean()

    def step(loss: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(weights, arch, x), leaves, allow_unused=True)

    eager, began = milliseconds(step(loss), device), time.perf_counter()
    try:
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(limit)
        fast = step(torch.compile(loss, dynamic=False))
        fast()
        signal.alarm(0)
    except Exception as error:  # whatever the compiler raises is this row's result
        signal.alarm(0)
        torch._dynamo.reset()
        took = time.perf_counter() - began
        return f"| {name} | {eager:.1f} | {type(error).__name__} | | {took:.0f} |"
    took = time.perf_counter() - began
    now = milliseconds(fast, device)
    return f"| {name} | {eager:.1f} | {now:.1f} | {eager / now:.2f} | {took:.0f} |"


def _give_up(*_: object) -> None:
    raise TimeoutError


def recurrent_row(op: str, size: str, device: torch.device, channels: int = 32, examples: int = 50) -> str:
    """Milliseconds of forward and backward, ours and torch's."""
    height, width = SIZES[size]
    ours, theirs = OPS[op](channels).to(device), {"gru": nn.GRU, "lstm": nn.LSTM}[op](channels, channels)
    theirs = theirs.to(device)
    x = torch.randn(examples, channels, height, width, generator=generator(0, "bench")).to(device)
    x.requires_grad_()
    tokens = x.detach().flatten(2).permute(2, 0, 1).contiguous().requires_grad_()

    def own() -> object:
        return torch.autograd.grad(ours(x, None).square().sum(), [x, *ours.parameters()])

    def native() -> object:
        return torch.autograd.grad(theirs(tokens)[0].square().sum(), [tokens, *theirs.parameters()])

    a, b = milliseconds(own, device), milliseconds(native, device)
    return f"| {op}, {size} | {a:.1f} | {b:.1f} | {a / b:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, default=120, help="seconds for one compilation")
    wanted = parser.parse_args()
    device = torch.device(wanted.device)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{cpu_name()}, {device}, torch {torch.__version__}, {date.today()}")
    print("\n| op | ours, ms | torch's, ms | times |\n|---|---|---|---|")
    for op in ("gru", "lstm"):
        for size in SIZES:
            print(recurrent_row(op, size, device), flush=True)
    print("\n| gradients of | ms | compiled, ms | times | compilation, s |\n|---|---|---|---|---|")
    for name in COMPILED:
        print(compiled_row(name, device, wanted.limit), flush=True)


if __name__ == "__main__":
    main()
