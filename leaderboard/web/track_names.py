"""Names of tracks for people: "mini-v1, small budget", and more where two tracks would have the same name.

A track's full name (`store.track_of`) ends with hashes and is what the API takes. What it says is written out
from a submission's budget here.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from leaderboard.web.formatting import count, si
from metanas.evaluation.result import Submission

FULL_NAME = re.compile(r"(.+) (\S+) / (\S+) \(.*\) / (full data|sample) / ([0-9a-f]{8})")


class TrackName(NamedTuple):
    """short: mini-v1, small budget. budget: of training and testing. full: the name that the API takes."""

    short: str
    budget: str
    full: str


def track_names(documents: Mapping[str, Submission]) -> dict[str, TrackName]:
    """The names of a board's tracks, given any submission of each; no two have the same short one."""
    short = {track: _short(track) for track in documents}
    for more in (_version, _budget_of(documents), _digits):
        taken = list(short.values())
        same = {track for track, name in short.items() if taken.count(name) > 1}
        for track in same:
            short[track] += f", {more(track)}"
    return {
        track: TrackName(short[track], budget_words(document.budget), track)
        for track, document in documents.items()
    }


def budget_words(budget: Mapping[str, int | float | str]) -> str:
    """A budget in words: 100 iterations of 2 tasks per domain, 30 test episodes per task and seed."""
    left = dict(budget)
    left.pop("name", None)
    parts = []
    tasks, iterations, flops, episodes = (
        left.pop(key, None) for key in ("tasks", "iterations", "flops", "eval_episodes")
    )
    if isinstance(flops, int | float):
        parts.append(f"{si(flops)}FLOP of meta-training")
    elif isinstance(iterations, int | float):
        parts.append(f"{count(iterations)} iterations of {tasks} tasks per domain")
    parts += [f"{key} {value}" for key, value in sorted(left.items())]
    if episodes is not None:
        parts.append(f"{episodes} test episodes per task and seed")
    return ", ".join(parts)


def _short(track: str) -> str:
    found = FULL_NAME.fullmatch(track)
    if found is None:
        return track
    suite, _, budget, kind, _ = found.groups()
    return f"{suite}, {budget} budget" + (", sample of the data" if kind == "sample" else "")


def _part(track: str, number: int) -> str:
    found = FULL_NAME.fullmatch(track)
    return found[number] if found else track


def _version(track: str) -> str:
    return f"version {_part(track, 2)}"


def _digits(track: str) -> str:
    return f"data {_part(track, 5)}"


def _budget_of(documents: Mapping[str, Submission]) -> Callable[[str], str]:
    return lambda track: budget_words(documents[track].budget)
