"""Every method on series of different lengths: it trains, adapts and answers."""

import pytest
import torch

from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine.config import known_keys, settings_of
from metanas.method import METHODS, Progress

SHAPE = EpisodeShape(5, 1, 2)
SMALL = {"channels": 16, "layers": 1, "reductions": (), "ops": ("conv3", "gru")}
QUICK = {"space": SMALL, "steps": 1, "test_steps": 1, "batching": "vmap", "candidates": 1, "retrain_steps": 1}


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_learns_from_series(name: str) -> None:
    kind, domain = METHODS[name], Domain.open("outlines")
    known = {key.partition(".")[0] for key in known_keys(kind.Settings)}
    settings = settings_of(kind, {key: value for key, value in QUICK.items() if key in known})
    try:
        method = kind([domain.spec(5)], settings)
    except PluginError as error:  # an extra that is not installed
        pytest.skip(f"NOT RUN: {error}")
    state = method.start(generator(0, "series"))
    if method.trains:
        batch = MetaBatchSampler([domain], lambda name: [SHAPE], 2, 0)[0]
        state, losses = method.step(state, Progress(0, 2), batch)
        assert all(torch.isfinite(torch.as_tensor(loss)) for loss in losses.values())
    tasks = domain.episodes("test", SHAPE, 0, range(2))
    assert torch.isnan(tasks.support.x).any()  # some are shorter
    answers = method.adapt(state, tasks.spec, tasks.support).predict(tasks.query.x)
    assert answers.shape == (2, 10, 5)
    torch.testing.assert_close(answers.sum(-1), torch.ones(2, 10))
