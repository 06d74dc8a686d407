"""The command that runs a submission again, with all its settings, so that later defaults change nothing."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from metanas.data.suite import load_suite, names
from metanas.evaluation.result import Submission

CONTINUED = " \\\n    "


def command(submission: Submission) -> str:
    """`metanas run ...` with every `--set`, one a line.

    Results of a version that had fewer settings run as they did: a setting that came later defaults to what
    was done before.
    """
    s, environment = submission, submission.environment
    first = ["metanas", "run", "--method", s.method, "--suite", s.suite, "--budget", str(s.budget["name"])]
    first += ["--seeds", ",".join(map(str, s.seeds))]
    if environment.get("device", "cpu") != "cpu":
        first += ["--device", "cuda"]
    if environment.get("precision", "float32") != "float32":
        first += ["--precision", environment["precision"]]
    changed = [("budget." + key, value) for key, value in _budget(s)] + list(_leaves(s.settings))
    sets = [f"--set {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in changed]
    return CONTINUED.join([shlex.join(first), *sets])


def _budget(submission: Submission) -> list[tuple[str, Any]]:
    """What differs from the suite's own budget of that name; nothing for a suite that is not known here."""
    known: Mapping[str, Any] = {}
    if submission.suite in names():
        budget = load_suite(submission.suite).budgets.get(str(submission.budget["name"]))
        known = {} if budget is None else budget.named(str(submission.budget["name"]))
    return [(key, value) for key, value in submission.budget.items() if known and known.get(key) != value]


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings and their values, nested ones with dots: space.layers."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _yaml(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("\n...\n").strip()
