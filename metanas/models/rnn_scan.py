"""GRU and LSTM as scans over a sequence, with their gradients. `rnn.py` makes autograd functions of them.

Each cell has its gradient in two forms. `run` and `gradients` are loops that write into preallocated buffers;
those of one step are small enough for the processor's cache, but autograd cannot differentiate the loops.
`derivatives`, `pull` and `gate_gradients` compute the same as `gradients` in a few large differentiable
operations; `push` is the transpose of `pull`. Second-order gradients come from these.

"Gates" are values before the sigmoid or tanh, in two parts: input gates (from x) and state gates (from the
previous h). Direct gradients of states come from the outputs; total gradients include those of later steps.
Shapes: L tasks side by side, S steps, B examples, C channels, K gates, G = K * C.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]


class Inputs(NamedTuple):
    """The inputs of a scan.

    x (L, S, B, C). input_weight (L, C, G), input_bias (L, 1, G): of the input gates. state_weight (L, C, G),
    state_bias (L, 1, G): of the state gates. keep (L, S, B, 1): 1 at real positions, 0 at padding, where the
    state does not change; None without padding.
    """

    x: Tensor
    input_weight: Tensor
    input_bias: Tensor
    state_weight: Tensor
    state_bias: Tensor
    keep: Tensor | None

    def input_gates(self) -> Tensor:
        """The input gates of all steps (L, S, B, G)."""
        flat = torch.baddbmm(self.input_bias, self.x.flatten(1, 2), self.input_weight)
        return flat.unflatten(1, self.x.shape[1:3])

    def keep_steps(self) -> Sequence[Tensor | None]:
        """`keep` of every step, (L, B, 1) or None each."""
        return [None] * self.x.shape[1] if self.keep is None else self.keep.unbind(1)

    def state_gates(self, before: Tensor) -> Tensor:
        """The state gates of all steps (L, S, B, G) from the states before them (L, S, B, C)."""
        flat = torch.baddbmm(self.state_bias, before.flatten(1, 2), self.state_weight)
        return flat.unflatten(1, before.shape[1:3])


class _StepDerivatives(NamedTuple):
    """Derivatives of each step's state.

    state_gates, input_gates (L, S, B, K, C): for the step's state gates and input gates. carry: (L, S, B, C)
    each, the factors with which the state depends on the previous state other than through the gates.
    """

    state_gates: Tensor
    input_gates: Tensor
    carry: Tensors


class GruCell:
    """Gated recurrent unit (Cho et al., 2014) with PyTorch's gates r, z, n; its state is (h,).

    At padding z is exactly 1, so padding changes neither the state nor the gradient.
    """

    gates: ClassVar[int] = 3
    num_carry: ClassVar[int] = 1  # tensors in `_StepDerivatives.carry`

    @staticmethod
    def mask_gates(input_gates: Tensor, keep: Tensor | None) -> Tensor:
        """Input gates (..., G), changed where keep (..., 1) is 0 so that the state stays the same there."""
        if keep is None:
            return input_gates
        r, z, n = input_gates.chunk(3, -1)
        return torch.cat([r, z.masked_fill(keep == 0, 1e4), n], -1)

    @staticmethod
    def step(input_gates: Tensor, state_gates: Tensor, keep: Tensor | None, state: Tensors) -> Tensors:
        """The next state by the definition of the cell: gates (L, B, G), keep (L, B, 1), state (L, B, C)."""
        (h,), split = state, 2 * state[0].shape[-1]
        r, z = (input_gates[..., :split] + state_gates[..., :split]).sigmoid().chunk(2, -1)
        n = torch.addcmul(input_gates[..., split:], r, state_gates[..., split:]).tanh()
        return (torch.lerp(n, h, z),)

    @staticmethod
    def run(inputs: Inputs) -> Tensors:
        """The states (h,) of all steps, (L, S, B, C), from a zero state; not differentiable."""
        input_gates = GruCell.mask_gates(inputs.input_gates(), inputs.keep)
        channels = inputs.state_weight.shape[-2]
        states = input_gates.new_empty(*input_gates.shape[:-1], channels)
        state_gates = input_gates.new_empty(input_gates.shape[0], *input_gates.shape[2:])
        rz, state_n = state_gates.split([2 * channels, channels], -1)
        (r, z), h = rz.chunk(2, -1), torch.zeros_like(states[:, 0])
        steps = (
            input_gates[..., : 2 * channels].unbind(1),
            input_gates[..., 2 * channels :].unbind(1),
            states.unbind(1),
        )
        for input_rz, input_n, new in zip(*steps, strict=True):
            torch.baddbmm(inputs.state_bias, h, inputs.state_weight, out=state_gates)
            rz.add_(input_rz).sigmoid_()
            n = torch.addcmul(input_n, r, state_n).tanh_()
            h = torch.lerp(n, h, z, out=new)
        return (states,)

    @staticmethod
    def gradients(inputs: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """Gradients of the state gates and input gates, (L, S, B, G) each, from direct ones of the states."""
        (states_h,), (grad,), channels = states, grads, inputs.state_weight.shape[-2]
        input_gates, weight_t = GruCell.mask_gates(inputs.input_gates(), inputs.keep), inputs.state_weight.mT
        grad_state_gates, grad_input_gates = torch.empty_like(input_gates), torch.empty_like(input_gates)
        state_gates = torch.empty_like(input_gates[:, 0])
        slope = torch.empty_like(input_gates[:, 0, :, : 2 * channels])
        (rz, state_n), (s_r, s_z) = state_gates.split([2 * channels, channels], -1), slope.chunk(2, -1)
        r, z = rz.chunk(2, -1)
        n, dn, scratch, dh, dh_before = (torch.empty_like(grad[:, 0]) for _ in range(5))
        zero_state, grad_gates = torch.zeros_like(dh), state_gates.new_empty(state_gates.shape)
        to_r, to_z, to_n = grad_gates.chunk(3, -1)
        steps = [t.unbind(1) for t in (input_gates, states_h, grad, grad_state_gates, grad_input_gates)]
        dh.copy_(steps[2][-1])
        for t in range(input_gates.shape[1] - 1, -1, -1):
            before = steps[1][t - 1] if t else zero_state
            torch.baddbmm(inputs.state_bias, before, inputs.state_weight, out=state_gates)
            rz.add_(steps[0][t][..., : 2 * channels]).sigmoid_()
            torch.addcmul(steps[0][t][..., 2 * channels :], r, state_n, out=n).tanh_()
            torch.addcmul(rz, rz, rz, value=-1, out=slope)
            torch.mul(torch.sub(before, n, out=dn).mul_(dh), s_z, out=to_z)
            torch.addcmul(dh, dh, z, value=-1, out=dn)
            dn.addcmul_(dn, torch.mul(n, n, out=scratch), value=-1)  # gradient of n before its tanh
            torch.mul(torch.mul(dn, state_n, out=scratch), s_r, out=to_r)
            steps[4][t].copy_(grad_gates)[..., 2 * channels :].copy_(dn)
            torch.mul(dn, r, out=to_n)
            steps[3][t].copy_(grad_gates)
            if t:
                _add_product(torch.addcmul(steps[2][t - 1], z, dh, out=dh_before), grad_gates, weight_t)
                dh, dh_before = dh_before, dh
        return grad_state_gates, grad_input_gates

    @staticmethod
    def derivatives(inputs: Inputs, states: Tensors) -> _StepDerivatives:
        """The derivatives of all steps at the given states, in differentiable operations."""
        before, channels = previous_states(states[0]), inputs.state_weight.shape[-2]
        input_gates = GruCell.mask_gates(inputs.input_gates(), inputs.keep)
        state_gates = inputs.state_gates(before)
        rz = (input_gates[..., : 2 * channels] + state_gates[..., : 2 * channels]).sigmoid_()
        (r, z), state_n = rz.chunk(2, -1), state_gates[..., 2 * channels :]
        n = torch.addcmul(input_gates[..., 2 * channels :], r, state_n).tanh_()
        one_minus_z = 1 - z
        by_n = torch.addcmul(one_minus_z, one_minus_z, n * n, value=-1)
        by_r, by_z = torch.addcmul(rz, rz, rz, value=-1).chunk(2, -1)
        by_r, by_z = by_n * state_n * by_r, (before - n) * by_z
        by_state_gates = torch.stack([by_r, by_z, by_n * r], -2)
        return _StepDerivatives(by_state_gates, torch.stack([by_r, by_z, by_n], -2), (z,))

    @staticmethod
    def pull(weight_t: Tensor, by_gates: Tensor, carry: Tensors, direct: Tensors) -> Tensors:
        """Total gradients of the states from direct ones, last step first.

        weight_t (L, G, C), by_gates (L, S, B, K, C), carry and direct (L, S, B, C) each.
        """
        (direct_h,), (z,) = direct, carry
        total, buffer = torch.empty_like(direct_h), torch.empty_like(by_gates[:, 0])
        flat, steps = buffer.flatten(-2), [t.unbind(1) for t in (direct_h, by_gates, z, total)]
        dh = steps[3][-1].copy_(steps[0][-1])
        for t in range(direct_h.shape[1] - 1, 0, -1):
            torch.mul(dh.unsqueeze(-2), steps[1][t], out=buffer)
            dh = torch.addcmul(steps[0][t - 1], steps[2][t], dh, out=steps[3][t - 1])
            _add_product(dh, flat, weight_t)
        return (total,)

    @staticmethod
    def push(weight_t: Tensor, by_gates: Tensor, carry: Tensors, direct: Tensors) -> Tensors:
        """The transpose of `pull`: total changes of the states from direct ones, first step first."""
        (direct_h,), (z,), state_weight = direct, carry, weight_t.mT
        total = torch.empty_like(direct_h)
        steps = [t.unbind(1) for t in (direct_h, by_gates, z, total)]
        u = steps[3][0].copy_(steps[0][0])
        for t in range(1, direct_h.shape[1]):
            moved = torch.bmm(u, state_weight).unflatten(-1, (3, -1)).mul_(steps[1][t]).sum(-2)
            u = torch.addcmul(moved.add_(steps[0][t]), steps[2][t], u, out=steps[3][t])
        return (total,)

    @staticmethod
    def gate_gradients(total: Tensors, by_gates: Tensor) -> Tensor:
        """Gradients of the gates (L, S, B, K, C) from total gradients of the states."""
        return total[0].unsqueeze(-2) * by_gates

    @staticmethod
    def carry_gradients(total: Tensors, before: Tensors, changes: Tensors) -> Tensors:
        """Gradients of `carry` from total gradients of the states and changes of the states.

        before: the changes one step earlier.
        """
        return (total[0] * before[0],)


class LstmCell:
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); gates i, f, g, o; its state is (h, c).

    At padding i is exactly 0 and f exactly 1, so c does not change; `keep` does the same for h.
    """

    gates: ClassVar[int] = 4
    num_carry: ClassVar[int] = 3

    @staticmethod
    def mask_gates(input_gates: Tensor, keep: Tensor | None) -> Tensor:
        """Input gates (..., G), changed where keep (..., 1) is 0 so that the state stays the same there."""
        if keep is None:
            return input_gates
        i, f, g, o = input_gates.chunk(4, -1)
        return torch.cat([i.masked_fill(keep == 0, -1e4), f.masked_fill(keep == 0, 1e4), g, o], -1)

    @staticmethod
    def step(input_gates: Tensor, state_gates: Tensor, keep: Tensor | None, state: Tensors) -> Tensors:
        """The next state, as `GruCell.step`; state is (h, c)."""
        h, c = state
        i, f, g, o = (input_gates + state_gates).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        new = o.sigmoid() * c.tanh()
        return (new if keep is None else torch.lerp(h, new, keep)), c

    @staticmethod
    def run(inputs: Inputs) -> Tensors:
        """The states (h, c) of all steps, (L, S, B, C) each, from a zero state; not differentiable."""
        input_gates = LstmCell.mask_gates(inputs.input_gates().add_(inputs.state_bias[:, None]), inputs.keep)
        channels = inputs.state_weight.shape[-2]
        states = [input_gates.new_empty(*input_gates.shape[:-1], channels) for _ in range(2)]
        h = c = torch.zeros_like(states[0][:, 0])
        steps = zip(input_gates.unbind(1), inputs.keep_steps(), *(s.unbind(1) for s in states), strict=True)
        for gates, keep, new_h, new_c in steps:
            _add_product(gates, h, inputs.state_weight)
            i, f, g, o = gates.chunk(4, -1)
            gates[..., : 2 * channels].sigmoid_()
            c = torch.mul(f, c, out=new_c).addcmul_(i, g.tanh_())
            if keep is None:
                h = torch.mul(o.sigmoid_(), c.tanh(), out=new_h)
            else:
                h = torch.lerp(h, o.sigmoid_() * c.tanh(), keep, out=new_h)
        return tuple(states)

    @staticmethod
    def gradients(inputs: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """Gradients of state gates and input gates, as `GruCell.gradients`; for an LSTM they are equal."""
        (states_h, states_c), (grad_h, grad_c), channels = states, grads, inputs.state_weight.shape[-2]
        input_gates = LstmCell.mask_gates(inputs.input_gates().add_(inputs.state_bias[:, None]), inputs.keep)
        weight_t, grad_gates = inputs.state_weight.mT, torch.empty_like(input_gates)
        gates, step_grad = torch.empty_like(input_gates[:, 0]), torch.empty_like(input_gates[:, 0])
        (i, f, g, o), to_gates = gates.chunk(4, -1), step_grad.chunk(4, -1)
        i_and_f = gates[..., : 2 * channels]
        to_i_and_f = step_grad[..., : 2 * channels].unflatten(-1, (2, channels))
        tanh_c, scratch, dh_buffer, dh, dc, dh_before = (torch.empty_like(grad_h[:, 0]) for _ in range(6))
        zero_state = torch.zeros_like(dh)
        keep_steps = inputs.keep_steps()
        steps = [t.unbind(1) for t in (input_gates, states_h, states_c, grad_h, grad_c, grad_gates)]
        dh.copy_(steps[3][-1]), dc.copy_(steps[4][-1])
        for t in range(input_gates.shape[1] - 1, -1, -1):
            before_h, before_c = (steps[1][t - 1], steps[2][t - 1]) if t else (zero_state, zero_state)
            torch.baddbmm(steps[0][t], before_h, inputs.state_weight, out=gates)
            i_and_f.sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.tanh(steps[2][t], out=tanh_c)
            keep = keep_steps[t]
            dh_new = dh if keep is None else torch.mul(dh, keep, out=dh_buffer)
            torch.addcmul(o, o, o, value=-1, out=to_gates[3]).mul_(tanh_c).mul_(dh_new)
            torch.mul(dh_new, o, out=scratch).addcmul_(scratch, tanh_c.mul_(tanh_c), value=-1)
            dc.add_(scratch)
            torch.addcmul(i_and_f, i_and_f, i_and_f, value=-1, out=step_grad[..., : 2 * channels])
            to_i_and_f.mul_(dc.unsqueeze(-2))
            to_gates[0].mul_(g), to_gates[1].mul_(before_c)
            torch.mul(dc, i, out=scratch)
            torch.addcmul(scratch, scratch, g.mul_(g), value=-1, out=to_gates[2])
            steps[5][t].copy_(step_grad)
            if t:
                torch.addcmul(steps[4][t - 1], f, dc, out=dc)
                if keep is None:
                    torch.baddbmm(steps[3][t - 1], step_grad, weight_t, out=dh)
                else:
                    torch.addcmul(steps[3][t - 1] + dh, keep, dh, value=-1, out=dh_before)
                    _add_product(dh_before, step_grad, weight_t)
                    dh, dh_before = dh_before, dh
        return grad_gates, grad_gates

    @staticmethod
    def derivatives(inputs: Inputs, states: Tensors) -> _StepDerivatives:
        """The derivatives of all steps at the given states, in differentiable operations."""
        before = previous_states(states[1])
        input_gates = LstmCell.mask_gates(inputs.input_gates(), inputs.keep)
        all_gates = input_gates + inputs.state_gates(previous_states(states[0]))
        i, f, g, o = all_gates.chunk(4, -1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        tanh_c = states[1].tanh()
        h_by_c = torch.addcmul(o, o, tanh_c * tanh_c, value=-1)
        by_o = tanh_c * torch.addcmul(o, o, o, value=-1)
        stay = torch.zeros_like(o)
        if inputs.keep is not None:
            h_by_c, by_o, stay = h_by_c * inputs.keep, by_o * inputs.keep, stay + (1 - inputs.keep)
        gi = g * i
        by_i_and_f = [torch.addcmul(gi, gi, i, value=-1), before * torch.addcmul(f, f, f, value=-1)]
        gates = torch.stack([*by_i_and_f, torch.addcmul(i, i, g * g, value=-1), by_o], -2)
        return _StepDerivatives(gates, gates, (f, h_by_c, stay))

    @staticmethod
    def pull(weight_t: Tensor, by_gates: Tensor, carry: Tensors, direct: Tensors) -> Tensors:
        """Total gradients of (h, c) from direct ones, as `GruCell.pull`."""
        total, buffer = [torch.empty_like(grad) for grad in direct], torch.empty_like(by_gates[:, 0])
        flat, c_gates, h_gate = buffer.flatten(-2), buffer[..., :3, :], buffer[..., 3, :]
        steps = [t.unbind(1) for t in (*direct, by_gates[..., :3, :], by_gates[..., 3, :], *carry, *total)]
        direct_h, direct_c, c_by_gates, h_by_gate, f, h_by_c, stay, total_h, total_c = steps
        dh, dc = total_h[-1].copy_(direct_h[-1]), total_c[-1].copy_(direct_c[-1])
        for t in range(len(direct_h) - 1, -1, -1):
            dc.addcmul_(dh, h_by_c[t])
            if t:
                torch.mul(dc.unsqueeze(-2), c_by_gates[t], out=c_gates)
                torch.mul(dh, h_by_gate[t], out=h_gate)
                dc = torch.addcmul(direct_c[t - 1], f[t], dc, out=total_c[t - 1])
                dh = torch.addcmul(direct_h[t - 1], stay[t], dh, out=total_h[t - 1])
                _add_product(dh, flat, weight_t)
        return tuple(total)

    @staticmethod
    def push(weight_t: Tensor, by_gates: Tensor, carry: Tensors, direct: Tensors) -> Tensors:
        """The transpose of `pull`, as `GruCell.push`."""
        (direct_h, direct_c), (f, h_by_c, stay), state_weight = direct, carry, weight_t.mT
        u, v, total = torch.zeros_like(direct_h[:, 0]), torch.zeros_like(direct_h[:, 0]), []
        for t in range(direct_h.shape[1]):
            moved = torch.bmm(u, state_weight).unflatten(-1, (4, -1)).mul_(by_gates[:, t])
            v = torch.addcmul(direct_c[:, t] + moved[..., :3, :].sum(-2), f[:, t], v)
            u = torch.addcmul(direct_h[:, t] + moved[..., 3, :], stay[:, t], u)
            u = torch.addcmul(u, h_by_c[:, t], v)
            total.append((u, v))
        return tuple(torch.stack(states, 1) for states in zip(*total, strict=True))

    @staticmethod
    def gate_gradients(total: Tensors, by_gates: Tensor) -> Tensor:
        """Gradients of the gates (L, S, B, K, C) from total gradients of (h, c): i, f, g act on c, o on h."""
        dh, dc = (grad.unsqueeze(-2) for grad in total)
        return torch.cat([dc.expand(*dc.shape[:-2], 3, -1), dh], -2) * by_gates

    @staticmethod
    def carry_gradients(total: Tensors, before: Tensors, changes: Tensors) -> Tensors:
        """Gradients of `carry`, as `GruCell.carry_gradients`."""
        return total[1] * before[1], total[0] * changes[1], total[0] * before[0]


Cell = type[GruCell] | type[LstmCell]


def unrolled(cell: Cell, inputs: Inputs) -> Tensors:
    """The same states as `cell.run`, without in-place operations, for torch.export."""
    input_gates = cell.mask_gates(inputs.input_gates(), inputs.keep)
    state = (torch.zeros_like(inputs.x[:, 0]),) * (1 if cell is GruCell else 2)
    states = []
    for step_gates, keep in zip(input_gates.unbind(1), inputs.keep_steps(), strict=True):
        state_gates = torch.baddbmm(inputs.state_bias, state[0], inputs.state_weight)
        state = cell.step(step_gates, state_gates, keep, state)
        states.append(state)
    return tuple(torch.stack(steps, 1) for steps in zip(*states, strict=True))


def previous_states(states: Tensor) -> Tensor:
    """The state before each step (L, S, B, C): zeros, then all states but the last."""
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, in the form that torch's FLOP counter knows (it does not count `baddbmm_`)."""
    torch.baddbmm(total, a, b, out=total)
