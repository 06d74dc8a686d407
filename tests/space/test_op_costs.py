"""The closed forms of the built-in ops' costs against a count of each op's own weights."""

import pytest

from metanas.models import macs
from metanas.space.candidates import OPS
from metanas.space.op_costs import COSTS, op_macs, op_parameters


def test_every_built_in_op_has_a_cost() -> None:
    built_in = {name for name in OPS if OPS[name].__module__.startswith("metanas.")}
    assert set(COSTS) == built_in


@pytest.mark.parametrize("op", sorted(COSTS))
def test_a_cost_is_what_the_weights_of_the_op_say(op: str) -> None:
    for channels in (4, 8, 20, 32, 64):
        assert op_parameters(op, channels) == macs.op_parameters(op, channels)
        for size in ((1, 1), (1, 24), (2, 3), (7, 7), (5, 8)):
            assert op_macs(op, channels, *size) == macs.op_macs(op, channels, *size), (channels, size)
