"""Make, pin and check suites of one's own: `metanas suite new | pin | check`.

A suite is pinned once on its data (`manifest.py`); whoever runs it afterwards has the same episodes or is
told what differs.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from metanas.base import described
from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue, MetanasError
from metanas.data import manifest
from metanas.data.adapter import DOMAINS
from metanas.data.datasets import check_shapes
from metanas.data.domain import Domain
from metanas.data.episode import Split
from metanas.data.roots import DataRoot
from metanas.data.suite import (
    Suite,
    built_in,
    check_name,
    file_of,
    load_suite,
    manifest_of,
    names,
    read,
    read_pins,
)

HEAD = """# A suite of your own. Pin it: metanas suite pin {file}
# then run it: metanas run --method protonet --suite {file}
"""
BUDGETS = {
    "smoke": {"iterations": 1, "tasks": 1, "eval_episodes": 5},
    "small": {"iterations": 150, "tasks": 2, "eval_episodes": 100},
    "full": {"iterations": 10000, "tasks": 4, "eval_episodes": 600},
}


class Pinned(NamedTuple):
    """What pinning or checking a domain found. state: new | same | changed | whole | unpinned | wrong."""

    name: str
    state: str
    detail: str

    @property
    def is_good(self) -> bool:
        """Whether runs of the suite take the domain."""
        return self.state in ("new", "same", "changed", "whole")


def new(
    name: str, domains: Sequence[str], out: Path, *, ways: int, shots: Sequence[int], root: DataRoot
) -> Path:
    """Write the YAML file of a suite with these domains and the budgets of core-v1; returns its path.

    A domain with too few classes or examples gets ways and queries of its own; one with few in a meta-train
    class gives all of them fewer queries there. InvalidValue for a name that is taken or malformed, a file
    that exists, or a domain that holds no episodes; UnknownName for a domain.
    """
    check_name(name)
    if name in names():
        raise InvalidValue(f"there is a suite named {name!r} already; choose another name")
    if out.exists():
        raise InvalidValue(f"{out} is there already; give another --out, or edit it")
    for domain in domains:
        if domain not in DOMAINS:
            raise DOMAINS.unknown(domain)
    opened = [Domain.open(domain, root) for domain in domains]
    most = max(shots)
    fields: dict[str, Any] = {
        "name": name,
        "version": "1.0",
        "summary": f"{', '.join(domains)}.",
        "domains": list(domains),
        "ways": ways,
        "shots": list(shots),
        "queries": 15,
        "train_queries": min([5, *(_room(domain, "train", most) for domain in opened if domain.trains)]),
        "episodes": 600,
        "seeds": [0, 1, 2],
        "options": {d.name: o for d in opened if (o := _options(d, ways, most, 15))},
        "budgets": BUDGETS,
    }
    described.checked(fields, Suite, f"{name} cannot be a suite")
    text = yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, width=110)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (HEAD.format(file=out) + text).encode())
    return out


def _options(domain: Domain, ways: int, shots: int, queries: int) -> dict[str, int]:
    """Fewer ways and queries where a domain's classes do not hold the suite's. InvalidValue."""
    if "test" not in domain.tables:
        raise InvalidValue(f"{domain.name} has no test classes; a suite tests all of its domains")
    options = {}
    classes = min(len(table.sizes) for split, table in domain.tables.items() if split != "val")
    if classes < 2:
        raise InvalidValue(f"{domain.name} has one class of train or test; an episode has two, leave it out")
    if classes < ways:
        options["ways"] = classes
    room = min(_room(domain, split, shots) for split in domain.tables if split != "train")
    if room < queries:
        options["queries"] = room
    return options


def _room(domain: Domain, split: Split, shots: int) -> int:
    """How many queries the smallest class of a split has beside its shots. InvalidValue if none."""
    examples, name = domain.tables[split].smallest
    if examples <= shots:
        raise InvalidValue(
            f"{domain.name}: class {name!r} of {split} has {examples} examples, which do not hold {shots} "
            "shots and a query; take fewer --shots, or leave out the class or the domain"
        )
    return examples - shots


def pin(suite: str | Path, root: DataRoot, *, replace: bool = False) -> Iterator[Pinned]:
    """Pin a suite on the data below `root`, domain by domain; entries for the other kind of data are kept.

    The manifest is written at the end, and only if no entry changes; replace: also if some do, of a suite
    whose version is above the one that they were pinned for. DataError for missing data, InvalidValue if an
    entry may not change or a domain is too small.
    """
    file = file_of(suite)
    loaded, entries = read(file), read_pins(file)
    _check_whose(file, loaded)
    refused: dict[str, str] = {}  # by domain: the version that it was pinned for
    for name in loaded.domains:
        domain = Domain.open(name, root, loaded.of(name))
        check_shapes(domain, loaded)
        kind = "sample" if domain.store.examples.sample else "full"
        entry, old = manifest.describe(domain, loaded), entries.get(name, {}).get(kind)
        before = (old or {}).pop("version", "")  # of an earlier metanas: not known
        state = "new" if old is None else "same" if old == entry else "changed"
        if state == "changed" and not (replace and _is_above(loaded.version, before)):
            refused[name] = before or loaded.version
        entries.setdefault(name, {})[kind] = {**entry, "version": loaded.version}
        yield Pinned(name, state, f"{kind} {entry['fingerprint'][:12]}, {len(entry['test'])} shapes")
    if refused:
        versions = ", ".join(sorted(set(refused.values())))
        raise InvalidValue(
            f"{', '.join(refused)}: data or episodes are not what {loaded.name} {versions} was pinned on, "
            "and results on both would be called the same: raise `version` in the file and give --replace"
        )
    text = json.dumps({name: entries[name] for name in loaded.domains}, indent=1, sort_keys=True) + "\n"
    write_atomically(manifest_of(file), text.encode())


def _is_above(version: str, other: str) -> bool:
    """Whether a version comes after another by its numbers: 1.10 after 1.9, any after an unknown one."""
    ours, theirs = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, other))
    return not other or ours > theirs


def _check_whose(file: Path, suite: Suite) -> None:
    """InvalidValue for a name that no suite may have, or that of a built-in one, whose manifest holds."""
    check_name(suite.name)
    if suite.name in built_in() and file.resolve() != file_of(suite.name).resolve():
        raise InvalidValue(f"there is a suite named {suite.name!r} already; give {file} another `name`")


def check(suite: str | Path, root: DataRoot) -> Iterator[Pinned]:
    """Whether runs would take each domain of a suite: known, there, large enough, and as it was pinned."""
    loaded = load_suite(suite)
    _check_whose(file_of(suite), loaded)
    for name in loaded.domains:
        try:
            domain = Domain.open(name, root, loaded.of(name))
            check_shapes(domain, loaded)
            kind = "sample" if domain.store.examples.sample else "full"
            if kind not in manifest.of(loaded).get(name, {}):
                yield Pinned(
                    name, "unpinned", f"{kind} {domain.store.fingerprint[:12]}: metanas suite pin {suite}"
                )
                continue
            manifest.check(domain, loaded)
        except MetanasError as error:
            yield Pinned(name, "wrong", str(error))
            continue
        yield Pinned(name, "whole", f"{kind} {domain.store.fingerprint[:12]}, as {loaded.name} pins it")
