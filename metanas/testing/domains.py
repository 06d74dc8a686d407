"""What a domain must be, on data that is here: splits, episodes, determinism, normalisation, a network."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.adapter import DOMAINS, NOT_STATED
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape, Split
from metanas.data.roots import DataRoot, root_of
from metanas.data.sampler import ClassTable, sample
from metanas.data.store import fingerprint
from metanas.models.network import apply
from metanas.models.supernet import SuperNet
from metanas.space.space import SearchSpace
from metanas.testing.check import NotApplicable, require
from metanas.testing.inputs import NAN_PADDED

MEASURED = 2000  # examples of meta-train that are looked at; all of many would not fit into memory


@dataclass(frozen=True)
class DomainSubject:
    """A domain under test. root: where its data lies. shapes: of episodes; none: what the data holds."""

    name: str
    root: DataRoot = None
    opened: Domain | None = None
    asked: Sequence[EpisodeShape] = ()

    @cached_property
    def domain(self) -> Domain:
        """Opened as a suite would. DataError if its data is missing or wrong."""
        return self.opened or Domain.open(self.name, self.root)

    @cached_property
    def shapes(self) -> tuple[EpisodeShape, ...]:
        """Five ways, one and five shots and 15 queries, or as much of them as the test classes hold."""
        return tuple(self.asked) or usual_shapes(self.domain.tables["test"])


def usual_shapes(table: ClassTable) -> tuple[EpisodeShape, ...]:
    """Shapes of episodes that a split holds: up to five ways and 15 queries, one and five shots."""
    smallest, ways = int(table.sizes.min()), min(5, len(table.sizes))
    shots = [k for k in (1, 5) if k < smallest]
    require(ways >= 2 and shots, f"{ways} test classes, the smallest of {smallest} examples, hold no episode")
    return tuple(EpisodeShape(ways, k, min(15, smallest - k)) for k in shots)


def says_where_it_comes_from(subject: DomainSubject) -> None:
    """It names licence, citation and version of its preprocessing, and files by https and digest."""
    adapter = DOMAINS[subject.name]
    for name in ("licence", "citation", "recipe"):
        stated = str(getattr(adapter, name)).strip()
        require(stated, f"{name} is empty")
        require(stated != NOT_STATED, f"{name} is not stated; write `{name}:` in the YAML file")
    for remote in adapter.remotes:
        require(remote.url.startswith("https://"), f"{remote.path} comes from {remote.url}; use https")
        kind, _, digits = remote.digest.partition(":")
        known = {"": 0, "sha256": 64, "md5": 32}
        require(known.get(kind) == len(digits), f"{remote.path}: digest is {remote.digest!r}")


def reads_the_same_twice(subject: DomainSubject) -> None:
    """Reading the source again gives the same examples: whatever is random has a fixed seed."""
    built, kind = subject.domain.store, DOMAINS[subject.name]
    again = kind().load(root_of(subject.root, subject.name))
    require(np.array_equal(again.x, built.examples.x, equal_nan=again.x.dtype.kind == "f"), "x differs")
    found = fingerprint(subject.name, kind.recipe, again)
    require(found == built.fingerprint, f"its fingerprint is {found}, before {built.fingerprint}")


def splits_are_disjoint(subject: DomainSubject) -> None:
    """Meta-train, meta-validation and meta-test have no class in common, and there are test classes."""
    splits = subject.domain.store.examples.splits
    classes = [name for names in splits.values() for name in names]
    require(len(set(classes)) == len(classes), "a class is in two splits")
    require("test" in splits, "there are no test classes")


def no_example_is_in_two_splits(subject: DomainSubject) -> None:
    """Every example is in one split at most, and has the label of a class."""
    rows = np.concatenate([table.rows for table in subject.domain.tables.values()])
    require(len(set(rows.tolist())) == len(rows), "an example is in two splits")
    labels = np.asarray(subject.domain.store.examples.labels)
    require(labels.min() >= 0 and labels.max() < len(subject.domain.store.examples.classes), "a wrong label")


def no_speaker_is_in_two_splits(subject: DomainSubject) -> None:
    """No voice is heard in two splits."""
    tables = subject.domain.tables.values()
    if subject.domain.modality != "speech":  # Omniglot's drawers drew all characters, as it was published
        raise NotApplicable("of speech alone")
    speakers = [set(table.groups.tolist()) for table in tables if table.groups is not None]
    if not speakers:
        raise NotApplicable("no groups are known")
    require(len(speakers) == len(tables), "a split has no groups")
    shared = [a & b for a, b in itertools.combinations(speakers, 2) if a & b]
    require(not shared, f"groups {sorted(set().union(*shared))[:5]} are in two splits")


def episodes_are_what_an_episode_is(subject: DomainSubject) -> None:
    """An episode has its ways, shots and queries, no example twice, and true labels."""
    labels, table = np.asarray(subject.domain.store.examples.labels), subject.domain.tables["test"]
    for shape in subject.shapes:
        drawn = sample(table, 0, shape, np.arange(20))
        for support, support_y, query, query_y in zip(*drawn, strict=True):
            rows = np.concatenate([support, query])
            require(len(set(rows.tolist())) == len(rows), f"{shape}: an example stands twice")
            require((np.bincount(support_y) == shape.shots).all(), f"{shape}: shots {np.bincount(support_y)}")
            require((np.bincount(query_y) == shape.queries).all(), f"{shape}: {np.bincount(query_y)} queries")
            of_label = labels[support[:: shape.shots]]
            require(len(set(of_label.tolist())) == shape.ways, f"{shape}: a class stands for two labels")
            require((labels[query] == of_label[query_y]).all(), f"{shape}: a query has another label")
            if table.disjoint:
                groups = np.asarray(subject.domain.store.examples.groups)
                shared = set(groups[support].tolist()) & set(groups[query].tolist())
                require(not shared, f"{shape}: groups {shared} are in support and query")


def episodes_are_deterministic_and_finite(subject: DomainSubject) -> None:
    """The same episode twice is the same, finite but for whole frames or steps of padding at the end."""
    domain, shape = subject.domain, subject.shapes[0]
    a, b = (domain.episodes("test", shape, 0, [3, 4]) for _ in range(2))
    require(torch.equal(torch.nan_to_num(a.query.x), torch.nan_to_num(b.query.x)), "it is not the same")
    expected = (2, shape.ways * shape.shots, *a.spec.input_shape)
    require(a.support.x.shape == expected, f"support x is {tuple(a.support.x.shape)}, not {expected}")
    require(a.query.y.min() == 0 and a.query.y.max() == shape.ways - 1, "query labels are not 0..ways-1")
    if domain.modality not in NAN_PADDED:
        require(torch.isfinite(a.query.x).all(), "an input is not finite")
        return
    there = ~torch.isnan(a.query.x)
    require((there.all(-2) == there.any(-2)).all(), "NaN stands in a part of a frame")
    lengths = there.all(-2).sum(-1)
    frames = torch.arange(there.shape[-1]) < lengths[..., None]
    require((there.all(-2) == frames).all(), "NaN stands before the end")
    require(lengths.min() > 0, "an input is nothing but padding")


def any_shape_works_or_says_why(subject: DomainSubject) -> None:
    """Episodes of any shape are drawn, or a message says what there is too few of."""
    for split, table in subject.domain.tables.items():
        classes, least = len(table.sizes), int(table.sizes.min())
        for ways, shots, queries in ((2, 1, 1), (classes, 1, 1), (classes + 1, 1, 1), (2, least, 1)):
            try_shape(subject.domain, split, EpisodeShape(max(ways, 2), shots, queries))


def try_shape(domain: Domain, split: Split, shape: EpisodeShape) -> None:
    """CheckFailed unless a split gives episodes of a shape that fits it, and refuses any other with why."""
    table = Domain(domain.store).tables[split]
    classes, least = len(table.sizes), int(table.sizes.min())
    fits = shape.ways <= classes and shape.shots + shape.queries <= least
    try:
        drawn = sample(table, 1, shape, np.arange(2)).query.shape
    except InvalidValue as error:
        said = f"has {classes} classes" in str(error) or f"a class with {least} examples" in str(error)
        require(not fits and said, f"{split} {shape}: {error}")
    else:
        require(fits and drawn == (2, shape.ways * shape.queries), f"{split} {shape}: drew {drawn}")


def inputs_are_normalised_by_the_training_classes(subject: DomainSubject) -> None:
    """Images and speech have mean 0 and standard deviation 1 over meta-train, or pixels in [-1, 1]."""
    domain = subject.domain
    if domain.modality == "text":
        raise NotApplicable("text is token ids")
    if not domain.trains:  # fixed statistics: pixels to [-1, 1], whatever the test classes are like
        x = domain.gather(domain.tables["test"].rows[:50])
        inside = domain.modality != "image" or bool(x.min() >= -1 and x.max() <= 1)
        require(domain.store.scale is None and inside, f"values from {x.min():.3g} to {x.max():.3g}")
        return
    rows = domain.tables["train"].rows
    x = domain.gather(rows[:: -(-len(rows) // MEASURED)])
    slack = 0.02 if len(rows) <= MEASURED else 0.1
    mean, deviation = float(x.nanmean()), float(x[~torch.isnan(x)].std())
    require(
        abs(mean) <= slack and abs(deviation - 1) <= slack + 0.03,
        f"mean {mean:.3f}, deviation {deviation:.3f}",
    )


def a_network_takes_it(subject: DomainSubject) -> None:
    """A supernet with the stem of its modality gives finite logits for an episode."""
    shape = subject.shapes[0]
    tasks = subject.domain.episodes("test", shape, 0, [0])
    net = SuperNet(SearchSpace(layers=1, channels=4, reductions=()), [tasks.spec])
    with torch.no_grad():
        logits = apply(net, net.init(generator(0, "domain")), tasks.query.x[0], tasks.spec)
    require(logits.isfinite().all(), "its logits are not finite")


RULES = (
    says_where_it_comes_from,
    reads_the_same_twice,
    splits_are_disjoint,
    no_example_is_in_two_splits,
    no_speaker_is_in_two_splits,
    episodes_are_what_an_episode_is,
    episodes_are_deterministic_and_finite,
    any_shape_works_or_says_why,
    inputs_are_normalised_by_the_training_classes,
    a_network_takes_it,
)
