"""The method to improve: one file, registered as `agent`. As it stands: ProtoNet as in the repository."""

from baselines.protonet import ProtoNet
from metanas import METHODS

# As of `--set`: what the scorer trains with. `budget.iterations` x `budget.tasks` episodes per domain.
TRAINING = {"budget.iterations": 100, "budget.tasks": 2}


@METHODS.register("agent")
class Agent(ProtoNet):
    """ProtoNet, to begin with."""
