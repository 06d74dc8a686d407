"""The adapted architecture choices of every test episode: stored beside the predictions, and analysed.

A method's architecture logits become probabilities per choice group ("node" (L, O), "activation" (L, A),
"depth" (L,), ...). `keep` writes them per task, `join` collects them in choices.parquet of the run. Analyses:
how decided a domain's choices are (entropy), how far apart two domains are (Jensen-Shannon distance of the
mean choices), and a map of all episodes (the first two principal components). Reading needs no torch.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from metanas.base import json_text
from metanas.evaluation.result import ResultError, read_table, write_table
from metanas.evaluation.statistics import Floats, domain_of

if TYPE_CHECKING:
    from torch import Tensor

CHOICES = "choices.parquet"
SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("seed", pa.int16()),
        ("episode", pa.int32()),
        ("choices", pa.list_(pa.float32())),
    ]
)


class Choices(NamedTuple):
    """Probabilities of all choices of n episodes: values (n, P); groups: name -> (first column, shape)."""

    groups: Mapping[str, tuple[int, tuple[int, ...]]]
    tasks: Sequence[str]  # (n,)
    seeds: Sequence[int]  # (n,)
    values: Floats  # (n, P)

    def group(self, name: str) -> Floats:
        """One group's probabilities (n, *shape)."""
        first, shape = self.groups[name]
        return self.values[:, first : first + int(np.prod(shape))].reshape(-1, *shape)


def kept(arch: "Mapping[str, Tensor]") -> dict[str, NDArray[np.float32]]:
    """Logits (..., options) by group as the probabilities that are kept of them, in float32."""
    return {
        name: t.cpu().double().softmax(-1).numpy(force=True).astype(np.float32)
        for name, t in sorted(arch.items())
    }


def keep(folder: Path, task: str, seed: int, arch: "Mapping[str, Tensor] | None") -> None:
    """Write a task's choices. arch: logits (E, ..., options) by group; without any the table is empty."""
    probabilities = kept(arch or {})
    groups, column = {}, 0
    for name, values in probabilities.items():
        groups[name] = [column, list(values.shape[1:])]
        column += int(np.prod(values.shape[1:]))
    episodes = len(next(iter(probabilities.values()))) if probabilities else 0
    flat = [v.reshape(episodes, -1) for v in probabilities.values()]
    rows = np.concatenate(flat, axis=1) if flat else np.zeros((0, 0), np.float32)
    table = pa.table(
        {
            "task": [task] * episodes,
            "seed": np.full(episodes, seed, np.int16),
            "episode": np.arange(episodes, dtype=np.int32),
            "choices": pa.array(list(rows), pa.list_(pa.float32())),
        },
        schema=SCHEMA.with_metadata({"groups": json.dumps(groups)}),
    )
    write_table(_path(folder, task), table)


def of_task(folder: Path, task: str) -> dict[str, Floats]:
    """Probabilities (E, ..., options) of one task of a seed run by group; empty without an architecture."""
    choices = _choices(read_table(_path(folder, task), SCHEMA))
    if not len(choices.values):
        return {}
    return {name: choices.group(name) for name in choices.groups}


def join(folder: Path, seed_runs: Sequence[Path], tasks: Sequence[str]) -> None:
    """Write choices.parquet of a run from the tables in the folders of its seed runs."""
    parts = [read_table(_path(seed_run, task), SCHEMA) for seed_run in seed_runs for task in tasks]
    write_table(folder / CHOICES, pa.concat_tables(parts))


def read(folder: Path) -> Choices | None:
    """The choices of a run; None if it has none. ResultError names what is wrong with the file."""
    path = folder / CHOICES
    if not path.exists():
        return None
    table = read_table(path, SCHEMA)
    if not table.num_rows:
        return None
    return _choices(table)


def entropies(choices: Choices) -> dict[str, dict[str, float]]:
    """domain -> group -> mean entropy of an adapted choice, as a share of the uniform choice's: 0 to 1."""
    result: dict[str, dict[str, float]] = {}
    for domain, rows in _domains(choices).items():
        for name in choices.groups:
            p = choices.group(name)[rows]
            entropy = (p * -np.log(np.maximum(p, 1e-12))).sum(-1).mean()
            result.setdefault(domain, {})[name] = (
                float(entropy / np.log(p.shape[-1])) if p.shape[-1] > 1 else 0.0
            )
    return result


def distances(choices: Choices) -> tuple[list[str], Floats]:
    """The D domains, and the Jensen-Shannon distances (0 to 1) of their mean choices (D, D)."""
    domains = _domains(choices)
    names, matrix = list(domains), np.zeros((len(domains), len(domains)))
    for group in choices.groups:
        p = choices.group(group)
        means = [p[rows].mean(0).reshape(-1, p.shape[-1]) for rows in domains.values()]
        for i, a in enumerate(means):
            for j, b in enumerate(means):
                matrix[i, j] += np.nan_to_num(jensenshannon(a, b, base=2, axis=1)).mean() / len(
                    choices.groups
                )
    return names, matrix


def adapted(choices: Choices) -> bool:
    """Whether any two episodes of one seed have different choices."""
    seeds = np.array(choices.seeds)
    return any(float(np.ptp(choices.values[seeds == seed], axis=0).max()) > 1e-6 for seed in np.unique(seeds))


def plane(choices: Choices) -> tuple[Floats, tuple[float, float]]:
    """The first two principal components of each row (n, 2), and the share of the variance of each."""
    centred = choices.values - choices.values.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[:2, np.abs(axes[:2]).argmax(1)].diagonal())  # the same on all machines
    axes = axes[:2] * signs[:, None]
    share = sizes**2 / max(float((sizes**2).sum()), 1e-12)
    return centred @ axes.T, (float(share[0]), float(share[1]) if len(share) > 1 else 0.0)


def _domains(choices: Choices) -> dict[str, Any]:
    """domain -> which rows are of it (n,)."""
    names = np.array([domain_of(task) for task in choices.tasks])
    return {domain: names == domain for domain in dict.fromkeys(names.tolist())}


def _choices(table: pa.Table) -> Choices:
    try:
        column = table.column("choices").combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        groups = json_text.loads((table.schema.metadata or {}).get(b"groups", b"{}"))
        values = flat.reshape(table.num_rows, -1) if table.num_rows else np.zeros((0, 0))
        shapes = {name: (int(first), tuple(shape)) for name, (first, shape) in groups.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ResultError(f"{CHOICES}: choices: {error}") from error
    return Choices(shapes, table.column("task").to_pylist(), table.column("seed").to_pylist(), values)


def _path(folder: Path, task: str) -> Path:
    return folder / f"{task.replace('/', '-')}.choices.parquet"
