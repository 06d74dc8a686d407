"""Build a table: meta-train every listed architecture alone, on one domain at a time, and keep right answers.

A piece of the work is one architecture, domain and seed. Its result is a JSON file, written whole or not at
all, so the same command goes on after a kill; a table also grows by more suites, seeds or architectures. The
training and the answers are those of every run (`engine/trainer.py`, `engine/predict.py`).
"""

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from metanas.base import executor, json_text, machine
from metanas.base.allocator import keep_freed_memory
from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile, DataError, InvalidValue
from metanas.base.executor import Kind
from metanas.base.seeding import generator
from metanas.data import manifest
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.data.episode import EVALUATION_SEED, VALIDATION_SEED, Split
from metanas.data.meta_batches import MetaBatchSampler
from metanas.data.roots import DataRoot
from metanas.data.suite import load_suite
from metanas.engine.collect import provenance
from metanas.engine.config import settings_of
from metanas.engine.embedded import right_in_all
from metanas.engine.runtime import CPU, PLAIN, Runtime, joined
from metanas.engine.seed_run import ProgressCallback
from metanas.engine.trainer import meta_train
from metanas.method import METHODS, Method
from metanas.models.macs import macs, parameters
from metanas.search.proxies import PROXIES, score_untrained
from metanas.space.architecture import Architecture
from metanas.space.enumeration import member
from metanas.space.sizes import head_macs, stem_macs
from metanas.tables import table as tables
from metanas.tables.definition import Definition, load_definition, text_of

SEEDS: dict[Split, int] = {"val": VALIDATION_SEED, "test": EVALUATION_SEED}
DEFINITION = "definition.yaml"


@dataclass(frozen=True)
class Piece:
    """One architecture, trained alone on one domain with one seed; `data` is that domain's suite, opened.

    runtime: where it is trained; it is answered on the CPU.
    """

    definition: Definition
    folder: Path
    data: Datasets
    domain: str
    architecture: Architecture
    seed: int
    runtime: Runtime = CPU

    @property
    def path(self) -> Path:
        """The file that holds the result."""
        digest = hashlib.sha256(text_of(self.architecture).encode()).hexdigest()[:16]
        return self.folder / "pieces" / self.domain / f"seed{self.seed}" / f"{digest}.json"


def build(
    definition: Definition,
    folder: Path,
    *,
    root: DataRoot,
    jobs: int,
    kind: Kind = "local",
    runtime: Runtime = CPU,
) -> Iterator[tuple[int, int]]:
    """Do what is missing; yields (pieces done, pieces in all) as it goes, then writes <name>.parquet.

    folder: keeps the pieces. jobs: worker processes of one thread each. InvalidValue if the folder holds
    another table.
    """
    pieces = plan(definition, folder, root, runtime, kind)
    left = [piece for piece in pieces if not piece.path.exists()]
    done = len(pieces) - len(left)
    yield done, len(pieces)
    cards = int(runtime.place.type == "cuda")
    for _ in executor.run(work, left, jobs=jobs, kind=kind, cards=cards):
        done += 1
        yield done, len(pieces)
    results = [_result(piece) for piece in pieces]
    devices = [result.get("device", PLAIN) for result in results]
    described = about(definition, pieces, devices)
    rows = list(_rows(pieces, results, Counter(map(str, devices)).most_common(1)[0][0]))
    tables.write(folder / f"{definition.name}.parquet", described, rows)


def plan(
    definition: Definition, folder: Path, root: DataRoot, runtime: Runtime = CPU, kind: Kind = "local"
) -> list[Piece]:
    """All pieces: seed by seed, architecture by architecture; writes definition.yaml.

    runtime, kind: see `Runtime.shared`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / DEFINITION
    if path.exists() and not load_definition(path).grows_to(definition):
        raise InvalidValue(f"{folder} holds another table; give another --out, or delete it")
    text: str = yaml.safe_dump(definition.model_dump(mode="json"), sort_keys=False)
    write_atomically(path, text.encode())
    opened = [Datasets.open(load_suite(name), root) for name in definition.suites]
    domains = [(data, name) for data in opened for name in data]
    if repeated := {name for _, name in domains if [n for _, n in domains].count(name) > 1}:
        raise InvalidValue(f"every domain may stand once in a table, {sorted(repeated)[0]} is in two suites")
    for data, name in domains:
        if unfit := [split for split in ("train", "val") if split not in data[name].tables]:
            raise DataError(f"{name} has no {unfit[0]} classes, which a table needs")
    pieces = [
        Piece(definition, folder, data, name, architecture, seed)
        for seed in definition.seeds
        for architecture in definition.architectures
        for data, name in domains
    ]
    places = runtime.shared(len(pieces), kind)
    return [replace(piece, runtime=place) for piece, place in zip(pieces, places, strict=True)]


def work(piece: Piece, report: ProgressCallback) -> None:
    """Train and answer one piece, unless it is done; goes on from the training's last checkpoint."""
    if piece.path.exists():
        return
    torch.set_num_threads(1)
    keep_freed_memory()
    definition, suite, domain = piece.definition, piece.data.suite, piece.data[piece.domain]
    method = method_of(definition, piece.architecture, domain, suite.ways_of(domain.name))
    sampler = MetaBatchSampler((domain,), suite.train_shapes, definition.tasks, piece.seed)
    training = piece.path.with_suffix("")
    with piece.runtime.active():
        trained = meta_train(method, sampler, definition.iterations, training, runtime=piece.runtime)
        device = piece.runtime.describe(trained.devices)
    state = CPU.take(method, trained.state)
    shapes = suite.shapes(domain.name)
    right: dict[str, list[int]] = {}
    for split, seed in SEEDS.items():
        episodes = definition.episodes[split]
        found = right_in_all(method, state, domain, split, shapes, seed, episodes)
        right |= {f"{split} {shape.shots}": r.tolist() for shape, r in zip(shapes, found, strict=True)}
    result = {"seconds": trained.seconds, "right": right, "proxies": _proxies(piece, sampler)}
    if device != PLAIN:
        result["device"] = {key: device[key] for key in PLAIN}
    write_atomically(piece.path, json.dumps(result).encode())
    shutil.rmtree(training)


