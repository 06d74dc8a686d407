"""MACs and parameters of the built-in ops in closed form. Torch-free, so that a leaderboard can recount them.

`metanas/models/macs.py` counts the same from an op's weights, for ops of other packages too;
`tests/space/test_op_costs.py` compares the two for every built-in op.
"""

from typing import NamedTuple


class OpCost(NamedTuple):
    """Of an op on C channels and P positions: C*C*P products `dense` times, C*P `own`, C*P*P `pairs`.

    dense, own: on a map of several rows, and on one row, where only the middle row of a square kernel
    counts. once: C*C products whatever the size of the map. biases: C parameters, so many times; all other
    parameters are the weights of the products.
    """

    dense: tuple[float, float] = (0, 0)
    own: tuple[int, int] = (0, 0)
    pairs: int = 0
    once: int = 0
    biases: int = 0


FREE = OpCost()  # pooling, skip
COSTS = {
    "conv1": OpCost(dense=(1, 1)),
    "conv3": OpCost(dense=(9, 3)),
    "conv5": OpCost(dense=(25, 5)),
    "dilconv3": OpCost(dense=(9, 3)),
    "sepconv3": OpCost(dense=(1, 1), own=(9, 3)),
    "sepconv5": OpCost(dense=(1, 1), own=(25, 5)),
    "attn": OpCost(dense=(4, 4), pairs=2),
    "attn1": OpCost(dense=(4, 4), pairs=2),
    "attn4": OpCost(dense=(4, 4), pairs=2),
    "gru": OpCost(dense=(6, 6), biases=6),
    "lstm": OpCost(dense=(8, 8), biases=8),
    "gru-half": OpCost(dense=(2.5, 2.5), biases=3),  # 1 + 6 / 4: to C/2 channels, a GRU of them, and back
    "lstm-half": OpCost(dense=(3, 3), biases=4),
    "fc": OpCost(dense=(2, 2), biases=1),
    "fc-wide": OpCost(dense=(4, 4), biases=2),
    "fc-global": OpCost(once=1),
    **dict.fromkeys(("maxpool3", "maxpool5", "avgpool3", "avgpool5", "skip", "none"), FREE),
}


def op_macs(op: str, channels: int, height: int, width: int) -> int:
    """MACs of a built-in op on a feature map. KeyError for another. channels: even."""
    cost, positions, line = COSTS[op], height * width, height == 1
    per_position = cost.dense[line] * channels**2 + cost.own[line] * channels
    return round(per_position * positions + cost.pairs * channels * positions**2 + cost.once * channels**2)


def op_parameters(op: str, channels: int) -> int:
    """Number of parameters of a built-in op. KeyError for another. channels: even."""
    cost = COSTS[op]
    weights = (cost.dense[0] + cost.once) * channels**2
    return round(weights + (cost.own[0] + cost.biases) * channels)
