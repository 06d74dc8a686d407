"""Every registered network keeps the rules of `metanas.testing`."""

import pytest

from metanas.base.registry import UnknownName
from metanas.models.build import build
from metanas.models.supernet import SuperNet
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.testing import Check, networks
from metanas.testing.check import bound
from metanas.testing.inputs import SPECS

CHECKS = {
    f"{name}-{check.name}": check
    for name in NETWORKS
    for check in bound(networks.RULES, networks.NetworkSubject(name))
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_network(check: Check) -> None:
    check()


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no network named 'conv5'; did you mean 'conv4'"):
        build(NetworkConfig("conv5"), networks.SPACE, SPECS)
    with pytest.raises(ValueError, match=r"network\.width must be positive, got 0"):
        NetworkConfig(width=0)
    assert isinstance(build(NetworkConfig(), networks.SPACE, SPECS), SuperNet)
