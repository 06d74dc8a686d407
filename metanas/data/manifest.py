"""Manifests: the data fingerprints and episode hashes that a suite was pinned on.

`metanas suite pin SUITE` writes `tasks/manifests/<suite>.json`, or `<suite>.manifest.json` beside the file of
a suite of your own. A run checks it, so that a changed package or file is an error that shows both hashes,
never a silently different score. The entries for the full data set and a sample of it stand side by side.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from metanas.base.errors import DamagedFile, DataError
from metanas.data import duplicates
from metanas.data import suite as suites
from metanas.data.adapter import DOMAINS
from metanas.data.duplicates import Repeats
from metanas.data.episode import EVALUATION_SEED, SPLITS, EpisodeShape, Split
from metanas.data.sampler import alike, digest_of, sample
from metanas.data.suite import Pins, Suite, load_suite, names

if TYPE_CHECKING:  # the table of the manifests is written without torch
    from metanas.data.domain import Domain

PINNED: tuple[Split, ...] = ("val", "test")


def read(suite: str) -> Pins:
    """The manifest of a built-in or installed suite, empty if there is none. DamagedFile."""
    return suites.read_pins(suites.file_of(suite)) if suite in names() else {}


def of(suite: Suite) -> Pins:
    """What a suite is pinned on: its own manifest, or that of its name."""
    return read(suite.name) if suite.origin is None else suite.origin.pins


def episodes_hash(domain: "Domain", shape: EpisodeShape, episodes: int, split: Split = "test") -> str:
    """SHA-256 of the index lists of the pinned tasks 0..episodes-1 of a split."""
    return digest_of(domain.tables[split], EVALUATION_SEED, shape, np.arange(episodes))


def describe(domain: "Domain", suite: Suite) -> dict[str, Any]:
    """The manifest entry of an opened domain: fingerprint, counts, and hashes by split and shape.

    "first": the hashes of the first test episodes alone, by their number, for budgets that test on fewer.
    "repeats": by shape, the test episodes with repeated queries; shapes without any are left out.
    """
    examples = domain.store.examples
    hashes: dict[str, Any] = {
        split: {
            str(shape): episodes_hash(domain, shape, suite.episodes, split)
            for shape in suite.shapes(domain.name)
            if split == "test" or domain.tables[split].holds(shape)
        }
        for split in PINNED
        if split in domain.tables
    }
    fewer = sorted({b.eval_episodes for b in suite.budgets.values()} - {suite.episodes})
    first = {
        str(count): {str(shape): episodes_hash(domain, shape, count) for shape in suite.shapes(domain.name)}
        for count in fewer
    }
    return {
        "fingerprint": domain.store.fingerprint,
        "episodes": suite.episodes,
        "first": first,
        "examples": len(examples.labels),
        "classes": {split: len(examples.splits.get(split, ())) for split in SPLITS},
        **hashes,
        "repeats": {
            str(shape): found
            for shape in suite.shapes(domain.name)
            if any((found := repeats(domain, shape, suite.episodes)).values())
        },
    }


def repeats(domain: "Domain", shape: EpisodeShape, episodes: int) -> Repeats:
    """Queries of the pinned test tasks that also stand in their support set or in the meta-train split."""
    table, train = (
        domain.tables["test"],
        domain.tables["train"].rows if domain.trains else np.zeros(0, np.int64),
    )
    groups = alike(domain.name, "test", EVALUATION_SEED, shape, np.arange(episodes))
    drawn = (sample(table, EVALUATION_SEED, shape, group) for group in groups)
    return duplicates.total(duplicates.count(part, domain.contents, train) for part in drawn)


def pinned_repeats(suite: str, domain: str, fingerprint: str) -> dict[str, str]:
    """What is repeated in a suite's pinned test episodes, in words, by shape; for the data pinned so."""
    for entry in _readable(suite).get(domain, {}).values():
        if entry["fingerprint"] == fingerprint:
            return _repeats_shown(entry)
    return {}


def _repeats_shown(entry: dict[str, Any]) -> dict[str, str]:
    episodes: int = entry["episodes"]
    shapes = [shape for shape in entry["test"] if shape in entry.get("repeats", {})]
    queries = {shape: episodes * _queries(shape) for shape in shapes}
    return {
        shape: duplicates.shown(entry["repeats"][shape], episodes=episodes, queries=queries[shape])
        for shape in sorted(shapes)
    }


def _queries(shape: str) -> int:
    """Queries of a task of a shape that is written as in the manifest: 75 of 5w1s15q, 80 of 5-20w1s4q."""
    ways, _, queries = (int(number) for number in re.findall(r"\d+", shape)[-3:])
    return ways * queries


