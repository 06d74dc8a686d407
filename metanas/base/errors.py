"""The errors that a user can cause and mend. Every other exception is a bug and shows its traceback.

`cli/app.py` prints a `MetanasError` as one line and ends with its `exit_code`:
2 a wrong option, value or input; 3 a result, bundle, board or other file of ours that is not valid;
4 a server that refuses.
"""

from typing import ClassVar


class MetanasError(Exception):
    """Base class. The message says what was wrong, the value, and what would be right."""

    exit_code: ClassVar[int] = 2


class InvalidValue(MetanasError, ValueError):
    """An argument or setting has a value that it cannot have."""


class DataError(MetanasError):
    """Data is missing, damaged, or not what the benchmark was pinned on."""


class DamagedFile(DataError):
    """A file that metanas wrote is cut, foreign or from another version: the path, the fault, what to do."""

    exit_code = 3
