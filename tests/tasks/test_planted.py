"""planted-v1: what a node may not see is the same in all classes, exactly where a closed form says so."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from metanas.base.seeding import generator
from metanas.data.adapter import DOMAINS
from metanas.data.domain import Domain
from metanas.data.episode import SPLITS, Ints
from metanas.data.suite import load_suite
from metanas.models.derived import DerivedNet
from metanas.space.architecture import parse
from metanas.space.candidates import OPS
from metanas.space.families import family
from metanas.space.space import SearchSpace
from tasks.planted import beep, clump, sign, tune, turn, weave, when
from tasks.planted.dice import Dice
from tasks.planted.procedural import Procedural

NAMES = load_suite("planted-v1").domains
CELLS = {"text": (1, 4), "image": (2, 2), "speech": (2, 2)}  # the grid of means that an exit takes
NEAR = [op for op in OPS if family(op) not in ("recurrent", "attention")]  # all that reach 2 places or fewer
ALONE = ["conv1", "fc", "fc-wide", "fc-global", "skip", "none"]  # of these, those that see single places


def made(domain: type[Procedural], each: int) -> tuple[Ints, Ints]:
    """`each` examples of every test rule of a domain as it makes them, and the numbers of their rules."""
    rules = np.array(domain.rules["test"])
    examples = domain().make(Dice("test"), "test", rules.repeat(each, axis=0))
    return examples, np.arange(len(rules)).repeat(each)


def bags(domain: Domain) -> tuple[np.ndarray, Ints]:
    """The mean token or patch of each exit cell of every test example (n, features), and the classes (n,)."""
    table = domain.tables["test"]
    x = domain.gather(table.rows)
    if domain.modality == "text":
        kept = torch.unique(x)
        features = (x[:, :, None] == kept).float().unflatten(1, (4, -1)).mean(2)
    else:
        side = 4 if domain.modality == "image" else 8
        x = x[:, 0] if domain.modality == "image" else x
        patches = x.unfold(1, side, side).unfold(2, side, side).flatten(-2).movedim(-1, 1)
        features = torch.nn.functional.adaptive_avg_pool2d(patches, CELLS[domain.modality])
    return features.flatten(1).double().numpy(), np.arange(len(table.sizes)).repeat(table.sizes)


@pytest.mark.parametrize("name", NAMES)
def test_a_linear_probe_on_bags_of_inputs_is_at_chance(name: str) -> None:
    features, labels = bags(Domain.open(name))
    even = np.arange(len(labels)) % 2 == 0
    count = int(labels.max()) + 1
    inputs = np.concatenate([features, np.ones((len(features), 1))], 1)
    gram = inputs[even].T @ inputs[even] + 1e-3 * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs[even].T @ np.eye(count)[labels[even]])
    right = ((inputs[~even] @ weights).argmax(1) == labels[~even]).mean()
    deviation = (1 / count * (1 - 1 / count) / (~even).sum()) ** 0.5
    assert right < 1 / count + 4 * deviation


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_balanced_and_splits_have_no_seed_in_common(name: str) -> None:
    adapter = DOMAINS[name]
    assert issubclass(adapter, Procedural) and adapter.name == name and adapter.synthetic
    rules = np.array(adapter.rules["test"])
    one, other = (adapter().make(Dice(name, split), "test", rules.repeat(20, 0)) for split in ("val", "test"))
    assert (one != other).any()
    again = adapter().make(Dice(name, "test"), "test", rules.repeat(20, 0))
    assert (again == other).all()
    for split, table in Domain.open(name).tables.items():
        assert set(table.sizes.tolist()) == {adapter.each[split]}


@pytest.mark.parametrize("domain", [turn.Turn, tune.Tune], ids=lambda domain: domain.name)
def test_an_order_is_in_one_split_alone(domain: type[Procedural]) -> None:
    known = [rule for split in SPLITS for rule in domain.rules[split]]
    assert len(known) == len(set(known)) == 24


def spread(domain: Domain, x: Ints, op: str) -> float:
    """How far the features of examples (n, width) are apart under a random network of one node, at most."""
    net = DerivedNet(parse(f"{op}/relu", SearchSpace(stem="lean", layers=1)), [domain.spec(5)]).double()
    weights = {name: t.double() for name, t in net.init(generator(0, op)).weights.items()}
    inputs = torch.from_numpy(x + 1)
    found = torch.func.functional_call(net, weights, (inputs, {}, domain.spec(5)), {"head": False})
    return float((found - found[0]).abs().max())


@pytest.mark.parametrize("op", list(OPS))
def test_nodes_at_chance_have_the_same_features_for_every_example(
    op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(when, "NOISE", 0.0)
    for domain, blind in ((when.When, NEAR), (turn.Turn, NEAR), (clump.Clump, ALONE)):
        apart = spread(Domain.open(domain.name), made(domain, 3)[0], op)
        assert (apart < 1e-9) == (op in blind), f"{domain.name}: {apart}"


def windows(row: Ints, size: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(window) for window in np.lib.stride_tricks.sliding_window_view(row, size).tolist())


def test_when_looks_the_same_from_near_in_every_cell_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(when, "NOISE", 0.0)
    reach = when.MARGIN
    seen = []
    for row in made(when.When, 1)[0]:
        padded = np.pad(row, reach)
        cells = (padded[i : i + when.CELL + 2 * reach] for i in range(0, when.WIDTH, when.CELL))
        seen.append([windows(cell, 2 * reach + 1) for cell in cells])
    assert len(seen) == len(when.When.rules["test"])
    assert all(other == seen[0] for other in seen[1:])


def test_beep_looks_the_same_from_near_in_every_cell_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beep, "NOISE", 0.0)
    reach, half = beep.MARGIN, beep.BEATS // 2
    seen = []
    for row in made(beep.Beep, 1)[0]:
        heard = np.pad((row[1:] != beep.SILENT).astype(np.int64), reach)
        seen.append([windows(heard[i : i + half + 2 * reach], 2 * reach + 1) for i in (0, half)])
    assert all(other == seen[0] for other in seen[1:])


def test_turn_shows_one_letter_at_a_time_and_all_in_every_cell() -> None:
    examples, _ = made(turn.Turn, 40)
    letters = examples != ord(".")
    near = np.lib.stride_tricks.sliding_window_view(letters, turn.STEP, axis=1)
    assert near.sum(-1).max() == 1
    cells = np.sort(examples.reshape(-1, turn.CELL), axis=1)[:, -5:]
    assert (cells == turn.NAMES).all()


def test_turn_is_the_order_that_its_rule_says() -> None:
    examples, labels = made(turn.Turn, 5)
    for row, label in zip(examples, labels, strict=True):
        order = [int(np.flatnonzero(turn.NAMES == letter)[0]) for letter in row[row != ord(".")]]
        rule = turn.Turn.rules["test"][label]
        follows = dict(zip(rule, rule[1:] + rule[:1], strict=True))
        assert len(order) == 20 and all(follows[a] == b for a, b in pairwise(order[:5]))


def test_clump_has_the_same_letters_in_every_cell() -> None:
    examples, labels = made(clump.Clump, 40)
    cells = np.sort(examples.reshape(-1, clump.CELL), axis=1)
    assert (cells == cells[0]).all()
    same = examples.reshape(len(labels), 4, -1)[..., 1:] == examples.reshape(len(labels), 4, -1)[..., :-1]
    assert (same.sum(-1) == clump.RUN - 1).all(), "one run in a cell, and no other letter beside itself"


def test_weave_has_neighbours_that_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weave, "FLIPPED", 0.0)
    examples, labels = made(weave.Weave, 2000)
    white = (examples[:, :: weave.BLOCK, :: weave.BLOCK] > 0).astype(np.int64)
    assert (white.sum(-1) == weave.SIDE // 2).all(), "half of each row"
    for down, right in [(0, 1), (0, 2), (1, 0), (1, 1), (1, -1)]:  # equal pairs, for every class
        other = np.roll(white, (-down, -right), (1, 2))
        alike = (white == other)[:, : weave.SIDE - down].mean((1, 2))
        rates = np.array([alike[labels == label].mean() for label in range(len(weave.RULES))])
        assert np.ptp(rates) < 0.02


def test_sign_adds_up_to_grey_in_every_quarter() -> None:
    examples, _ = made(sign.Sign, 20)
    patches = (examples - sign.GREY).reshape(-1, 2, 4, 4, 2, 4, 4)  # quarters' rows, blocks, pixels, columns
    assert (patches.sum((2, 5)) == 0).all()


def test_tune_leaves_out_each_pitch_as_often_in_every_class() -> None:
    examples, labels = made(tune.Tune, 500)
    pitches = examples[:, 1:] % tune.PITCHES
    for half in (pitches[:, :4], pitches[:, 4:]):
        left_out = 10 - half.sum(1)
        assert (np.sort(half, 1)[:, 1:] != np.sort(half, 1)[:, :-1]).all()
        for label in np.unique(labels):
            assert np.ptp(np.bincount(left_out[labels == label], minlength=5)) < 100


def test_tones_stay_within_their_patch() -> None:
    x = Domain.open("planted-beep").store.examples.x[:200].astype(np.float32)
    energy = np.exp(x).reshape(len(x), 5, 8, beep.BEATS, 8).sum((2, 4))  # (n, pitches, beats)
    plans = np.array([name.split() for name in Domain.open("planted-beep").store.extra["clip"][:200]], int)
    for heard, plan in zip(energy, plans, strict=True):
        sung = heard[plan[1:] % 5, np.arange(beep.BEATS)][plan[1:] != beep.SILENT]
        assert sung.sum() > 0.98 * (heard.sum() - heard[:, plan[1:] == beep.SILENT].sum())
        assert heard[:, plan[1:] == beep.SILENT].max() < 1e-3 * sung.max()
