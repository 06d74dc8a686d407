"""One rule of a contract, bound to one plug-in: a `Check`. A rule is a function with a docstring.

A rule returns if the plug-in keeps it, raises CheckFailed (or any other AssertionError) with what is wrong,
or NotApplicable if it does not concern this plug-in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar

from metanas.base.errors import MetanasError

S = TypeVar("S")
Rule = Callable[[S], None]


class CheckFailed(AssertionError):
    """A plug-in breaks a rule of its contract; the message says which, with the values."""


class NotApplicable(Exception):
    """A rule does not concern this plug-in, for example padding a network that takes images alone."""


class Outcome(NamedTuple):
    """What a check found. detail: why it does not apply, or what is wrong. error: what was raised."""

    state: Literal["ok", "-", "failed"]
    rule: str
    detail: str
    error: Exception | None


@dataclass(frozen=True)
class Check:
    """A rule for one plug-in. Calling it raises AssertionError if the plug-in breaks the rule.

    name: the rule in a word, the name of its function. rule: the rule in a sentence.
    """

    name: str
    rule: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """AssertionError if the plug-in breaks the rule; nothing if it does not apply."""
        try:
            self.run()
        except NotApplicable:
            return

    def __str__(self) -> str:
        return self.name

    def outcome(self) -> Outcome:
        """The same as a value. Whatever a plug-in raises is its failure; KeyboardInterrupt passes."""
        try:
            self.run()
        except NotApplicable as reason:
            return Outcome("-", self.rule, str(reason), None)
        except Exception as error:
            known = isinstance(error, AssertionError | MetanasError)
            kind = "" if known else f"{type(error).__name__}: "
            return Outcome("failed", self.rule, kind + " ".join(str(error).split()), error)
        return Outcome("ok", self.rule, "", None)


def bound(rules: Sequence[Rule[S]], subject: S) -> list[Check]:
    """The rules as checks of one plug-in."""
    return [Check(rule.__name__, _sentence(rule), _bind(rule, subject)) for rule in rules]


def _bind(rule: Rule[S], subject: S) -> Callable[[], None]:
    return lambda: rule(subject)


def _sentence(rule: Callable[..., Any]) -> str:
    return (rule.__doc__ or "").partition("\n")[0]


def require(holds: object, message: str) -> None:
    """CheckFailed with the message unless it holds."""
    if not holds:
        fail(message)


def fail(message: str) -> NoReturn:
    """CheckFailed."""
    raise CheckFailed(message)
