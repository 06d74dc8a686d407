"""Methods under a given architecture: as if the network had no other candidate, and only weights move."""

import pytest
import torch

from metanas.base.seeding import generator
from metanas.engine.config import settings_of
from metanas.meta.given_arch import WeightsOnly
from metanas.meta.inner import ParamGroups
from metanas.meta.optimizers import sgd
from metanas.method import METHODS, State
from metanas.params import Params
from metanas.search.discretize import discretize, logits_of
from metanas.space.architecture import parse
from metanas.space.space import SearchSpace
from tests import tiny

SPACE = {"layers": 2, "channels": 4, "reductions": ()}
TEXTS = ("conv5/tanh > gru/relu", "attn/relu")
SUPERNETS = ("maml", "mamlpp", "reptile", "protonet", "matchingnet", "metanas", "metanas-ours", "tnas")
SUPERNETS += ("r2d2", "darts", "imaml", "finetune", "scratch")


def started(name: str, **settings: object) -> tuple[object, State]:
    kind = METHODS[name]
    method = kind([tiny.SPEC], settings_of(kind, {"space": {**SPACE, **settings}}))
    state = State(method.start(generator(0, "test")))
    noise = generator(1, "test")
    return method, State(
        {
            name: t + 0.05 * torch.randn(t.shape, generator=noise) if name.startswith("weights") else t
            for name, t in state.items()
        }
    )


def archs(space: SearchSpace) -> dict[str, torch.Tensor]:
    """Hard logits of TEXTS, one for each of two tasks."""
    both = [logits_of(space, parse(text, space)) for text in TEXTS]
    return {name: torch.stack([hard[name] for hard in both]) for name in both[0]}


@pytest.mark.parametrize("name", SUPERNETS)
def test_every_task_goes_through_its_own_architecture(name: str) -> None:
    method, state = started(name)
    space = method.settings.space
    tasks = tiny.episodes(2)
    support, x = tasks.support, tasks.query.x.float()
    support = type(support)(support.x.float(), support.y)
    given = archs(space)
    together = method.adapt_with(state, tiny.SPEC, support, given).predict(x)
    assert together.shape == (2, 6, 2)
    torch.testing.assert_close(together.sum(-1), torch.ones(2, 6))
    for i in range(2):
        alone = {key: t[i : i + 1] for key, t in given.items()}
        answers = method.adapt_with(state, tiny.SPEC, support.tasks([i]), alone).predict(x[[i]])
        torch.testing.assert_close(answers[0], together[i], rtol=1e-4, atol=1e-5)
        spoiled = spoil(state, used=("conv5", "gru") if i == 0 else ("attn",))
        again = method.adapt_with(spoiled, tiny.SPEC, support.tasks([i]), alone).predict(x[[i]])
        torch.testing.assert_close(again, answers)


def spoil(state: State, used: tuple[str, ...]) -> State:
    """The state with nonsense for every candidate that is not used: it must not matter."""
    return State(
        {
            name: torch.full_like(t, 1e3)
            if ".candidates." in name
            and name.startswith("weights")
            and not any(f".{u}." in name for u in used)
            else t
            for name, t in state.items()
        }
    )


def test_only_weights_move() -> None:
    params = Params({"heads.w": torch.zeros(1)}, {"node": torch.zeros(1, 2)})
    moving = WeightsOnly(ParamGroups(sgd(0.1), sgd(0.1))).for_step(params, 0)
    assert [optimizer is not None for optimizer in moving] == [True, False]


def test_fixed_archs_are_the_strongest_of_the_shared_and_of_the_domains_logits() -> None:
    method, state = started("maml", levels="domain")
    shared = torch.zeros_like(state["arch/node"]).index_fill(1, torch.tensor(2), 1.0)
    own = torch.zeros_like(shared).index_fill(1, torch.tensor(4), 3.0)
    state |= {"arch/node": shared, f"arch/node@{tiny.SPEC.name}": own}
    fixed = method.fixed_archs(state, tiny.SPEC)
    assert fixed["shared"]["node"].argmax(-1).tolist() == [2, 2]
    assert fixed["domain"]["node"].argmax(-1).tolist() == [4, 4]
    assert fixed["domain"].keys() == fixed["shared"].keys() == {"node", "activation", "depth"}
    method, state = started("maml", levels="shared")
    assert method.fixed_archs(state, tiny.SPEC).keys() == {"shared"}


@pytest.mark.parametrize("name", ["random-arch", "cpf", "random-search"])
def test_a_fixed_architecture_has_no_controls(name: str) -> None:
    method, state = started(name)
    tasks = tiny.episodes(2)
    arch = discretize(
        method.settings.space, {k: t.expand(2, *t.shape) for k, t in state.group("arch").items()}, tiny.SPEC
    )
    assert method.adapt_with(state, tiny.SPEC, tasks.support, arch) is None
    assert method.fixed_archs(state, tiny.SPEC) == {}
