"""Recurrent nodes over the row-major sequence of positions: GRU and LSTM, differentiable to any order.

Native RNN kernels have no double backward and no vmap, and a loop of differentiable operations leaves a
graph of a dozen nodes per step and task, which was a third of the time of a meta-iteration. So the scan
over time is one `autograd.Function` (`_Scan`) with its derivative written out: given all states, the
gates of all steps come in a few large operations, and only the recurrence of the state's gradient is a
loop. The derivative is made of differentiable operations in turn: it serves the first order fast and
the second order too. Equal to torch.nn.GRU and torch.nn.LSTM (tests/contracts/test_ops.py).

Shapes: S steps, L tasks side by side, B examples, C channels, G = gates * C.
"""

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Tensors = tuple[Tensor, ...]


class Inputs(NamedTuple):
    """What a scan reads.

    given (S, L, B, G): the inputs' share of the gates. weight (L, C, G), bias (L, 1, G): the state's share.
    keep (S, L, B, 1): 1 where there is something, 0 where the state steps over padding.
    """

    given: Tensor
    weight: Tensor
    bias: Tensor
    keep: Tensor

    def share(self, states: Tensor) -> Tensor:
        """The state's share of the gates of all steps (S, L, B, G) at once."""
        return states @ self.weight + self.bias