def method_of(definition: Definition, architecture: Architecture, domain: Domain, ways: int) -> Method:
    """The method of the recipe on one architecture."""
    kind = METHODS[definition.method]
    space = {**definition.space, "architecture": str(architecture)}
    made: Method = kind([domain.spec(ways)], settings_of(kind, {**definition.settings, "space": space}))
    return made


def about(
    definition: Definition, pieces: Sequence[Piece], devices: Sequence[Mapping[str, str]]
) -> tables.About:
    """The metadata of a table. devices: those that trained the pieces, as `Runtime.describe` has them."""
    domains = {piece.domain: piece.data for piece in pieces}
    code = provenance()
    return tables.About(
        definition=definition,
        domains={name: _about_domain(data, name, definition) for name, data in domains.items()},
        environment=machine.environment() | joined(devices),
        package_version=version("metanas"),
        commit=None if code is None else code.commit,
        dirty=None if code is None else code.dirty,
        created=datetime.now(UTC).replace(microsecond=0),
    )


def _about_domain(data: Datasets, name: str, definition: Definition) -> tables.DomainAbout:
    suite, domain = data.suite, data[name]
    shapes = suite.shapes(name)
    return tables.DomainAbout(
        suite=suite.name,
        suite_version=suite.version,
        modality=domain.modality,
        fingerprint=domain.fingerprint,
        shapes=tuple(
            tables.Shape(ways=shape.ways, shots=shape.shots, queries=shape.queries) for shape in shapes
        ),
        test_episodes=tuple(
            manifest.episodes_hash(domain, shape, definition.episodes["test"]) for shape in shapes
        ),
    )


def _proxies(piece: Piece, sampler: MetaBatchSampler) -> dict[str, float]:
    """The zero-cost proxies on the support set of the last kind of first meta-training tasks."""
    suite = piece.data.suite
    [episodes] = sampler[len(suite.shots) - 1]
    x, y = episodes.support.x[0], episodes.support.y[0]
    return {
        name: score_untrained(
            proxy, piece.architecture, episodes.spec, x, y, generator(piece.seed, "proxies")
        )
        for name, proxy in PROXIES.items()
    }


def train_flops(piece: Piece) -> int:
    """FLOPs of a training by formula: torch's counter takes longer than a training with a recurrent node.

    A multiply-accumulate of the layers is two FLOPs forward and four backward, one of the stem, whose input
    needs no gradient, two and two. Prototypes and distances are left out.
    """
    suite, domain, definition = piece.data.suite, piece.data[piece.domain], piece.definition
    spec = domain.spec(suite.ways_of(domain.name))
    stem, _ = stem_macs(spec, piece.architecture)
    layers = macs(piece.architecture, spec) - stem
    layers -= head_macs(spec, piece.architecture.channels)
    shapes = suite.train_shapes(domain.name)
    taken = [shapes[i % len(shapes)] for i in range(definition.iterations)]
    examples = definition.tasks * sum(shape.ways * (shape.shots + shape.queries) for shape in taken)
    return examples * (6 * layers + 4 * stem)


def _result(piece: Piece) -> dict[str, Any]:
    """What is kept of a piece. DamagedFile if it is not what `work` writes."""
    remedy = "delete it to train this architecture again"
    result = json_text.read(piece.path, remedy, keys=("seconds", "proxies", "right"))
    device = result.get("device", PLAIN)
    if not isinstance(device, dict) or not all(isinstance(text, str) for text in device.values()):
        raise DamagedFile(f"{piece.path} is damaged (device is {device!r:.40}, not texts by name); {remedy}")
    return result


def _rows(
    pieces: Sequence[Piece], results: Sequence[dict[str, Any]], device: str
) -> Iterator[dict[str, Any]]:
    """The rows of the table. device: whose seconds are kept; those of another do not share their column."""
    for piece, result in zip(pieces, results, strict=True):
        architecture = piece.architecture
        suite, domain = piece.data.suite, piece.data[piece.domain]
        ways = suite.ways_of(domain.name)
        costs = {
            "macs": macs(architecture, domain.spec(ways)),
            "parameters": parameters(architecture),
            "train_flops": train_flops(piece),
            "seconds": result["seconds"] if str(result.get("device", PLAIN)) == device else math.nan,
            **{name.replace("-", "_"): value for name, value in result["proxies"].items()},
        }
        for key, right in result["right"].items():
            split, shots = key.split()
            yield {
                "architecture": text_of(architecture),
                "number": member(piece.definition.search_space, architecture),
                "domain": piece.domain,
                "seed": piece.seed,
                "split": split,
                "shots": int(shots),
                "right": right,
                **costs,
            }
