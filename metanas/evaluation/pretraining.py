"""External pre-training: whether a run used weights that were not learned on its suite. No torch.

A backbone's SHA-256 is a setting (`metanas/models/pretrained.py`). Runs with one are a division of their own:
upper references beside methods that saw the meta-train classes alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from metanas.evaluation.result import Submission

BADGE = "external pre-training"
KEY = "weights_sha256"


def external_weights(submission: Submission) -> dict[str, str]:
    """The network that had weights from elsewhere, and their SHA-256; empty if there is none."""
    return dict(_found(submission.settings))


def shown(submission: Submission) -> str:
    """In words: "resnet18 0123abcd"; empty for a run without such weights."""
    return ", ".join(f"{kind} {sha256[:8]}" for kind, sha256 in external_weights(submission).items())


def _found(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if sha256 := settings.get(KEY):
        yield str(settings.get("kind", "weights")), str(sha256)
    for value in settings.values():
        if isinstance(value, Mapping):
            yield from _found(value)