class GruCell:
    """Gated recurrent unit (Cho et al., 2014), PyTorch's gate order r, z, n; one state, h.

    Over padding z is 1 to the last digit (`blind`), so that neither state nor gradient knows of it.
    """

    gates: ClassVar[int] = 3

    @staticmethod
    def blind(given: Tensor, keep: Tensor) -> Tensor:
        r, z, n = given.chunk(3, -1)
        return torch.cat([r, z.masked_fill(keep == 0, 1e4), n], -1)

    @staticmethod
    def step(given: Tensor, share: Tensor, keep: Tensor, state: Tensors) -> Tensors:
        (h,) = state
        split = 2 * h.shape[-1]
        r, z = (given[..., :split] + share[..., :split]).sigmoid().chunk(2, -1)
        n = torch.addcmul(given[..., split:], r, share[..., split:]).tanh()
        return (torch.lerp(n, h, z),)

    @staticmethod
    def pull(read: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """Gradients of given and of the state's share (S, L, B, G each), from those of the states."""
        (h,), (grad,), back = states, grads, read.weight.mT.contiguous()
        before = _before(h)
        share = read.share(before)
        split = 2 * h.shape[-1]
        r, z = (read.given[..., :split] + share[..., :split]).sigmoid().chunk(2, -1)
        n = torch.tanh(read.given[..., split:] + r * share[..., split:])
        by_n = (1 - z) * (1 - n * n)
        by_r = by_n * share[..., split:] * r * (1 - r)
        by_z = (before - n) * z * (1 - z)
        slope = torch.stack([by_r, by_z, by_n * r], -2)  # of the shares, per unit of dh: (S, L, B, 3, C)
        carry, found = torch.zeros_like(h[0]), []
        for dh, slope_t, z_t in zip(*(x.unbind()[::-1] for x in (grad, slope, z)), strict=True):
            dh = dh + carry
            found.append(dh)
            carry = torch.addcmul((dh.unsqueeze(-2) * slope_t).flatten(-2) @ back, z_t, dh)
        dh = torch.stack(found[::-1]).unsqueeze(-2)
        return (dh * torch.stack([by_r, by_z, by_n], -2)).flatten(-2), (dh * slope).flatten(-2)


class LstmCell:
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), PyTorch's gate order i, f, g, o; h and c."""

    gates: ClassVar[int] = 4

    @staticmethod
    def blind(given: Tensor, keep: Tensor) -> Tensor:
        return given

    @staticmethod
    def step(given: Tensor, share: Tensor, keep: Tensor, state: Tensors) -> Tensors:
        h, c = state
        i, f, g, o = (given + share).chunk(4, -1)
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return torch.lerp(h, o.sigmoid() * new.tanh(), keep), torch.lerp(c, new, keep)

    @staticmethod
    def pull(read: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """Gradients of given and of the state's share, which for an LSTM are the same."""
        (h, c), (grad_h, grad_c), keep, back = states, grads, read.keep, read.weight.mT.contiguous()
        before = _before(c)
        i, f, g, o = (read.given + read.share(_before(h))).chunk(4, -1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        out = (f * before + i * g).tanh()
        slope = torch.stack([g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)], -2) * keep[..., None]
        by_o, into_c = keep * out * o * (1 - o), keep * o * (1 - out * out)
        stay_h, stay_c = 1 - keep, 1 - keep * (1 - f)
        carry_h, carry_c, found = torch.zeros_like(h[0]), torch.zeros_like(c[0]), []
        for t in range(len(h) - 1, -1, -1):
            dh = grad_h[t] + carry_h
            dc = grad_c[t] + carry_c + dh * into_c[t]
            gates = torch.cat([(dc.unsqueeze(-2) * slope[t]).flatten(-2), dh * by_o[t]], -1)
            found.append(gates)
            carry_h, carry_c = torch.addcmul(gates @ back, stay_h[t], dh), stay_c[t] * dc
        both = torch.stack(found[::-1])
        return both, both


Cell = type[GruCell] | type[LstmCell]


class _Scan(torch.autograd.Function):
    """All states of a cell from a zero start: (cell, *Inputs) to h, and c if there is one, (S, L, B, C)."""

    @staticmethod
    def forward(cell: Cell, *inputs: Tensor) -> Tensors:
        read = Inputs(*inputs)
        state = _start(cell, read)
        states = []
        for given, keep in zip(read.given, read.keep, strict=True):
            state = cell.step(given, torch.baddbmm(read.bias, state[0], read.weight), keep, state)
            states.append(state)
        return tuple(torch.stack(same) for same in zip(*states, strict=True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensors) -> None:
        ctx.cell = inputs[0]
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        read, states = Inputs(*ctx.saved_tensors[:4]), ctx.saved_tensors[4:]
        given, share = ctx.cell.pull(read, states, grads)
        flat, before = share.transpose(0, 1).flatten(1, 2), _before(states[0]).transpose(0, 1).flatten(1, 2)
        return None, given, before.mT @ flat, flat.sum(1, keepdim=True), None

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensors:
        read = Inputs(*ctx.saved_tensors)
        moved = Inputs(
            *(torch.zeros_like(x) if t is None else t for x, t in zip(read, tangents, strict=True))
        )
        state, change, changes = _start(ctx.cell, read), _start(ctx.cell, read), []
        for given, keep, dgiven in zip(read.given, read.keep, moved.given, strict=True):
            share = read.share(state[0])
            dshare = change[0] @ read.weight + moved.share(state[0])

            def step(g: Tensor, s: Tensor, *old: Tensor, keep: Tensor = keep) -> Tensors:
                return ctx.cell.step(g, s, keep, old)

            state, change = torch.func.jvp(step, (given, share, *state), (dgiven, dshare, *change))[:2]
            changes.append(change)
        return tuple(torch.stack(same) for same in zip(*changes, strict=True))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Cell, *inputs: Tensor) -> tuple[Tensors, Any]:
        """Tasks become part of L, so that one scan serves all of them."""
        tasks, read = info.batch_size, Inputs(*inputs)
        places = (1, 0, 0, 1)  # where L is in each
        merged = []
        for x, dim, at in zip(read, in_dims[1:], places, strict=True):
            stacked = x[None].expand(tasks, *x.shape) if dim is None else x.movedim(dim, 0)
            merged.append(stacked.movedim(0, at).flatten(at, at + 1))
        states = _Scan.apply(cell, *merged)
        return tuple(s.unflatten(1, (tasks, -1)) for s in states), (1,) * len(states)


def _start(cell: Cell, read: Inputs) -> Tensors:
    zeros = read.given.new_zeros(*read.given.shape[1:-1], read.weight.shape[-2])
    return (zeros,) if cell is GruCell else (zeros, zeros)


def _before(states: Tensor) -> Tensor:
    """Each step's state before it: zeros, then all but the last."""
    return torch.cat([torch.zeros_like(states[:1]), states[:-1]])


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
        """x (B, C, H, W), mask (B, 1, H, W) or None, to the states in the places of their positions."""
        given = F.linear(x.flatten(2).permute(2, 0, 1), self.input_weight, self.bias)  # (S, B, G)
        if mask is None:
            keep = torch.ones_like(given[..., :1])
        else:
            keep = mask.flatten(2).permute(2, 0, 1).to(given.dtype)
            given = self.cell.blind(given, keep)
        weight, bias = self.state_weight.mT.to(given.dtype).contiguous(), self.state_bias.to(given.dtype)
        states = _Scan.apply(self.cell, given[:, None], weight[None], bias[None, None], keep[:, None])
        return states[0][:, 0].permute(1, 2, 0).reshape(x.shape)
