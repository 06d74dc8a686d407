"""Strategies: what each says, and that each changes what is derived in the direction it says."""

import pytest
import torch

from metanas.base.registry import UnknownName
from metanas.base.seeding import generator
from metanas.engine.config import ConfigError, settings_of
from metanas.meta.inner import ParamGroups, adapt
from metanas.meta.loss import TaskLoss
from metanas.meta.optimizers import adam
from metanas.method import METHODS
from metanas.models.supernet import SuperNet
from metanas.params import expand_tasks, tree_map
from metanas.space import strategy
from metanas.space.architecture import Architecture, derive
from metanas.space.candidates import OPS
from metanas.space.families import family
from metanas.space.space import SearchSpace
from tests import tiny

EVERY_OP = tuple(op for op in ("conv1", "sepconv3", "maxpool3", "gru", "lstm", "attn", "fc", "skip"))
ALLOWED = {
    "cnn-only": {"convolution"},
    "rnn-only": {"recurrent"},
    "attention-only": {"attention"},
    "cnn+rnn": {"convolution", "recurrent"},
}
TASKS = 6


def space(name: str) -> SearchSpace:
    return SearchSpace(ops=EVERY_OP, layers=3, channels=4, reductions=(), strategy=name)


def derived(name: str) -> list[Architecture]:
    """The architectures of six tasks after 5 Adam steps on weights and architecture, from a random start."""
    net = SuperNet(space(name), [tiny.SPEC]).double()
    params = tree_map(lambda t: t.double(), net.init(generator(0, "strategy")))
    policy = ParamGroups(adam(0.01), adam(0.05))
    tasks = tiny.episodes(TASKS)
    end = adapt(
        TaskLoss(net, tiny.SPEC), expand_tasks(params, TASKS), [tasks.support] * 5, policy=policy, order=0
    )
    shares = {key: t.softmax(-1) for key, t in end.arch.items()}
    return [derive(net.space, **{key: t[i].tolist() for key, t in shares.items()}) for i in range(TASKS)]


def families(found: list[Architecture]) -> set[str]:
    return {family(e.op) for a in found for layer in a.layers for edges in layer.graph for e in edges}


def depth(found: list[Architecture]) -> float:
    return sum(len(a.layers) for a in found) / len(found)


@pytest.mark.parametrize(("name", "allowed"), ALLOWED.items())
def test_a_family_strategy_derives_that_family_alone(name: str, allowed: set[str]) -> None:
    assert families(derived(name)) <= allowed
    assert not families(derived("all")) <= allowed  # it is the strategy that does it


def test_prefer_deep_derives_deeper_than_prefer_shallow_with_all_between() -> None:
    shallow, all_, deep = (depth(derived(name)) for name in ("prefer-shallow", "all", "prefer-deep"))
    assert shallow <= all_ <= deep
    assert deep - shallow >= 1  # layers


def test_relu_only_derives_relu_alone_where_all_does_not() -> None:
    def activations(name: str) -> set[str]:
        return {layer.activation for a in derived(name) for layer in a.layers}

    assert activations("relu-only") == {"relu"}
    assert activations("all") != {"relu"}


def test_one_of_ones_own_prior_is_where_the_search_starts() -> None:
    own = "{node: {prior: {recurrent: 2.0, fc: -1}}, depth: {search: [2, 3], prior: {3: 0.5}}}"
    arch = SuperNet(space(own), [tiny.SPEC]).arch()
    assert arch["node"].tolist() == [[0, 0, 0, 2, 2, 0, -1, 0]] * 3
    assert arch["depth"].tolist() == [0, 0.5]
    assert families(derived("{node: {prior: {recurrent: 9.0}}}")) == {"recurrent"}


def test_every_strategy_says_what_it_does_and_fits_the_space_of_all_ops() -> None:
    assert set(strategy.names()) >= {"all", "prefer-deep", "prefer-shallow", "relu-only", *ALLOWED}
    for name in strategy.names():
        assert strategy.load(name).summary
        narrowed = SearchSpace(ops=tuple(OPS), strategy=name)
        assert SearchSpace(ops=narrowed.ops, strategy=name) == narrowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnn_only", "no strategy named 'rnn_only'; did you mean 'rnn-only'"),
        ("{node: {search: [convolutions]}}", "no op named 'convolutions'; did you mean 'convolution'"),
        ("{activation: {fixed: rellu}}", "no activation named 'rellu'; did you mean 'relu'"),
        ("{depth: {prior: {deep: 1}}}", "a depth is a number of layers or 'deeper', got 'deep'"),
        ("{depth: {kl: 1}}", "kl needs a prior"),
        ("{activation: {fixed: relu, prior: {relu: 1}}}", "has nothing to search and no prior"),
        ("{activation: {fixed: gelu}}", "wants activations from gelu, but the space has relu, tanh, sigmoid"),
    ],
)
def test_a_wrong_strategy_says_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises((ValueError, UnknownName), match=message):
        SearchSpace(strategy=text)


def test_set_takes_a_name_a_mapping_or_a_file_and_keeps_the_text(tmp_path: object) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "mine.yaml"
    file.write_text("summary: mine\nactivation: {fixed: tanh}\n")
    for given in ("relu-only", {"activation": {"fixed": "tanh"}}, str(file)):
        found = settings_of(METHODS["scratch"], {"space": {"strategy": given}}).space
        assert len(found.activations) == 1
        assert SearchSpace(strategy=found.strategy).activations == found.activations
    with pytest.raises(ConfigError, match="space.strategy.*Extra inputs are not permitted"):
        settings_of(METHODS["scratch"], {"space": {"strategy": {"nodes": {}}}})
    assert torch.equal(SuperNet(found, [tiny.SPEC]).arch()["depth"], torch.zeros(3))
