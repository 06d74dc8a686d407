"""Whether a challenge was held: the fresh score must be as good as the pinned one, within what chance allows.

Both are means over the challenged tasks, each with its 95 % interval. Fresh classes are others than the
pinned ones and may be somewhat harder, which MARGIN allows for; `answer.py` grants the tier by `held`, and
pages show both scores in either case.
"""

from dataclasses import dataclass
from math import hypot

from metanas.evaluation.statistics import Interval, View, estimate

MARGIN = 0.1  # of accuracy, by which fresh classes may be harder


@dataclass(frozen=True)
class Outcome:
    """The accuracies of an answered challenge. shortfall: pinned minus fresh, over the same tasks."""

    pinned: Interval
    fresh: Interval
    shortfall: Interval

    @property
    def held(self) -> bool:
        """Whether the fresh score may be as good as the pinned one, but for MARGIN."""
        return self.shortfall.low <= MARGIN

    def __str__(self) -> str:
        held = "held" if self.held else "not held"
        return f"{held}: fresh {self.fresh.percent()} %, pinned {self.pinned.percent()} %"


def outcome(pinned: View, fresh: View) -> Outcome | None:
    """The outcome of a challenge. None if none was answered.

    pinned, fresh: accuracies by task, (S, E); pinned may have more tasks, which do not count.
    """
    if not fresh:
        return None
    before, after = (estimate(view).interval() for view in ({name: pinned[name] for name in fresh}, fresh))
    gap = before.mean - after.mean
    half = hypot(before.high - before.mean, after.high - after.mean)
    how = "pinned minus fresh; other episodes, so the variances add up"
    return Outcome(before, after, Interval(gap, gap - half, gap + half, how))
