"""How much exact merging saves: forward and backward of the default supernet, in one run, medians.

    python -m tests.benchmarks.bench_supernet

Each pass is one forward and backward of the loss for weights and architecture, batch 80, on images of
28 x 28 and on speech of 64 bands x 64 frames; and the layers alone, on maps of 28 x 28 (convolution, pooling
and skip only: attention over 784 positions would hide the rest). Merged; merge=False (the plain sum);
`Darts`, a straight rewriting of DARTS' MixedOp and cell-free chain with torch modules, which shares no code
with ours; and `bound`, one candidate of 5x5 and those that cannot be merged: merging can never be faster.
Passes alternate, so that a busy moment hits all. Peak memory is what a pass allocates at most beyond what lay
there before, in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metanas.base.machine import cpu_name
from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.models.network import stem_name
from metanas.models.ops import Linear
from metanas.models.supernet import SuperNet
from metanas.params import Params, detach, tensors
from metanas.space.candidates import OPS
from metanas.space.sizes import HALVINGS
from metanas.space.space import SearchSpace

SPATIAL = (
    "conv1",
    "conv3",
    "conv5",
    "sepconv3",
    "sepconv5",
    "dilconv3",
    "maxpool3",
    "avgpool3",
    "skip",
    "none",
)
FAMILIES = {
    "CNN, pooling, skip": SPATIAL,
    "all families": (*SPATIAL, "gru", "lstm", "attn", "fc", "fc-global"),
}
SPECS = {
    "image 28x28": TaskSpec("image", "image", (1, 28, 28), 5),
    "speech 64x64": TaskSpec("speech", "speech", (64, 64), 5),
    "maps 28x28": TaskSpec("maps", "image", (32, 28, 28), 5),  # layers alone: no stem makes the maps smaller
}
BATCH, ROUNDS = 80, 5
Pass = Callable[[], float]


class Given(nn.Module):
    """No stem: the input is the feature map."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x, None


class RowMajor(nn.Module):
    """torch's own RNN over the positions."""

    def __init__(self, kind: type[nn.RNNBase], channels: int) -> None:
        super().__init__()
        self.rnn = kind(channels, channels, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x.flatten(2).transpose(1, 2))[0].transpose(1, 2).reshape(x.shape)


class SelfAttention(nn.Module):
    """torch's own multi-head attention over the positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(x.shape)


class Mean(nn.Module):
    """A linear layer on the mean over positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.mean((2, 3)))[:, :, None, None].expand_as(x)


