"""Beam search finds what a planted fitness likes best, for each task its own, within what is allowed."""

import torch

from metanas.choice.beam import beam
from metanas.choice.candidates import candidates
from metanas.space.architecture import Architecture
from metanas.space.space import SearchSpace

SPACE = SearchSpace(ops=("conv3", "gru", "attn", "skip"), activations=("relu", "tanh"), layers=3)


def losses(architectures: list[Architecture]) -> torch.Tensor:
    """Task 0 wants attention everywhere, task 1 gru with tanh, both three layers."""
    wanted = (("attn", None), ("gru", "tanh"))
    rows = []
    for a in architectures:
        row = []
        for op, activation in wanted:
            hits = sum((layer.op == op) + (activation in (None, layer.activation)) for layer in a.layers)
            row.append(6.0 - hits)
        rows.append(row)
    return torch.tensor(rows)


def test_each_task_gets_its_optimum() -> None:
    start = candidates(SPACE, 12)[4:]  # without the pure ones
    best = beam(SPACE, start, losses(list(start)), losses, torch.Generator().manual_seed(0), rounds=60)  # type: ignore[arg-type]
    assert [str(a).split("/")[0] for a in best] == ["attn", "gru"]
    assert losses(best).diagonal().tolist() == [0, 0]


def test_no_rounds_is_the_best_candidate_and_some_are_not_allowed() -> None:
    start = list(candidates(SPACE, 12))
    first = beam(SPACE, start, losses(start), losses, torch.Generator(), rounds=0)  # type: ignore[arg-type]
    assert first == [start[i] for i in losses(start).argmin(0).tolist()]
    only = beam(
        SPACE, start, losses(start), losses, torch.Generator().manual_seed(0), rounds=30,  # type: ignore[arg-type]
        allowed=lambda a: all(layer.op != "gru" for layer in a.layers),
    )  # fmt: skip
    assert only[1] in start or all(layer.op != "gru" for layer in only[1].layers)
