"""Paper rows: what a paper reports, under which settings, and what the same settings give here.

A row is one YAML file in `baselines/rows/`. `paper` scale is the paper's own; `small` is a declared reduction
whose figure is compared only with what was measured for it before. Reading rows needs no torch.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from metanas import plugins
from metanas.registry import UnknownName

Scale = Literal["paper", "small"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Strict):
    """An accuracy in % with half a 95 % interval, None where the source gives none."""

    accuracy: Annotated[float, Field(ge=0, le=100)]
    interval: Annotated[float, Field(ge=0)] | None = None
    source: str


class Setup(Strict):
    """What is run: a method on a suite, with overrides as of `--set`."""

    budget: str
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    hours: Annotated[float, Field(gt=0)]
    measured: dict[str, Figure] = {}  # by task; what this scale gave before
    note: str = ""


class Row(Strict):
    """One line of a paper's table. published: figures by task (omniglot/5w1s); empty where nobody read it."""

    name: str
    summary: str
    paper: str
    table: str
    method: str
    suite: str
    domains: tuple[str, ...]
    published: dict[str, Figure]
    protocol: str
    settings_source: str
    differences: str
    comparable: bool
    why_not: str = ""
    scales: dict[Scale, Setup]


def folder() -> Path:
    """Where the rows lie."""
    return plugins.folder("baselines") / "rows"


def names() -> tuple[str, ...]:
    """All rows there are."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load(name: str) -> Row:
    """The row of that name. UnknownName says which was probably meant."""
    if name not in names():
        raise UnknownName("row", name, names())
    text = (folder() / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return Row.model_validate({"name": name, **content})


class Verdict(Strict):
    """Our figure beside the one it is to be compared with."""

    task: str
    published: Figure | None
    reference: Figure | None
    ours: float
    low: float
    high: float
    word: str


def verdict(row: Row, scale: Scale, task: str, ours: float, low: float, high: float) -> Verdict:
    """inside, below or above: whether our interval meets the reference's; or why they cannot be compared."""
    published = row.published.get(task)
    reference = published if scale == "paper" else row.scales[scale].measured.get(task)
    if scale == "paper" and not row.comparable:
        word = f"not comparable: {row.why_not}"
    elif reference is None:
        word = "not comparable: nothing published was read" if scale == "paper" else "first measurement"
        word += "" if scale == "paper" else "; small scale is not the paper's protocol"
    else:
        spread = reference.interval or 0.0
        word = "inside" if low <= reference.accuracy + spread and high >= reference.accuracy - spread else ""
        word = word or ("below" if high < reference.accuracy - spread else "above")
    return Verdict(
        task=task, published=published, reference=reference, ours=ours, low=low, high=high, word=word
    )
