"""What is wrong with a bundle, so that its author can mend it: where, what, and what would be right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metanas.evaluation.result import ResultError

SHOWN = 20  # problems in one report


@dataclass(frozen=True)
class Problem:
    """One thing to mend. file: in the bundle, "" for the bundle itself; field: "authors.0.name"."""

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
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


class BundleError(ResultError):
    """A bundle is not valid. `problems` is never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems[:SHOWN])
        super().__init__("\n".join(str(problem) for problem in self.problems))


def refuse(file: str, message: str, *, field: str = "", hint: str = "") -> BundleError:
    """A bundle with one problem."""
    return BundleError([Problem(file, message, field=field, hint=hint)])
