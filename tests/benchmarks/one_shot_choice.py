"""Can a one-shot task's architecture be chosen by changed copies of its support set? On meta-validation.

    python -m tests.benchmarks.one_shot_choice RUN

RUN is a run of loo-nas on mini-v1. At one shot nothing can be left out, so loo-nas takes the domain's
candidate. Here each example gets COPIES copies (images turned by up to 10 degrees and moved by up to 2
pixels, sounds moved by up to 4 frames with 4 bands masked, texts with one letter replaced by another of the
support set), and a candidate's evidence is the cross-entropy of the copies under the head of the originals.
Printed are meta-validation accuracies with the domain's candidate, with the least evidence, with evidence
plus the domain's prior times the weight of `choice/rules.py` that is best there (so the choice is flattered),
a random candidate's, and the best candidate's in hindsight of each task.
"""

import argparse
import math
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import metanas
from baselines.loo_nas import LooNas
from metanas.base.seeding import generator
from metanas.choice.judged import judged
from metanas.choice.paths import Paths, embed_all
from metanas.choice.rules import WEIGHTS
from metanas.data.domain import Domain
from metanas.data.episode import Episodes, EpisodeShape
from metanas.engine.validation import VALIDATION_SEED
from metanas.method import State

COPIES, CHUNK, TASKS = 8, 10, 100


def copies(x: Tensor, modality: str, rng: torch.Generator) -> Tensor:
    """A changed copy of each of x (T, B, *input_shape)."""
    tasks, examples = x.shape[:2]
    flat = x.flatten(0, 1)
    n = len(flat)

    def uniform(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=rng) - 1) * most

    if modality == "image":
        angle, across, down = uniform(math.pi / 18), uniform(4 / x.shape[-1]), uniform(4 / x.shape[-2])
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([torch.stack([cos, -sin, across], -1), torch.stack([sin, cos, down], -1)], 1)
        grid = F.affine_grid(matrix, list(flat.shape), align_corners=False)
        flat = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    elif modality == "speech":
        moves, first = uniform(4).round().long().tolist(), torch.randint(x.shape[-2] - 4, (n,), generator=rng)
        flat = torch.stack([one.roll(move, -1) for one, move in zip(flat, moves, strict=True)])
        bands = torch.arange(x.shape[-2])
        masked = (bands >= first[:, None]) & (bands < first[:, None] + 4)
        flat = torch.where(masked[..., None] & ~flat.isnan(), 0.0, flat)
    else:
        length = (flat != 0).sum(-1)
        place = (torch.rand(n, generator=rng) * length).long()
        other = torch.randint(n, (n,), generator=rng)
        letter = flat[other, (torch.rand(n, generator=rng) * length[other]).long()]
        flat = flat.scatter(1, place[:, None], letter[:, None])
    return flat.unflatten(0, (tasks, examples))


@torch.no_grad()
def evidence_and_right(
    method: LooNas, state: State, paths: Paths, tasks: Episodes, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Evidence of the copies and shares of right answers, both (K, T)."""
    spec, support, query, weights = tasks.spec, tasks.support, tasks.query, state.group("weights")
    known = embed_all(paths, weights, spec, support.x)
    weight, bias = method.head.fit(state, known, support, spec.ways)

    def logits(x: Tensor) -> Tensor:
        return embed_all(paths, weights, spec, x) @ weight.mT + bias[..., None, :]

    total = torch.zeros(known.shape[:2])
    for _ in range(COPIES):
        found = logits(copies(support.x, spec.modality, rng))
        y = support.y.expand(found.shape[:-1])
        total += F.cross_entropy(found.flatten(0, -2), y.flatten(), reduction="none").view(y.shape).mean(-1)
    right = (logits(query.x).argmax(-1) == query.y).double().mean(-1)
    return total / COPIES, right


def compare(method: LooNas, state: State, domain: Domain, shape: EpisodeShape, seed: int) -> dict[str, float]:
    """Meta-validation accuracies in % by how the candidate is chosen."""
    spec, rng = domain.spec(shape.ways), generator(seed, "copies", domain.name)
    paths, parts = Paths(method.net, method.candidates), []
    for first in range(0, TASKS, CHUNK):
        tasks = domain.episodes("val", shape, VALIDATION_SEED, range(first, first + CHUNK))
        parts.append(evidence_and_right(method, state, paths, tasks, rng))
    evidence, right = (torch.cat(part, 1) for part in zip(*parts, strict=True))
    prior = judged(state, spec, method.specs, len(method.candidates)).domain

    def by(losses: Tensor) -> float:
        return 100 * float(right.gather(0, losses.argmin(0, keepdim=True)).mean())

    return {
        "domain": by(prior[:, None].expand_as(evidence)),
        "copies": by(evidence),
        "both": max(by(evidence + weight * prior[:, None]) for weight in WEIGHTS),
        "random": 100 * float(right.mean()),
        "hindsight": 100 * float(right.amax(0).mean()),
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    run = metanas.load_run(parser.parse_args().run)
    print("| domain | seed | domain's | copies | both | random | hindsight |\n|---|---|---|---|---|---|---|")
    for seed in run.config.seeds:
        learner = run.learner(seed)
        assert isinstance(learner.method, LooNas)
        for domain, shape in run.data.validation_tasks():
            if shape.shots == 1:
                found: Mapping[str, float] = compare(learner.method, learner.state, domain, shape, seed)
                cells = " | ".join(f"{value:.1f}" for value in found.values())
                print(f"| {domain.name} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