class Zero(nn.Module):
    """DARTS' `none`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


def candidate(name: str, c: int) -> nn.Module:
    """The op as DARTS' operations.py and MixedOp have it: ReLU, convolution, batch norm; pooling, batch norm.

    Separable convolutions are applied twice, dilated ones are depthwise, as there. What DARTS lacks (RNN,
    attention, fully connected) is torch's own module.
    """

    def norm() -> nn.Module:
        return nn.BatchNorm2d(c, affine=False)

    def dense(k: int) -> nn.Module:
        return nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, k, padding=k // 2, bias=False), norm())

    def depthwise(k: int, dilation: int = 1) -> list[nn.Module]:
        pad = dilation * (k // 2)
        return [
            nn.ReLU(),
            nn.Conv2d(c, c, k, padding=pad, dilation=dilation, groups=c, bias=False),
            nn.Conv2d(c, c, 1, bias=False),
            norm(),
        ]

    made: dict[str, Callable[[], nn.Module]] = {
        "conv1": lambda: dense(1),
        "conv3": lambda: dense(3),
        "conv5": lambda: dense(5),
        "sepconv3": lambda: nn.Sequential(*depthwise(3), *depthwise(3)),
        "sepconv5": lambda: nn.Sequential(*depthwise(5), *depthwise(5)),
        "dilconv3": lambda: nn.Sequential(*depthwise(3, dilation=2)),
        "maxpool3": lambda: nn.Sequential(nn.MaxPool2d(3, 1, 1), norm()),
        "avgpool3": lambda: nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), norm()),
        "skip": nn.Identity,
        "none": Zero,
        "gru": lambda: RowMajor(nn.GRU, c),
        "lstm": lambda: RowMajor(nn.LSTM, c),
        "attn": lambda: SelfAttention(c),
        "fc": lambda: nn.Sequential(nn.Conv2d(c, c, 1), nn.ReLU(), nn.Conv2d(c, c, 1)),
        "fc-global": lambda: Mean(c),
    }
    return made[name]()


class Darts(nn.Module):
    """DARTS' sum over candidates, eq. 2, with our layout: stem, three nodes, exits, head."""

    def __init__(self, space: SearchSpace, spec: TaskSpec) -> None:
        super().__init__()
        c = space.channels
        self.space = space
        self.stem: nn.Module = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(c if i else 1, c, 3, 2, 1), nn.GroupNorm(1, c), nn.ReLU())
                for i in range(HALVINGS[spec.modality])
            ),
        )
        self.nodes = nn.ModuleList(
            nn.ModuleList(candidate(name, c) for name in space.ops) for _ in range(space.layers)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, c) for _ in range(space.layers))
        self.exits = nn.ModuleList(nn.LayerNorm(4 * c) for _ in range(space.layers))
        self.head = nn.Linear(4 * c, spec.ways)
        self.node = nn.Parameter(torch.zeros(space.layers, len(space.ops)))
        self.activation = nn.Parameter(torch.zeros(space.layers, len(space.activations)))
        self.depth = nn.Parameter(torch.zeros(space.layers))

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        total = torch.zeros(())
        for i, ops in enumerate(self.nodes):
            u = sum(w * op(h) for w, op in zip(self.node[i].softmax(-1), ops, strict=True))
            v = self.norms[i](u)
            shares = self.activation[i].softmax(-1)
            h = h + shares[0] * v.relu() + shares[1] * v.tanh() + shares[2] * v.sigmoid()
            if i in self.space.reductions:
                h = F.avg_pool2d(h, 2, ceil_mode=True)
            total = total + self.depth.softmax(-1)[i] * self.exits[i](F.adaptive_avg_pool2d(h, 2).flatten(1))
        return self.head(total)


def passes(ops: tuple[str, ...], spec: TaskSpec) -> dict[str, Pass]:
    """One timed forward and backward of each network."""
    g = generator(0, "bench")
    x = torch.randn(BATCH, *spec.input_shape, generator=g)
    y = torch.arange(BATCH) % spec.ways
    made: dict[str, Pass] = {}
    least = ("conv5", *(op for op in ops if not isinstance(OPS[op](4), Linear)))
    for name, chosen, merge in (("merged", ops, True), ("plain sum", ops, False), ("bound", least, True)):
        net = SuperNet(SearchSpace(ops=chosen, merge=merge), [spec])
        if spec.name == "maps":
            net.stems[stem_name(spec)] = Given()
        params = detach(net.init(generator(0, "numbers")))
        made[name] = lambda net=net, params=params: timed(lambda: ours(net, params, x, y, spec))  # type: ignore[misc]
    darts = Darts(SearchSpace(ops=ops), spec)
    if spec.name == "maps":
        darts.stem = nn.Identity()
    image = x if x.dim() == 4 else x[:, None]
    made["Darts"] = lambda: timed(
        lambda: torch.autograd.grad(F.cross_entropy(darts(image), y), list(darts.parameters()))
    )
    return made


def ours(net: SuperNet, params: Params, x: Tensor, y: Tensor, spec: TaskSpec) -> None:
    logits = functional_call(net, params.weights, (x, params.arch, spec))
    torch.autograd.grad(F.cross_entropy(logits, y), tensors(params), allow_unused=True)


