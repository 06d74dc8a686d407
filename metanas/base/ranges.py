"""Ranges of settings: `steps: Steps = 2` says in the type which values a setting may have.

pydantic checks them wherever it validates (`engine/config.py`), `metanas list settings METHOD` shows them.
What is stored already is read without them (`STORED`): a result of an earlier version may hold a value that
would be refused today, and must load and score all the same.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

STORED = {"stored": True}  # the context of a validation that reads what is stored


LARGEST = 3.4028234e38  # of float32, in which is computed


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may be; NaN is in no range.

    least, most: inclusive bounds. above, below: exclusive ones. finite: whether infinity is excluded.
    why: the reason for a bound that is not plain, shown in the message.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    finite: bool = True
    why: str = ""

    def __contains__(self, value: float) -> bool:
        return (
            not math.isnan(value)
            and (math.isinf(value) or abs(value) <= LARGEST)
            and not (self.finite and math.isinf(value))
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """In words: at least 1, at most 30000."""
        named = (
            ("at least", self.least),
            ("more than", self.above),
            ("at most", self.most),
            ("less than", self.below),
        )
        words = [
            f"{text} {bound if isinstance(bound, int) else f'{bound:g}'}"
            for text, bound in named
            if bound is not None
        ]
        return ", ".join(words if self.finite else [*words, "or .inf"])

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: float, info: ValidationInfo) -> float:
            if value in self or (info.context or {}).get("stored"):
                return value
            reason = self.why or ("float32 holds no larger one" if LARGEST < abs(value) < math.inf else "")
            raise ValueError(f"must be {self}" + (f" ({reason})" if reason else ""))

        return core_schema.with_info_after_validator_function(check, handler(source))


MANY = 10_000_000  # more of anything that is counted is a slip of the hand, and fits no memory
Steps = Annotated[int, Range(least=0, most=MANY)]  # of an optimizer; 0: none
Count = Annotated[int, Range(least=1, most=MANY)]
Size = Annotated[int, Range(least=1, most=100_000)]  # of a network: channels, layers, units
Rate = Annotated[float, Range(least=0)]  # a learning rate or step size; 0: nothing moves
Weight = Annotated[float, Range(least=0)]  # of a term in a loss; 0: without it
NonNegative = Annotated[float, Range(least=0)]
Amount = Annotated[float, Range(least=0, most=1_000_000)]  # beside 1, in float32
Number = Annotated[int, Range(least=0, most=MANY)]
Share = Annotated[float, Range(least=0, most=1)]
Part = Annotated[float, Range(least=0, below=1)]  # never all of it
Positive = Annotated[float, Range(above=0)]
Limit = Annotated[float, Range(above=0, finite=False)]  # of a norm; infinity: no limit
Seed = Annotated[int, Range(least=0, most=30_000)]
