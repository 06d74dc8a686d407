"""Rows of papers' tables: the published accuracy, its settings, and a verdict on our own result.

A row is one YAML file in `baselines/rows/`; `metanas reproduce` runs it. The scale `paper` has the paper's
settings. The scale `small` is a declared reduction; its result is compared only with an earlier measurement
at the same scale. Imports no torch.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metanas.base import plugins, yaml_text
from metanas.base.registry import UnknownName

Scale = Literal["paper", "small"]


class _Strict(BaseModel):
    """An immutable value that accepts no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Strict):
    """An accuracy in %, with half the width of its 95 % interval (None where the source gives none)."""

    accuracy: Annotated[float, Field(ge=0, le=100)]
    interval: Annotated[float, Field(ge=0)] | None = None
    source: str

    def __str__(self) -> str:
        """98.80 +- 0.20, in %."""
        return f"{self.accuracy:.2f}" + ("" if self.interval is None else f" +- {self.interval:.2f}")


class Setup(_Strict):
    """How a row is run at one scale: budget, overrides (as for `--set`), seeds, and expected hours."""

    budget: str
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    hours: Annotated[float, Field(gt=0)]
    measured: dict[str, Figure] = {}  # by task (omniglot/5w1s): earlier results at this scale
    note: str = ""


class Row(_Strict):
    """One row of a paper's table.

    published: accuracies by task (omniglot/5w1s); empty where nobody has read the table. comparable: whether
    the `paper` scale follows the paper's protocol; if not, why_not says why.
    """

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
    """The folder of the YAML files."""
    return plugins.folder("baselines") / "rows"


def names() -> tuple[str, ...]:
    """The names of all rows, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load(name: str) -> Row:
    """The row of that name. UnknownName names the nearest one."""
    if name not in names():
        raise UnknownName("row", name, names())
    text = (folder() / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml_text.parse(text, f"row {name}")
    return Row.model_validate({"name": name, **content})


class Verdict(_Strict):
    """Our accuracy with its 95 % interval [low, high], in %, beside its reference.

    reference: the published accuracy at paper scale, the earlier measurement at small scale.
    """

    task: str
    published: Figure | None
    reference: Figure | None
    ours: float
    low: float
    high: float
    word: str


def verdict(
    row: Row, scale: Scale, task: str, ours: float, low: float, high: float, *, changed: bool = False
) -> Verdict:
    """Compare our accuracy and 95 % interval (in %) with the reference.

    changed: whether the run had other settings than the row. word: "as" if our interval overlaps the
    reference's, "below" or "above" if not, with the reference; or why they are not comparable.
    """
    published = row.published.get(task)
    reference = published if scale == "paper" else row.scales[scale].measured.get(task)
    if changed:
        word = "not comparable: settings of the row were changed"
    elif scale == "paper" and not row.comparable:
        word = f"not comparable: {row.why_not}"
    elif reference is None:
        word = "not comparable: nothing published was read" if scale == "paper" else "first measurement"
        word += "" if scale == "paper" else "; small scale is not the paper's protocol"
    else:
        half_width = reference.interval or 0.0
        reference_low, reference_high = reference.accuracy - half_width, reference.accuracy + half_width
        what = "published" if scale == "paper" else f"measured here before, {reference}"
        place = (
            "below what was" if high < reference_low else "above what was" if low > reference_high else "as"
        )
        word = f"{place} {what}"
    return Verdict(
        task=task, published=published, reference=reference, ours=ours, low=low, high=high, word=word
    )
