"""The contract of a plug-in as checks that its author runs, from a package of his own: no checkout is needed.

    metanas check network my-net

does so from the command line, and these lines are a test of such a package:

    import pytest
    from metanas import testing

    @pytest.mark.parametrize("check", testing.checks("network", "my-net"), ids=str)
    def test_contract(check):
        check()

A check asks for what the plug-in says it can do: a network that takes images alone (it raises InvalidValue
for the specs of others) passes when it is right for images, and a domain needs no suite and no download. The
built-in plug-ins are tested with the same checks. Nothing here imports pytest.
"""

from metanas.testing.check import Check as Check
from metanas.testing.check import CheckFailed as CheckFailed
from metanas.testing.check import NotApplicable as NotApplicable
from metanas.testing.check import Outcome as Outcome
from metanas.testing.kinds import KINDS as KINDS
from metanas.testing.kinds import checks as checks
