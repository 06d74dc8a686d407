"""entry.json, the part of a bundle that a person writes: authors, contact, code, and the data the method saw.

It holds no scores; `claims` are only shown beside the recomputed ones. The record of the run itself, which
metanas writes, is submission.json (`metanas.evaluation.result`).
"""

import math
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from leaderboard.bundle import strict_json
from leaderboard.bundle.names import ENTRY
from leaderboard.bundle.problem import BundleError, Problem
from metanas.base.errors import InvalidValue

# Characters that are not seen or turn the order of others around; joiners, which scripts need, are no such.
UNSEEN = r"\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^\x00-\x1f\x7f-\x9f{UNSEEN}]+$")]
Paragraph = Annotated[str, Field(max_length=2000, pattern=rf"^[^\x00-\x08\x0b-\x1f\x7f-\x9f{UNSEEN}]*$")]
Url = Annotated[str, Field(max_length=500, pattern=r"^https?://[A-Za-z0-9.-]+(:\d+)?(/[^\s<>\"'`\\]*)?$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Email = Annotated[str, Field(max_length=200, pattern=r"^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$")]
Family = Literal["baseline", "gradient-based", "metric-based", "nas", "evolutionary", "other"]


class Strict(BaseModel):
    """A JSON object without unknown keys and without conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Author(Strict):
    """A person who made the method. orcid: "0000-0002-1825-0097"."""

    name: Line
    affiliation: Line | None = None
    orcid: Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] | None = None


class Code(Strict):
    """The method's source code: its repository and the commit that was run."""

    url: Url
    commit: Annotated[str, Field(pattern="^[0-9a-f]{7,64}$")]
    licence: Line


class External(Strict):
    """Data or pretrained weights from outside the suite that the method used."""

    name: Line
    url: Url
    sha256: Sha256 | None = None
    overlaps_with: Annotated[list[Line], Field(max_length=50)] = []  # domains whose meta-test classes it has


class State(Strict):
    """Where the trained state can be fetched, for others to adapt it."""

    url: Url
    sha256: Sha256
    licence: Line | None = None


class FileDigest(Strict):
    """What entry.json records of another file of the bundle: its SHA-256 and its size in bytes."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Entry(Strict):
    """The content of entry.json."""

    schema_version: Literal[1] = 1
    authors: Annotated[list[Author], Field(min_length=1, max_length=50)]
    contact: Email  # never shown, never exported
    family: Family
    summary: Annotated[Paragraph, Field(min_length=1)]
    code: Code | None = None
    paper_url: Url | None = None
    trained_state: State | None = None
    meta_train_domains: Annotated[list[Line], Field(max_length=100)]
    external_data: Annotated[list[External], Field(max_length=50)] = []
    pretrained_weights: Annotated[list[External], Field(max_length=50)] = []
    hparam_trials: Annotated[int, Field(ge=1, le=10**9)]  # configurations tried before this one
    claims: Annotated[dict[Line, float], Field(max_length=200)] = {}  # task name -> accuracy
    files: Annotated[dict[Line, FileDigest], Field(max_length=10)]

    @field_validator("claims", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if isinstance(value, dict):
            value = {k: float(v) if type(v) is int else v for k, v in value.items()}
            if any(isinstance(v, float) and not math.isfinite(v) for v in value.values()):
                raise InvalidValue("accuracies must be finite")
        return value


def is_name(text: str) -> bool:
    """Whether this is a valid method name; names are used in URLs and file names."""
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text) is not None


def parse(content: bytes) -> Entry:
    """Parse entry.json. BundleError lists every field that is wrong."""
    document = strict_json.parse(ENTRY, content)
    try:
        return Entry.model_validate(document)
    except ValidationError as error:
        raise BundleError(from_pydantic(ENTRY, error)) from error


def from_pydantic(file: str, error: ValidationError) -> list[Problem]:
    """Pydantic's errors in `file`, one problem per wrong field."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False):
        field = ".".join(str(part)[:80] for part in detail["loc"])
        given = "" if detail["type"] == "missing" else f", got {detail['input']!r:.80}"
        problems.append(Problem(file, f"{detail['msg'][:300]}{given}", field=field[:200]))
    return problems
