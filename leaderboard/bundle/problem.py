"""Validation errors of a bundle: each names the file and field, what is wrong and what would be right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metanas.evaluation.result import ResultError

SHOWN = 20  # most problems in one report


@dataclass(frozen=True)
class Problem:
    """One error in a bundle.

    file: its name in the bundle, "" for the bundle itself; field: a path such as "authors.0.name";
    row: of a table; hint: what would be right.
    """

    file: str
    message: str
    field: str = ""
    row: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.field) if part)
        row = "" if self.row is None else f" (row {self.row})"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{where or 'bundle'}{row}: {self.message}{hint}"

    def as_json(self) -> dict[str, Any]:
        """The fields that are set, as JSON values."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


class BundleError(ResultError):
    """A bundle is not valid. `problems` holds at least one and at most SHOWN of its errors."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems[:SHOWN])
        super().__init__("\n".join(str(problem) for problem in self.problems))


def refuse(file: str, message: str, *, field: str = "", hint: str = "") -> BundleError:
    """The BundleError of a single problem, for the caller to raise."""
    return BundleError([Problem(file, message, field=field, hint=hint)])
