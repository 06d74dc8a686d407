"""What an operation of the supernet must be: a module of maps and a mask, right on every modality it takes.

An operation that cannot work on maps of one row or on masks raises InvalidValue for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.models.mixed import MixedOp
from metanas.models.network import init_weights
from metanas.models.ops import Mask
from metanas.space.candidates import OPS
from metanas.testing import finite
from metanas.testing.check import NotApplicable, fail, require

C = 8
SHAPES = {"image": (3, C, 6, 6), "text": (3, C, 1, 9), "speech": (3, C, 4, 7)}
DTYPES = ((torch.float64, 1e-10), (torch.float32, 1e-5))


@dataclass(frozen=True)
class OpSubject:
    """An operation under test."""

    name: str

    def build(self) -> tuple[nn.Module, dict[str, Tensor]]:
        """The module for C channels and weights for it, in float64."""
        op = OPS[self.name](C).double()
        return op, {k: v.double() for k, v in init_weights(op, generator(0, self.name)).items()}

    def modalities(self) -> Iterator[str]:
        """The modalities whose maps the operation takes."""
        op, weights = self.build()
        for modality in SHAPES:
            try:
                functional_call(op, weights, features(modality))
            except InvalidValue:
                continue
            yield modality

    def maps(self) -> Iterator[tuple[str, nn.Module, dict[str, Tensor], Tensor, Mask]]:
        """For each modality taken: its name, module, weights, maps (3, C, H, W) and mask or None."""
        for modality in self.modalities():
            yield (modality, *self.build(), *features(modality))


def features(modality: str) -> tuple[Tensor, Mask]:
    """Random maps of a modality (3, C, H, W) in float64, and their mask, where the first has padding."""
    x = torch.randn(SHAPES[modality], generator=generator(1, modality), dtype=torch.float64)
    if modality == "image":
        return x, None
    mask = torch.ones(x.shape[0], 1, *x.shape[2:], dtype=torch.float64)
    mask[0, ..., 4:] = 0
    return x * mask, mask


def takes_maps(subject: OpSubject) -> None:
    """It takes the maps of one modality at least."""
    require(any(subject.modalities()), f"it raises InvalidValue for all of {', '.join(SHAPES)}")


def keeps_the_shape(subject: OpSubject) -> None:
    """Its output has the shape of its input and is finite."""
    for modality, op, weights, x, mask in subject.maps():
        y = functional_call(op, weights, (x, mask))
        require(y.shape == x.shape, f"{modality}: {tuple(x.shape)} became {tuple(y.shape)}")
        require(torch.isfinite(y).all(), f"{modality}: the output is not finite")


def every_parameter_gets_a_gradient(subject: OpSubject) -> None:
    """Every parameter has a gradient that is not 0."""
    for modality, op, weights, x, mask in subject.maps():
        leaves = {k: v.requires_grad_() for k, v in weights.items()}
        if not leaves:
            raise NotApplicable("it has no parameters")
        total = functional_call(op, leaves, (x, mask)).sin().sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        for key, g in zip(leaves, found, strict=True):
            require(g is not None and g.abs().max() > 0, f"{modality}: {key} gets no gradient")


def one_by_one_equals_all_at_once(subject: OpSubject) -> None:
    """An example's output does not depend on the others of the batch."""
    for modality, op, weights, x, mask in subject.maps():
        together = functional_call(op, weights, (x, mask))
        for i in range(len(x)):
            alone = functional_call(op, weights, (x[i : i + 1], None if mask is None else mask[i : i + 1]))
            _close(alone[0], together[i], f"{modality}: example {i} alone", 1e-10, 1e-12)


def more_padding_changes_nothing(subject: OpSubject) -> None:
    """Padding at the end changes nothing of what is there."""
    for modality, op, weights, x, mask in subject.maps():
        if mask is None:
            continue
        wider = nn.functional.pad(x, (0, 3)), nn.functional.pad(mask, (0, 3))
        y, z = functional_call(op, weights, (x, mask)), functional_call(op, weights, wider)
        _close(z[..., : x.shape[-1]] * mask, y * mask, f"{modality}: with more padding", 1e-10, 1e-12)


