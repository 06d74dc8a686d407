"""Every registered method keeps the rules of `metanas.testing`; a method that peeks is caught."""

import os
from collections.abc import Callable

import pytest
import torch

from metanas.base.errors import InvalidValue
from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.engine.predict import check_independent
from metanas.engine.returned import ProtocolError
from metanas.method import METHODS, Adapted
from metanas.testing import methods
from metanas.testing.check import bound
from metanas.testing.methods import MethodSubject

SUBJECTS = {name: MethodSubject(name, "langid") for name in METHODS}  # trained once for all rules


@pytest.mark.parametrize("rule", methods.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", list(METHODS))
def test_method(name: str, rule: Callable[[MethodSubject], None]) -> None:
    try:
        SUBJECTS[name].made()
    except PluginError as error:  # an extra that is not installed
        if os.environ.get("METANAS_REQUIRE_SHARED"):
            raise
        pytest.skip(f"NOT RUN: {error}")
    if name == "l2l-metasgd" and rule is methods.single_paths:
        with pytest.raises(InvalidValue, match="space.sampling must be mixture"):
            SUBJECTS[name].made({"sampling": "uniform"})
        return
    (check,) = bound([rule], SUBJECTS[name])
    check()


def test_a_method_that_peeks_at_the_other_queries_is_caught() -> None:
    peeking = Adapted(lambda x: (x - x.mean(1, keepdim=True)).softmax(-1))
    x = torch.randn(2, 10, 5, generator=generator(0, "peek"))
    with pytest.raises(ProtocolError, match="declare the method `transductive = True`"):
        check_independent(peeking, x, peeking.predict(x))
