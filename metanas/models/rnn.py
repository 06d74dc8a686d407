"""Recurrent ops over the row-major sequence of positions: GRU and LSTM, differentiable to any order.

PyTorch's RNN kernels have no double backward and no vmap, and a loop of differentiable operations makes a
graph of a dozen nodes per step and task. So the whole scan is one `autograd.Function` (`_Scan`) for all tasks
at once. Its derivative computes the gradients of all gates in a few large operations (`_GateGradients`); what
remains is the recurrence of the states' gradients, which is linear, as is its derivative, the same recurrence
in the other direction of time (`_StateGradients`). `rnn_scan.py` has the cells. Results equal torch.nn.GRU
and torch.nn.LSTM (tests/contracts/test_ops.py).

Shapes: L tasks side by side, S steps, B examples, C channels, G = gates * C.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from metanas.models.rnn_scan import Cell, Inputs, Tensors, previous_states, unrolled


def _in_full_precision(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a backward that computes in its tensors' type where autocast is on, as forward does."""

    @wraps(backward)
    def run(ctx: Any, *grads: Tensor) -> Any:
        with _no_autocast(grads[0].device.type):
            return backward(ctx, *grads)

    return run


def _no_autocast(device: str) -> AbstractContextManager[object]:
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


class _Scan(torch.autograd.Function):
    """A cell's states from a zero state: (cell, *Inputs) to h, and c for an LSTM, (L, S, B, C) each."""

    @staticmethod
    def forward(cell: Cell, *inputs: Tensor) -> Tensors:
        return cell.run(Inputs(*inputs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell = inputs[0]
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.save_for_forward(*inputs[1:], *output)

    @staticmethod
    def gradients(grad_gates: Tensors, scan: Inputs, states: Tensors) -> Tensors:
        """Gradients of all `Inputs` but `keep`, from those of state gates and input gates (L, S, B, G)."""
        grad_state_gates, grad_input_gates = (t.flatten(1, 2) for t in grad_gates)  # (L, S * B, G)
        x, before = scan.x.flatten(1, 2), previous_states(states[0]).flatten(1, 2)
        grad_x = (grad_input_gates @ scan.input_weight.mT).view_as(scan.x)
        grad_input_bias = grad_input_gates.sum(1, keepdim=True)
        grad_state_bias = grad_state_gates.sum(1, keepdim=True)
        return grad_x, x.mT @ grad_input_gates, grad_input_bias, before.mT @ grad_state_gates, grad_state_bias

    @staticmethod
    @_in_full_precision
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scan, states = Inputs(*ctx.saved_tensors[:6]), ctx.saved_tensors[6:]
        grad_gates = _GateGradients.apply(ctx.cell, *scan, *states, *grads)
        return None, *_Scan.gradients(grad_gates, scan, states), None

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensors:
        saved = _primal(ctx.saved_tensors)
        scan, states = Inputs(*saved[:6]), saved[6:]
        grad_gates = _GateGradients.differentiable(ctx.cell, scan.keep)
        return _forward_mode(
            lambda *grads: _Scan.gradients(grad_gates(*scan[:5], *states, *grads), scan, states),
            states,
            scan[:5],
            tangents[:5],
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Cell, *inputs: Tensor) -> tuple[Tensors, Any]:
        return _fold_tasks(_Scan, info.batch_size, (cell,), in_dims[1:], inputs)


class _GateGradients(torch.autograd.Function):
    """Gradients of gates: (cell, *Inputs, *states, *grads of states) to those of state and input gates.

    Both are (L, S, B, G).
    """

    @staticmethod
    def forward(cell: Cell, *inputs: Tensor) -> Tensors:
        num_states = (len(inputs) - 6) // 2
        return cell.gradients(Inputs(*inputs[:6]), inputs[6 : 6 + num_states], inputs[6 + num_states :])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def differentiable(cell: Cell, keep: Tensor | None) -> Callable[..., Tensors]:
        """The same function of all inputs but `keep`, in differentiable operations."""

        def run(*inputs: Tensor) -> Tensors:
            (x, input_weight, input_bias, state_weight, state_bias), states_grads = inputs[:5], inputs[5:]
            scan = Inputs(x, input_weight, input_bias, state_weight, state_bias, keep)
            states, grads = states_grads[: len(states_grads) // 2], states_grads[len(states_grads) // 2 :]
            derivatives = cell.derivatives(scan, states)
            total = _StateGradients.apply(
                cell, False, scan.state_weight.mT, derivatives.state_gates, *derivatives.carry, *grads
            )
            grad_state_gates = cell.gate_gradients(total, derivatives.state_gates).flatten(-2)
            return grad_state_gates, cell.gate_gradients(total, derivatives.input_gates).flatten(-2)

        return run

    @staticmethod
    @_in_full_precision
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        vjp = torch.func.vjp(_GateGradients.differentiable(ctx.cell, saved[5]), *saved[:5], *saved[6:])[1]
        gradients = vjp(cotangents)
        return None, *gradients[:5], None, *gradients[5:]

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensors:
        saved = _primal(ctx.saved_tensors)
        run, values = _GateGradients.differentiable(ctx.cell, saved[5]), (*saved[:5], *saved[6:])
        given = (*tangents[:5], *tangents[6:])
        directions = (torch.zeros_like(x) if t is None else t for x, t in zip(values, given, strict=True))
        output_tangents: Tensors = torch.func.jvp(run, values, tuple(directions))[1]
        return output_tangents

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Cell, *inputs: Tensor) -> tuple[Tensors, Any]:
        return _fold_tasks(_GateGradients, info.batch_size, (cell,), in_dims[1:], inputs)


class _StateGradients(torch.autograd.Function):
    """The linear recurrence of the states' gradients: from direct gradients to total ones.

    Inputs are (cell, transpose, weight_t, by_gates, *carry, *direct). Backwards in time (`cell.pull`): the
    total gradient of a state adds those of later steps. With transpose: forwards in time (`cell.push`).
    """

    @staticmethod
    def forward(
        cell: Cell, transpose: bool, weight_t: Tensor, by_gates: Tensor, *carry_and_direct: Tensor
    ) -> Tensors:
        carry, direct = carry_and_direct[: cell.num_carry], carry_and_direct[cell.num_carry :]
        return (cell.push if transpose else cell.pull)(weight_t, by_gates, carry, direct)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell, ctx.transpose = inputs[:2]
        saved = (*inputs[2 : 4 + ctx.cell.num_carry], *output)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def gradients(cell: Cell, transpose: bool, saved: Tensors, cotangents: Tensors) -> Tensors:
        weight_t, by_gates, outputs = saved[0], saved[1], saved[2 + cell.num_carry :]
        adjoint = _StateGradients.apply(cell, not transpose, *saved[: 2 + cell.num_carry], *cotangents)
        total, changes = (adjoint, outputs) if transpose else (outputs, adjoint)
        before = tuple(previous_states(change) for change in changes)
        before_h = before[0].flatten(1, 2)
        grad_weight_t = cell.gate_gradients(total, by_gates).flatten(-2).flatten(1, 2).mT @ before_h
        grad_by_gates = cell.gate_gradients(total, (before_h @ weight_t.mT).view_as(by_gates))
        return grad_weight_t, grad_by_gates, *cell.carry_gradients(total, before, changes), *adjoint

    @staticmethod
    @_in_full_precision
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_StateGradients.gradients(ctx.cell, ctx.transpose, ctx.saved_tensors, cotangents)

    @staticmethod
    def jvp(ctx: Any, _: None, __: None, *tangents: Tensor | None) -> Tensors:
        cell, saved = ctx.cell, _primal(ctx.saved_tensors)
        outputs = saved[2 + cell.num_carry :]
        return _forward_mode(
            lambda *cotangents: _StateGradients.gradients(cell, ctx.transpose, saved, cotangents),
            outputs,
            (*saved[: 2 + cell.num_carry], *outputs),  # direct gradients have the outputs' shapes
            tangents,
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], cell: Cell, transpose: bool, *inputs: Tensor
    ) -> tuple[Tensors, Any]:
        return _fold_tasks(_StateGradients, info.batch_size, (cell, transpose), in_dims[2:], inputs)


def _primal(saved: Tensors) -> Tensors:
    """The values of saved tensors, without tangents: the coefficients of a forward-mode derivative."""
    return tuple(t if t is None else forward_ad.unpack_dual(t).primal for t in saved)


def _forward_mode(
    gradients: Callable[..., Tensors], outputs: Tensors, inputs: Tensors, tangents: Sequence[Tensor | None]
) -> Tensors:
    """A forward-mode derivative, as the transpose of `gradients`, which is linear in its arguments."""
    vjp = torch.func.vjp(gradients, *(torch.zeros_like(t) for t in outputs))[1]
    directions = (torch.zeros_like(x) if t is None else t for x, t in zip(inputs, tangents, strict=True))
    output_tangents: Tensors = vjp(tuple(directions))
    return output_tangents


def _fold_tasks(
    function: Any, tasks: int, settings: tuple[Any, ...], dims: Sequence[int | None], inputs: Tensors
) -> tuple[Tensors, Any]:
    """vmap of a function of tensors (L, ...): the batch dimension is folded into L, so one scan runs all."""
    folded = [
        x if x is None else (x.expand(tasks, *x.shape) if dim is None else x.movedim(dim, 0)).flatten(0, 1)
        for x, dim in zip(inputs, dims, strict=True)
    ]
    outputs = function.apply(*settings, *folded)
    return tuple(t.unflatten(0, (tasks, -1)) for t in outputs), (0,) * len(outputs)


class Recurrent(nn.Module):
    """A recurrent cell over the row-major sequence of positions; padded positions are skipped."""

    def __init__(self, channels: int, cell: Cell) -> None:
        super().__init__()
        self.cell = cell
        self.input_weight = nn.Parameter(torch.empty(cell.gates * channels, channels))
        self.state_weight = nn.Parameter(torch.empty(cell.gates * channels, channels))
        self.bias = nn.Parameter(torch.empty(cell.gates * channels))
        self.state_bias = nn.Parameter(torch.empty(cell.gates * channels))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the states h at their positions, in the shape of x.

        Computed in the precision of x even under autocast, because errors add up over the steps.
        """
        weights = [t.to(x.dtype) for t in (self.input_weight, self.state_weight, self.bias, self.state_bias)]
        input_weight, state_weight, input_bias, state_bias = weights
        keep = None if mask is None else mask.flatten(2).permute(2, 0, 1)[None].to(x.dtype)
        with _no_autocast(x.device.type):
            scan = Inputs(
                x.flatten(2).permute(2, 0, 1)[None].contiguous(),
                input_weight.mT[None],
                input_bias[None, None],
                state_weight.mT[None],
                state_bias[None, None],
                keep,
            )
            if torch.compiler.is_exporting():
                states = unrolled(self.cell, scan)
            else:
                states = _Scan.apply(self.cell, *scan)
        return states[0][0].permute(1, 2, 0).reshape(x.shape)