def second_order_and_forward_mode_work(subject: OpSubject) -> None:
    """It can be differentiated twice, and in forward mode."""
    for modality, op, weights, x, mask in subject.maps():
        leaf = x.requires_grad_()

        def run(
            x: Tensor, op: nn.Module = op, weights: dict[str, Tensor] = weights, mask: Mask = mask
        ) -> Tensor:
            y: Tensor = functional_call(op, weights, (x, mask))
            return y.sin().sum()

        if not run(leaf).requires_grad:
            raise NotApplicable("it does not look at its input")
        (g,) = torch.autograd.grad(run(leaf), leaf, create_graph=True)
        forward = jvp(run, (x.detach(),), (torch.ones_like(x),))[1]
        _close(forward, g.sum().detach(), f"{modality}: forward mode", 1e-9, 1e-9)
        (second,) = torch.autograd.grad(g.square().sum(), leaf)
        require(torch.isfinite(second).all(), f"{modality}: a second derivative is not finite")


def derivatives_are_finite_at_odd_inputs(subject: OpSubject) -> None:
    """Derivatives are finite at zeros, constants, padding, one element, huge and tiny values."""
    modalities = set(subject.modalities())
    for text in (True, False):
        if ("text" if text else "image") not in modalities:
            continue
        for kind in finite.MAPS:
            for dtype in finite.DTYPES:
                try:
                    finite.differentiate_module(OPS[subject.name](C), *finite.maps(kind, dtype, text=text))
                except AssertionError as error:
                    fail(f"{'text' if text else 'image'}, {kind}, {dtype}: {error}")


def merged_equals_the_plain_sum(subject: OpSubject) -> None:
    """Merged with other operations of a mixture it is the plain sum, with derivatives to second order."""
    for modality in subject.modalities():
        for dtype, tolerance in DTYPES:
            check_merging((subject.name, "conv3", "avgpool3", "skip"), modality, dtype, tolerance)


def bfloat16_is_close(subject: OpSubject) -> None:
    """Under bfloat16 autocast its output is close, and its gradients are finite."""
    for modality, op, weights, x, mask in subject.maps():
        op, x, mask = op.float(), x.float(), None if mask is None else mask.float()
        leaves = {k: v.float().requires_grad_() for k, v in weights.items()}
        exact = functional_call(op, leaves, (x, mask))
        with torch.autocast("cpu", torch.bfloat16):
            y = functional_call(op, leaves, (x, mask))
        gap, size = (y - exact).abs().max(), exact.abs().max().clamp_min(1.0)
        require(gap <= 0.05 * size, f"{modality}: off by {gap / size:.1%}")  # bfloat16 has 8 bits
        if leaves:
            for g in torch.autograd.grad(y.float().sin().sum(), list(leaves.values())):
                require(torch.isfinite(g).all() and g.dtype == torch.float32, f"{modality}: a gradient")


RULES = (
    takes_maps,
    keeps_the_shape,
    every_parameter_gets_a_gradient,
    one_by_one_equals_all_at_once,
    more_padding_changes_nothing,
    second_order_and_forward_mode_work,
    derivatives_are_finite_at_odd_inputs,
    merged_equals_the_plain_sum,
    bfloat16_is_close,
)


def check_merging(names: tuple[str, ...], modality: str, dtype: torch.dtype, tolerance: float) -> None:
    """CheckFailed unless a mixture of these operations, merged, equals the plain sum, to second order.

    Every value within the tolerance of the largest of its tensor (at least of 1).
    """
    names = tuple(dict.fromkeys(names))
    plain, merged = (MixedOp(names, C, merge=merge).to(dtype) for merge in (False, True))
    weights = {k: v.to(dtype).requires_grad_() for k, v in init_weights(plain, generator(0, "m")).items()}
    logits = torch.randn(len(names), generator=generator(1, "m"), dtype=torch.float64).to(dtype)
    x, mask = (None if t is None else t.to(dtype) for t in features(modality))
    leaves, results = [*weights.values(), logits.requires_grad_()], []
    for node in (plain, merged):
        y = functional_call(node, weights, (x, logits.softmax(-1), mask))
        first = torch.autograd.grad(y.sin().mean(), leaves, create_graph=True, allow_unused=True)
        alive = [g for g in first if g is not None]
        second = torch.autograd.grad(
            torch.stack([g.square().sum() for g in alive]).sum(), leaves, allow_unused=True
        )
        results.append([y, *alive, *(g for g in second if g is not None)])
    for a, b in zip(*results, strict=True):
        gap, size = float((a - b).abs().max().detach()), float(b.abs().max().detach())
        require(gap <= tolerance * max(1.0, size), f"{modality}, {dtype}: off by {gap:.3g} of {size:.3g}")


def _close(actual: Tensor, expected: Tensor, what: str, rtol: float, atol: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, msg=lambda text: f"{what}: {text}")
