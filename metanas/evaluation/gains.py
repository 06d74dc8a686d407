"""What adapting the architecture does to accuracy: paired differences between a run's controls. No torch.

All are between answers of the same weights to the same episodes (`controls.py`), so they are paired by seed
and episode whatever the number of seeds. Every difference but the last is between two discrete
architectures: a mixture would differ from a discrete one whatever its architecture.

- gain: decoded - shared, the architecture gain. Exactly 0 where the adapted architecture is the shared one.
- domain: decoded - the one that the method prefers for the domain before it sees a task.
- random: decoded - one that was drawn.
- swap: decoded - another domain's.
- decoding: decoded - the answers themselves, which a mixture may have given; exactly 0 where none did.

Of a run that was also answered under every candidate of its choice (`regret.py`), the other way round:

- regret: the one candidate that is best in hindsight - the answers. oracle: the best of every episode - them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from metanas.evaluation.paired import holm
from metanas.evaluation.regret import in_hindsight, of_every_episode
from metanas.evaluation.statistics import Estimate, Floats, Interval, View, difference_within, domain_of

FIGURES: Mapping[str, str] = {  # figure -> the control that is subtracted from "decoded"
    "gain": "shared",
    "domain": "domain",
    "random": "random",
    "swap": "swap",
    "decoding": "answers",
}
REGRETS = ("regret", "oracle")
EVERYWHERE = "all domains"


class Answers(NamedTuple):
    """A run's accuracies (S, E) by task, and the same by control; empty for a run without controls.

    candidates: (K, S, E) by task, under every candidate; empty for a run that was not asked for them.
    """

    own: View
    controls: Mapping[str, View]
    candidates: Mapping[str, Floats] = MappingProxyType({})


@dataclass(frozen=True)
class Gain:
    """One figure of a method on one domain, or on all; p is Holm-adjusted over all of the same call.

    p: None for a regret: that of `oracle` cannot be below 0, so whether it is 0 is no question.
    """

    method: str
    domain: str
    figure: str
    difference: Interval
    p: float | None


def gains(runs: Mapping[str, Answers]) -> list[Gain]:
    """All figures of the runs that have controls or candidates, by method, domain and figure.

    A figure is about the tasks that have its control. None of a run with fewer than two episodes of a task.
    """
    found: list[tuple[str, str, str, Estimate]] = []
    regrets: list[Gain] = []
    for method, answers in runs.items():
        if any(scores.shape[1] < 2 for scores in answers.own.values()):
            continue
        sides, decoded = {**answers.controls, "answers": answers.own}, answers.controls.get("decoded", {})
        for domain in (EVERYWHERE, *dict.fromkeys(map(domain_of, answers.own))):
            for figure, control in FIGURES.items():
                other = sides.get(control, {})
                both = [t for t in decoded if t in other and domain in (EVERYWHERE, domain_of(t))]
                if both:
                    paired = difference_within({t: decoded[t] for t in both}, other)
                    found.append((method, domain, figure, paired))
            regrets += _regrets(method, domain, answers)
    adjusted = holm([paired.p() for *_, paired in found])
    return [
        Gain(method, domain, figure, paired.interval(), p)
        for (method, domain, figure, paired), p in zip(found, adjusted, strict=True)
    ] + regrets


def _regrets(method: str, domain: str, answers: Answers) -> list[Gain]:
    """Both regrets of a method on a domain; none without candidates."""
    asked = {t: a for t, a in answers.candidates.items() if domain in (EVERYWHERE, domain_of(t))}
    if not asked:
        return []
    best: tuple[View, View] = (
        {t: in_hindsight(candidates) for t, candidates in asked.items()},
        {t: of_every_episode(candidates, answers.own[t]) for t, candidates in asked.items()},
    )
    return [
        Gain(method, domain, figure, difference_within(view, answers.own).interval(), None)
        for figure, view in zip(REGRETS, best, strict=True)
    ]