def timed(run: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def medians(made: dict[str, Pass]) -> dict[str, float]:
    """Median of each, taken in turns."""
    return {name: statistics.median(values) for name, values in in_turns(made, ROUNDS).items()}


def in_turns(made: dict[str, Pass], rounds: int) -> dict[str, list[float]]:
    """Times of each, after two passes that do not count."""
    found: dict[str, list[float]] = {name: [] for name in made}
    for i in range(rounds + 2):
        for name, run in made.items():
            took = run()
            if i >= 2:
                found[name].append(took)
    return found


def peak(families: str, kind: str, which: str) -> float:
    """MiB a pass holds at most beyond what lay there, by the profiler's allocation records."""
    run = passes(FAMILIES[families], SPECS[kind])[which]
    run()
    with torch.profiler.profile(profile_memory=True) as profiler:
        run()
    level = highest = 0
    for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            level += event.nbytes()
            highest = max(highest, level)
    return highest / 2**20


def linear_candidates(spec: TaskSpec) -> list[tuple[int, float]]:
    """Milliseconds (fastest of 15: the differences are small) with 1, 2, ... merged candidates per node."""
    names = ("conv5", "conv3", "conv1", "sepconv3", "sepconv5", "dilconv3", "avgpool3", "skip")
    made = {}
    for count in range(1, len(names) + 1):
        made[str(count)] = passes(names[:count], spec)["merged"]
    return [(int(name), min(took)) for name, took in in_turns(made, 15).items()]


def depths(spec: TaskSpec) -> list[tuple[int, float]]:
    """Milliseconds with 1, 2, 4, 8 layers of the default candidates, nothing halved between them."""
    made: dict[str, Pass] = {}
    x = torch.randn(BATCH, *spec.input_shape, generator=generator(0, "bench"))
    y = torch.arange(BATCH) % spec.ways
    for layers in (1, 2, 4, 8):
        net = SuperNet(SearchSpace(ops=SPATIAL, layers=layers, reductions=()), [spec])
        params = detach(net.init(generator(0, "numbers")))
        made[str(layers)] = lambda net=net, params=params: timed(lambda: ours(net, params, x, y, spec))  # type: ignore[misc]
    return [(int(name), min(took)) for name, took in in_turns(made, ROUNDS).items()]


def profile(kind: str, rows: int = 12) -> str:
    """Where the time of the merged network over all families goes."""
    run = passes(FAMILIES["all families"], SPECS[kind])["merged"]
    run()
    with torch.profiler.profile() as profiler:
        run()
    return profiler.key_averages().table(
        sort_by="self_cpu_time_total", row_limit=rows, max_name_column_width=40
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help="the profile table alone")
    given = parser.parse_args()
    if given.peak:
        print(json.dumps(peak(*given.peak)))
        return
    torch.set_num_threads(os.cpu_count() or 1)
    if given.profile:
        print(*(profile(kind) for kind in SPECS if kind != "maps 28x28"), sep="\n")
        return
    print(f"{date.today()}  {cpu_name()}, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"batch {BATCH}, 32 channels, 3 layers, {torch.get_num_threads()} threads; medians of {ROUNDS}\n")
    print(f"{'candidates':20}{'input':14}{'network':12}{'ms':>8}{'times':>7}{'MiB':>8}{'share':>7}")
    for families, ops in FAMILIES.items():
        for kind, spec in SPECS.items():
            if spec.name == "maps" and ops != SPATIAL:
                continue
            found = medians(passes(ops, spec))
            memory = {name: _peak_apart(families, kind, name) for name in found}
            for name, took in found.items():
                print(
                    f"{families:20}{kind:14}{name:12}{took:8.1f}{took / found['merged']:7.2f}"
                    f"{memory[name]:8.0f}{memory['merged'] / memory[name]:7.2f}"
                )
    spec = SPECS["image 28x28"]
    counts = linear_candidates(spec)
    print("\nmerged candidates  " + "  ".join(f"{n}: {ms:.1f} ms" for n, ms in counts))
    more = (counts[-1][1] / counts[0][1] - 1) / (len(counts) - 1)
    print(f"each further linear candidate costs {100 * more:.1f} % of the first")
    layers = depths(spec)
    print("layers             " + "  ".join(f"{n}: {ms:.1f} ms" for n, ms in layers))
    (a, first), (b, last) = layers[0], layers[-1]
    slope = (last - first) / (b - a)
    worst = max(abs(ms - (first + slope * (n - a))) / ms for n, ms in layers)
    print(f"a straight line in depth fits to {100 * worst:.0f} %")


def _peak_apart(families: str, kind: str, which: str) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.bench_supernet", "--peak", families, kind, which]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
