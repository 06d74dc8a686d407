"""Closed forms in full precision: solvers and differences of nearly equal numbers need all digits."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(function: Callable[Concatenate[Tensor, P], R]) -> Callable[Concatenate[Tensor, P], R]:
    """The function of features, without autocast (`--precision bf16`) and on features of at least float32."""

    @wraps(function)
    def exact(features: Tensor, /, *rest: P.args, **named: P.kwargs) -> R:
        kind = features.device.type
        off = nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)
        half = features.dtype in (torch.bfloat16, torch.float16)
        with off:
            return function(features.float() if half else features, *rest, **named)

    return exact
