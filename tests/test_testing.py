"""`metanas.testing`: who breaks a rule is told which; who takes one modality is not asked for more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from metanas import testing
from metanas.base.errors import InvalidValue
from metanas.base.registry import Registry, UnknownName
from metanas.cli.app import app
from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.episode import Batch, TaskSpec
from metanas.method import METHODS, Adapted, Method, State
from metanas.models.network import Head, Network
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig


class ImagesAlone(Network):
    """A linear layer of images; `beside` makes an example depend on the others."""

    beside = 0.0

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        for spec in specs:
            if spec.modality != "image":
                raise InvalidValue(f"linear takes images, and this is {spec.modality}")
        sizes = {spec.name: int(np.prod(spec.input_shape)) for spec in specs}
        self.entries = nn.ParameterDict({name: torch.empty(8, size) for name, size in sizes.items()})
        self.heads = nn.ModuleDict({f"ways{n}": Head(8, n) for n in {spec.ways for spec in specs}})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        x = x - self.beside * x.mean(0, keepdim=True)
        features = nn.functional.linear(x.flatten(1), self.entries[spec.name]).relu()
        return self.heads[f"ways{spec.ways}"](features) if head else features


class Leaky(ImagesAlone):
    beside = 0.5


class Peeking(Method):
    """Classifies by the mean of all queries of a task."""

    transductive = False
    trains = False

    @dataclass(frozen=True)
    class Settings:
        rate: float = 0.1

    def __init__(self, specs: Sequence[TaskSpec], settings: Any) -> None:
        self.ways = specs[0].ways

    def start(self, generator: torch.Generator) -> State:
        return State({"weights/a": torch.zeros(1)})

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        def predict(x: Tensor) -> Tensor:
            flat = x.float().flatten(2)
            return (flat - flat.mean(1, keepdim=True))[..., : spec.ways].softmax(-1)

        return Adapted(predict)


class Unsteady(Adapter):
    """Images that are others each time they are read."""

    modality, licence, citation, synthetic, packages, recipe = "image", "", "none", True, (), "v1"

    def locate(self, root: Any) -> list[Any]:
        return []

    def load(self, root: Any) -> Examples:
        x = np.random.default_rng().integers(0, 255, (120, 1, 8, 8)).astype(np.uint8)
        names = tuple("abcdef")
        return Examples(x, np.repeat(np.arange(6), 20), names, {"test": names}, "0" * 64)


class Blurs(nn.Module):
    """An op that reads the padding and the other examples."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.unused_weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return x - x.mean(0, keepdim=True)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    added: tuple[tuple[Registry[Any], str, Any], ...] = (
        (NETWORKS, "images-alone", ImagesAlone),
        (NETWORKS, "leaky", Leaky),
        (METHODS, "peeking", Peeking),
        (DOMAINS, "unsteady", Unsteady),
        (OPS, "blurs", Blurs),
    )
    for registry, name, plugin in added:
        monkeypatch.setitem(registry._things, name, plugin)
    yield


def states(kind: str, name: str) -> dict[str, str]:
    return {check.name: check.outcome().state for check in testing.checks(kind, name)}


def failed(kind: str, name: str) -> set[str]:
    return {check for check, state in states(kind, name).items() if state == "failed"}


def test_a_network_of_images_alone_passes() -> None:
    found = states("network", "images-alone")
    assert set(found.values()) == {"ok", "-"}
    assert [name for name, state in found.items() if state == "-"] == [
        "what_lies_in_the_padding_changes_nothing"
    ]


def test_a_network_whose_examples_see_each_other_does_not() -> None:
    assert failed("network", "leaky") == {"one_by_one_equals_all_at_once"}


def test_a_method_that_sees_the_other_queries_does_not() -> None:
    assert failed("method", "peeking") == {"queries_alone_and_together_agree"}


def test_a_domain_that_is_random_and_has_no_licence_does_not() -> None:
    assert failed("domain", "unsteady") == {"reads_the_same_twice", "says_where_it_comes_from"}


def test_an_op_that_reads_other_examples_does_not() -> None:
    assert {"one_by_one_equals_all_at_once", "every_parameter_gets_a_gradient"} <= failed("op", "blurs")


def test_a_failed_check_raises_with_the_reason() -> None:
    (check,) = (c for c in testing.checks("domain", "unsteady") if c.name == "says_where_it_comes_from")
    with pytest.raises(testing.CheckFailed, match="licence is empty"):
        check()


def test_the_command_says_what_is_wrong_and_ends_with_2() -> None:
    done = CliRunner().invoke(app, ["check", "domain", "unsteady"])
    assert done.exit_code == 2
    assert "failed  It names licence, citation" in done.output and "(licence is empty)" in done.output
    assert "breaks 2 of 10 rules" in done.output


def test_what_cannot_be_checked_says_why() -> None:
    with pytest.raises(InvalidValue, match="nothing of kind 'suite' can be checked; there are: domain, meth"):
        testing.checks("suite", "mini-v1")
    with pytest.raises(UnknownName, match="no network named 'conv5'; did you mean 'conv4'"):
        testing.checks("network", "conv5")
    with pytest.raises(InvalidValue, match="domain is of a method.*this is a network"):
        testing.checks("network", "conv4", domain="digits")
    with pytest.raises(InvalidValue, match="a network has no option 'wide'; there are: width, depth"):
        testing.checks("network", "conv4", settings={"wide": 3})
