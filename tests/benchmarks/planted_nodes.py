"""Each node alone on each domain of planted-v1: the table of docs/planted.md and its picture.

    python -m tests.benchmarks.planted_nodes

trains ProtoNet (baselines/protonet.py) on networks of one layer with a lean stem (conv5/relu*3: of three such
layers, for what depth is worth), for one domain, one node and one seed at a time, and tests it on the first
pinned episodes. What is done is kept in docs/planted/nodes.json, so the command goes on where it stopped, and
does a cell again only if its domain or the recipe has changed.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from baselines.protonet import ProtoNet
from metanas.base.atomic import write_atomically
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, EpisodeShape
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.suite import load_suite
from metanas.evaluation.charts.theme import Spec, figure, svg
from metanas.method import Progress
from metanas.space.space import SearchSpace

DOCS = Path(__file__).parents[2] / "docs"
CELLS, PAGE, PICTURE = DOCS / "planted" / "nodes.json", DOCS / "planted.md", DOCS / "planted" / "nodes.svg"
BEGIN, END = "<!-- nodes -->", "<!-- end of nodes -->"
SUITE = load_suite("planted-v1")
NODES = (
    "conv3/relu conv5/relu maxpool3/relu avgpool3/relu gru/relu attn/relu fc/relu fc-global/relu skip/relu "
    "skip/identity conv3/identity conv5/relu*3"
).split()


@dataclass(frozen=True)
class Recipe:
    """How a cell is trained and tested."""

    iterations: int = 150
    tasks: int = 2
    episodes: int = 30


def accuracies(domain: Domain, node: str, seed: int, recipe: Recipe) -> dict[str, list[float]]:
    """Accuracy in percent on each test episode, by number of shots, of a network of this node alone."""
    layer, _, times = node.partition("*")
    depth = int(times or 1)
    space = SearchSpace(architecture=" > ".join([layer] * depth), stem="lean", layers=depth)
    spec = domain.spec(SUITE.ways)
    method = ProtoNet([spec], ProtoNet.Settings(space=space))
    state = method.start(generator(seed, "start"))
    batches = MetaBatchSampler([domain], SUITE.train_shapes, recipe.tasks, seed)
    for iteration in range(recipe.iterations):
        state, _ = method.step(state, Progress(iteration, recipe.iterations), batches[iteration])
    found = {}
    for shots in SUITE.shots:
        shape = EpisodeShape(SUITE.ways, shots, SUITE.queries)
        tasks = domain.episodes("test", shape, EVALUATION_SEED, range(recipe.episodes))
        answers = method.adapt(state, spec, tasks.support).predict(tasks.query.x).argmax(-1)
        right = (answers == tasks.query.y).double().mean(-1) * 100
        found[str(shots)] = [round(value, 2) for value in right.tolist()]
    return found


def cells(recipe: Recipe, names: list[str], nodes: list[str], seeds: list[int]) -> Iterator[tuple[str, str]]:
    """What is missing or out of date, each with the address that it is then kept under."""
    kept = read()
    for name in names:
        domain = Domain.open(name)
        for seed, node in product(seeds, nodes):
            stamp = {"fingerprint": domain.fingerprint, **asdict(recipe)}
            address = f"{name} {node} {seed}"
            if kept.get(address, {}).get("stamp") == stamp:
                continue
            result = accuracies(domain, node, seed, recipe)
            kept = read() | {address: {"stamp": stamp, "accuracies": result}}
            text = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(kept.items()))
            write_atomically(CELLS, f"{{\n{text}\n}}\n".encode())
            yield address, " / ".join(f"{np.mean(values):.0f}" for values in result.values())


def read() -> dict[str, dict[str, dict[str, list[float]]]]:
    """The cells that are kept."""
    return json.loads(CELLS.read_text(encoding="utf-8")) if CELLS.exists() else {}


def table(kept: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Domains x nodes: 1-shot / 5-shot mean over seeds and episodes, and the larger half-width of the two."""
    known = [node for node in NODES if any(address.split()[1] == node for address in kept)]
    lines = [f"| domain | {' | '.join(f'`{node}`' for node in known)} |", "|---" * (len(known) + 1) + "|"]
    for name in SUITE.domains:
        row = []
        for node in known:
            seeds = [
                cell["accuracies"] for address, cell in kept.items() if address.split()[:2] == [name, node]
            ]
            row.append(_entry(seeds) if seeds else "")
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines)


def picture(kept: dict[str, dict[str, dict[str, list[float]]]]) -> Spec:
    """The 5-shot accuracies of the table as a picture: domains x nodes."""
    means: dict[tuple[str, str], list[float]] = {}
    for address, cell in kept.items():
        domain, node, _ = address.split()
        means.setdefault((domain, node), []).append(float(np.mean(cell["accuracies"]["5"])))
    rows = [
        {"domain": domain.removeprefix("planted-"), "node": node, "accuracy": round(float(np.mean(values)))}
        for (domain, node), values in means.items()
        if node in NODES
    ]
    at = {
        "x": {
            "field": "node",
            "sort": list(NODES),
            "title": "the only node of the network (*3: of each of three layers)",
            "axis": {"labelAngle": -30, "orient": "bottom"},
        },
        "y": {
            "field": "domain",
            "sort": [name.removeprefix("planted-") for name in SUITE.domains],
            "title": None,
        },
    }
    colour = {
        "field": "accuracy",
        "type": "quantitative",
        "scale": {"domain": [20, 100], "range": ["#eef2f6", "#0072B2"]},
        "legend": None,
    }
    dark = {"condition": {"test": "datum.accuracy > 60", "value": "white"}, "value": "#16202a"}
    label = {"field": "accuracy", "type": "quantitative"}
    return figure(
        "Which node can learn which planted domain (5-shot accuracy in %, chance is 20)",
        "; ".join(f"{r['domain']} with {r['node']}: {r['accuracy']} %" for r in rows),
        rows,
        width=620,
        height=210,
        encoding=at,
        layer=[
            {"mark": {"type": "rect", "stroke": "white"}, "encoding": {"color": colour}},
            {"mark": {"type": "text", "fontSize": 12}, "encoding": {"text": label, "color": dark}},
        ],
    )


def _entry(seeds: list[dict[str, list[float]]]) -> str:
    """Means, and 1.96 standard errors over seeds and episodes taken as crossed: the sum of both variances."""
    means, widths = [], []
    for shots in seeds[0]:
        values = np.array([seed[shots] for seed in seeds])  # (seeds, episodes)
        variance = values.mean(0).var(ddof=1) / values.shape[1]
        variance += values.mean(1).var(ddof=1) / len(values) if len(values) > 1 else 0.0
        means.append(values.mean())
        widths.append(1.96 * variance**0.5)
    text = f"{means[0]:.0f} / {means[1]:.0f} ± {max(widths):.0f}"
    return f"**{text}**" if means[1] > 50 else text


def main() -> None:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--domains", default=",".join(SUITE.domains))
    parser.add_argument("--nodes", default=",".join(NODES))
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--table-only", action="store_true", help="write table and picture of what is kept")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.table_only:
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        for address, result in cells(Recipe(), asked.domains.split(","), asked.nodes.split(","), seeds):
            print(f"{address:<40} {result}", flush=True)
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    text = f"{before}{BEGIN}\n{table(read())}\n{END}{after}"
    write_atomically(PAGE, text.encode())
    write_atomically(PICTURE, svg(picture(read())).encode())


if __name__ == "__main__":
    main()
