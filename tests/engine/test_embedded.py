"""Embedding each example once gives the answers that adapting to each episode gives."""

import pytest
import torch

import metanas
from metanas.base.seeding import generator
from metanas.data.episode import EVALUATION_SEED, EpisodeShape
from metanas.engine.config import settings_of
from metanas.engine.embedded import Embeds, right_in_all
from metanas.engine.predict import right_answers
from metanas.method import METHODS, Method, State
from metanas.search.discretize import logits_of
from metanas.space.architecture import parse
from metanas.space.space import SearchSpace

SPACE = {"ops": ["conv3", "gru"], "layers": 1, "channels": 4, "stem": "lean"}
SHAPES = (EpisodeShape(5, 1, 4), EpisodeShape(5, 3, 4))


@pytest.fixture(scope="module")
def domain() -> metanas.Domain:
    suite = metanas.load_suite("mini-v1").model_copy(update={"domains": ("spoken-words",)})
    return suite.open()["spoken-words"]


@pytest.mark.parametrize("text", ["", "gru/tanh"])
@pytest.mark.parametrize("name", ["protonet", "matchingnet", "fomaml"])
def test_the_answers_are_the_same(name: str, text: str, domain: metanas.Domain) -> None:
    kind = METHODS[name]
    method: Method = kind([domain.spec(5)], settings_of(kind, {"space": SPACE}))
    noise = generator(1, "embedded")
    start = method.start(generator(0, "start"))
    state = State({key: t + 0.1 * torch.randn(t.shape, generator=noise) for key, t in start.items()})
    assert isinstance(method, Embeds) == (name != "fomaml")
    space = SearchSpace(**SPACE)  # type: ignore[arg-type]
    arch = logits_of(space, parse(text, space)) if text else None
    together = right_in_all(method, state, domain, "test", SHAPES, EVALUATION_SEED, 12, arch=arch)
    for shape, found in zip(SHAPES, together, strict=True):
        wanted = right_answers(method, state, domain, "test", shape, EVALUATION_SEED, 12, arch=arch)
        assert found.tolist() == wanted.tolist()
        assert len(set(found.tolist())) > 3
