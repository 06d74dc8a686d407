"""The cards of trained states: what there is, and what each says of itself. No torch.

A state is two files, `seed0.safetensors` (the checkpoint of one seed) and `seed0.json` (its card: method,
settings, the inputs that it was trained for, where it came from, its accuracies, and the digests of state and
answers). Those of the committed baselines lie in `baselines/states/SUITE/METHOD`.
"""

from pathlib import Path
from typing import Any

from metanas.base import json_text, plugins

KEYS = ("schema_version", "method", "settings", "specs", "state_sha256", "summary", "budget")


def shipped() -> Path:
    """Where the states of the committed baselines lie: SUITE/METHOD/seed0.json below."""
    return plugins.folder("baselines") / "states"


def names() -> tuple[str, ...]:
    """SUITE/METHOD/SEED of every state that comes with the package."""
    cards = sorted(shipped().glob("*/*/seed*.json"))
    return tuple(f"{c.parent.parent.name}/{c.parent.name}/{c.stem.removeprefix('seed')}" for c in cards)


def summary(name: str) -> str:
    """The line that `metanas list states` shows. DamagedFile."""
    suite, method, seed = name.split("/")
    card = read(shipped() / suite / method, int(seed))
    return f"{card['summary']}, budget {card['budget']['name']}"


def read(place: Path, seed: int) -> dict[str, Any]:
    """The card of a seed in a folder. DamagedFile."""
    return json_text.read(place / f"seed{seed}.json", "pack the run again", keys=KEYS)
