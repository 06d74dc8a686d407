"""Recurrent nodes over the row-major sequence of positions: GRU and LSTM, differentiable to any order.

Native RNN kernels have no double backward and no vmap, and a loop of differentiable operations leaves a
graph of a dozen nodes per step and task. So the whole layer is one `autograd.Function` (`_Scan`): its loop
writes into arrays that are there already, all tasks side by side, and its derivative takes the gates of all
steps in a few large operations. What is left of it is the recurrence of the state's gradient, which is
linear, and so is that one's derivative (`_Carry`, the same recurrence in the other direction of time).
Equal to torch.nn.GRU and torch.nn.LSTM (tests/contracts/test_ops.py).

Shapes: L tasks side by side, S steps, B examples, C channels, G = gates * C.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from metanas.supernet.cells import Cell, Inputs, Tensors, earlier, unrolled


class _Scan(torch.autograd.Function):
    """All states of a cell from a zero start: (cell, *Inputs) to h, and c if there is one, (L, S, B, C)."""

    @staticmethod
    def forward(cell: Cell, *inputs: Tensor) -> Tensors:
        return cell.run(Inputs(*inputs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell = inputs[0]
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.save_for_forward(*inputs[1:], *output)

    @staticmethod
    def gradients(gates: Tensors, read: Inputs, states: Tensors) -> Tensors:
        """Of everything that `read` has but `keep`, from those of the gates (see `_Gates`)."""
        share, given = (t.flatten(1, 2) for t in gates)  # (L, S * B, G)
        x, before = read.x.flatten(1, 2), earlier(states[0]).flatten(1, 2)
        by_x = (given @ read.into.mT).view_as(read.x)
        by_bias, by_state_bias = given.sum(1, keepdim=True), share.sum(1, keepdim=True)
        return by_x, x.mT @ given, by_bias, before.mT @ share, by_state_bias

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        read, states = Inputs(*ctx.saved_tensors[:6]), ctx.saved_tensors[6:]
        gates = _Gates.apply(ctx.cell, *read, *states, *grads)
        return None, *_Scan.gradients(gates, read, states), None

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensors:
        saved = _primal(ctx.saved_tensors)
        read, states = Inputs(*saved[:6]), saved[6:]
        gates = _Gates.differentiable(ctx.cell, read.keep)
        return _transposed(
            lambda *grads: _Scan.gradients(gates(*read[:5], *states, *grads), read, states),
            states,
            read[:5],
            tangents[:5],
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Cell, *inputs: Tensor) -> tuple[Tensors, Any]:
        return _merged(_Scan, info.batch_size, (cell,), in_dims[1:], inputs)


class _Gates(torch.autograd.Function):
    """From gradients of states to those of gates: (cell, *Inputs, *states, *grads) to two (L, S, B, G)."""

    @staticmethod
    def forward(cell: Cell, *inputs: Tensor) -> Tensors:
        count = (len(inputs) - 6) // 2
        return cell.gradients(Inputs(*inputs[:6]), inputs[6 : 6 + count], inputs[6 + count :])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def differentiable(cell: Cell, keep: Tensor | None) -> Callable[..., Tensors]:
        """The same from all inputs but `keep`, in operations with derivatives."""

        def run(*inputs: Tensor) -> Tensors:
            (x, into, bias, weight, state_bias), others = inputs[:5], inputs[5:]
            read = Inputs(x, into, bias, weight, state_bias, keep)
            states, grads = others[: len(others) // 2], others[len(others) // 2 :]
            slopes = cell.slopes(read, states)
            whole = _Carry.apply(cell, False, read.weight.mT, slopes.gates, *slopes.rest, *grads)
            share = cell.into_gates(whole, slopes.gates).flatten(-2)
            return share, cell.into_gates(whole, slopes.given).flatten(-2)

        return run

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        pull = torch.func.vjp(_Gates.differentiable(ctx.cell, saved[5]), *saved[:5], *saved[6:])[1]
        found = pull(cotangents)
        return None, *found[:5], None, *found[5:]

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensors:
        saved = _primal(ctx.saved_tensors)
        run, values = _Gates.differentiable(ctx.cell, saved[5]), (*saved[:5], *saved[6:])
        given = (*tangents[:5], *tangents[6:])
        moved = (torch.zeros_like(x) if t is None else t for x, t in zip(values, given, strict=True))
        found: Tensors = torch.func.jvp(run, values, tuple(moved))[1]
        return found

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Cell, *inputs: Tensor) -> tuple[Tensors, Any]:
        return _merged(_Gates, info.batch_size, (cell,), in_dims[1:], inputs)


class _Carry(torch.autograd.Function):
    """The linear recurrence of a cell's gradients: (cell, forth, back, gates, *rest, *own) to whole ones.

    Backwards in time (`pull`) from the gradients that the outputs have of their own to those with what later
    steps add, or, with forth, the transpose of that (`push`).
    """

    @staticmethod
    def forward(cell: Cell, forth: bool, back: Tensor, gates: Tensor, *others: Tensor) -> Tensors:
        rest, own = others[: cell.kept], others[cell.kept :]
        return (cell.push if forth else cell.pull)(back, gates, rest, own)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell, ctx.forth = inputs[:2]
        kept = (*inputs[2 : 4 + ctx.cell.kept], *output)
        ctx.save_for_backward(*kept)
        ctx.save_for_forward(*kept)

    @staticmethod
    def gradients(cell: Cell, forth: bool, kept: Tensors, cotangents: Tensors) -> Tensors:
        back, gates, found = kept[0], kept[1], kept[2 + cell.kept :]
        others = _Carry.apply(cell, not forth, *kept[: 2 + cell.kept], *cotangents)
        whole, changes = (others, found) if forth else (found, others)
        before = tuple(earlier(change) for change in changes)
        first = before[0].flatten(1, 2)
        by_back = cell.into_gates(whole, gates).flatten(-2).flatten(1, 2).mT @ first
        by_gates = cell.into_gates(whole, (first @ back.mT).view_as(gates))
        return by_back, by_gates, *cell.of_rest(whole, before, changes), *others

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_Carry.gradients(ctx.cell, ctx.forth, ctx.saved_tensors, cotangents)

    @staticmethod
    def jvp(ctx: Any, _: None, __: None, *tangents: Tensor | None) -> Tensors:
        cell, kept = ctx.cell, _primal(ctx.saved_tensors)
        found = kept[2 + cell.kept :]
        return _transposed(
            lambda *cotangents: _Carry.gradients(cell, ctx.forth, kept, cotangents),
            found,
            (*kept[: 2 + cell.kept], *found),  # what a recurrence starts from is shaped as what comes out
            tangents,
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], cell: Cell, forth: bool, *inputs: Tensor
    ) -> tuple[Tensors, Any]:
        return _merged(_Carry, info.batch_size, (cell, forth), in_dims[2:], inputs)


def _no_autocast(device: str) -> AbstractContextManager[object]:
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def _primal(saved: Tensors) -> Tensors:
    """What a forward-mode derivative multiplies tangents with: the values, without tangents of their own."""
    return tuple(t if t is None else forward_ad.unpack_dual(t).primal for t in saved)


def _transposed(
    gradients: Callable[..., Tensors], outputs: Tensors, inputs: Tensors, tangents: Sequence[Tensor | None]
) -> Tensors:
    """Forward mode from reverse mode: gradients are linear in what they start from; this is the transpose."""
    pull = torch.func.vjp(gradients, *(torch.zeros_like(t) for t in outputs))[1]
    given = (torch.zeros_like(x) if t is None else t for x, t in zip(inputs, tangents, strict=True))
    found: Tensors = pull(tuple(given))
    return found


def _merged(
    function: Any, tasks: int, about: tuple[Any, ...], dims: Sequence[int | None], inputs: Tensors
) -> tuple[Tensors, Any]:
    """A function of tensors (L, ...) on a batch of them: it becomes part of L, so one scan serves all."""
    stacked = [
        x if x is None else (x.expand(tasks, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
        for x, dim in zip(inputs, dims, strict=True)
    ]
    found = function.apply(*about, *stacked)
    return tuple(t.unflatten(0, (tasks, -1)) for t in found), (0,) * len(found)


class Recurrent(nn.Module):
    """A recurrent cell over the row-major sequence of positions; padded positions are stepped over."""

    def __init__(self, channels: int, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.input_weight = nn.Parameter(torch.empty(cell.gates * channels, channels))
        self.state_weight = nn.Parameter(torch.empty(cell.gates * channels, channels))
        self.bias = nn.Parameter(torch.empty(cell.gates * channels))
        self.state_bias = nn.Parameter(torch.empty(cell.gates * channels))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the states in the places of their positions.

        In the precision of x, autocast or not: errors add up over the steps.
        """
        numbers = [t.to(x.dtype) for t in (self.input_weight, self.state_weight, self.bias, self.state_bias)]
        into, weight, bias, state_bias = numbers
        keep = None if mask is None else mask.flatten(2).permute(2, 0, 1)[None].to(x.dtype)
        with _no_autocast(x.device.type):
            read = Inputs(
                x.flatten(2).permute(2, 0, 1)[None].contiguous(),
                into.mT[None],
                bias[None, None],
                weight.mT[None],
                state_bias[None, None],
                keep,
            )
            if torch.compiler.is_exporting():
                states = unrolled(self.cell, read)
            else:
                states = _Scan.apply(self.cell, *read)
        return states[0][0].permute(1, 2, 0).reshape(x.shape)