def check(domain: "Domain", suite: Suite) -> None:
    """DataError with both hashes if the data or the test episodes are not what the suite was pinned on."""
    kind = "sample" if domain.store.examples.sample else "full"
    pinned = of(suite).get(domain.name, {}).get(kind)
    if pinned is None:
        raise DataError(
            f"{domain.name} ({kind}) is not pinned in {suite.name}; it has no manifest entry (metanas suite "
            "pin makes one)"
        )
    if domain.store.fingerprint != pinned["fingerprint"]:
        raise DataError(
            f"{domain.name}: the data has fingerprint {domain.store.fingerprint}, {suite.name} was pinned on "
            f"{pinned['fingerprint']}; {_what_changed(domain.name, suite)}"
        )
    if pinned["episodes"] != suite.episodes or _draws_otherwise(domain.name, suite):
        return
    for shape in suite.shapes(domain.name):
        expected = pinned["test"].get(str(shape))
        if expected is not None and (actual := episodes_hash(domain, shape, suite.episodes)) != expected:
            raise DataError(
                f"{domain.name}: the test episodes {shape} hash to {actual}, "
                f"{suite.name} was pinned on {expected}"
            )


def _what_changed(domain: str, suite: Suite) -> str:
    """Why data may be other than it was pinned, and what to do; of a suite and a YAML domain of your own."""
    file, sources = (getattr(DOMAINS[domain], name, None) for name in ("file", "sources"))
    if file is None or suite.origin is None:
        return "a package version or file has changed (see requirements.txt)"
    return (
        f"{file} or {', '.join(sources or ())} has changed: put it back, or raise version in the file of the "
        "suite and pin --replace"
    )


def _draws_otherwise(domain: str, suite: Suite) -> bool:
    """Whether the domain's options are not those that the suite was pinned with (it is "changed")."""
    known = suite.origin is not None or suite.name in names()
    return known and suite.of(domain) != suite.original.of(domain)


def pins(name: str, *, sample: bool) -> dict[str, str | None]:
    """The fingerprint that each suite with this domain pins for the kind of data; None for another kind."""
    kind = "sample" if sample else "full"
    entries = {suite: entry for suite in names() if (entry := _readable(suite).get(name))}
    return {suite: entry.get(kind, {}).get("fingerprint") for suite, entry in entries.items()}


def trains(domain: str, fingerprint: str) -> bool | None:
    """Whether data of a domain has meta-train classes; None for data that no suite pins."""
    entries = [entry for suite in names() for entry in _readable(suite).get(domain, {}).values()]
    found = [entry["classes"]["train"] > 0 for entry in entries if entry["fingerprint"] == fingerprint]
    return any(found) if found else None


def _readable(suite: str) -> Pins:
    """The same as `read`, but nothing where an installed package's manifest is damaged."""
    try:
        return read(suite)
    except DamagedFile:
        return {}


def refusal(name: str, fingerprint: str, *, sample: bool) -> str:
    """Why every run refuses this data of a domain, with both fingerprints; "" if some suite takes it.

    A domain that no manifest has, as one of a package of your own, is not judged.
    """
    kind = "sample" if sample else "full"
    pinned = pins(name, sample=sample)
    if not pinned or fingerprint in pinned.values():
        return ""
    asked = ", ".join(f"{suite} was pinned on {other}" for suite, other in pinned.items() if other)
    return (
        f"this is not the data that results are compared on: its fingerprint is {fingerprint}, "
        f"{asked or f'and no suite was pinned on a {kind} of it'}; runs refuse it"
    )


COLUMNS = (
    "domain",
    "modality",
    "train / val / test classes",
    "examples",
    "ways",
    "licence",
    "data",
    "fingerprint",
    "test episodes",
    "repeated queries",
)


def page(chosen: Iterable[str]) -> str:
    """The domains of these suites as a Markdown page, from the manifests and the adapters alone."""
    lines = ["# Domains", "", "Made by `metanas data table --out docs/domains.md`; do not edit."]
    for name in chosen:
        suite = load_suite(name)
        lines += ["", f"## {suite.name} {suite.version}", "", suite.summary, ""]
        lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(row)} |" for row in _rows(suite)]
    lines += [
        "",
        "Fingerprints and hashes of index lists are SHA-256; twelve digits of them stand here, all in",
        "`tasks/manifests/`. *sample*: a part of the data set, never ranked together with all of it. A",
        "domain without meta-train classes is not meta-trained on; it is what transfer is measured on.",
        "",
        "*Repeated queries*: test queries that also stand in their support set, or in the meta-train split,",
        "byte for byte as methods see them; `--set suite.options.DOMAIN.distinct=true` leaves them out, as a",
        "suite that is called changed.",
        "",
    ]
    return "\n".join(lines)


def _rows(suite: Suite) -> Iterator[tuple[str, ...]]:
    entries = of(suite)
    for name in suite.domains:
        adapter = DOMAINS[name]
        for kind, pinned in sorted(entries.get(name, {}).items()):
            hashes = [f"{shape} `{sha256[:12]}`" for shape, sha256 in sorted(pinned["test"].items())]
            yield (
                name + (" (synthetic)" if adapter.synthetic else ""),
                adapter.modality,
                " / ".join(str(pinned["classes"][split]) for split in SPLITS),
                f"{pinned['examples']:,}",
                suite.shapes(name)[0].name.partition("w")[0],
                adapter.licence,
                kind,
                f"`{pinned['fingerprint'][:12]}`",
                ", ".join(hashes),
                "; ".join(f"{shape} {words}" for shape, words in _repeats_shown(pinned).items()) or "none",
            )
