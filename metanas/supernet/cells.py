"""The recurrent cells: how their states are scanned, and the derivative of a scan, in two forms.

Before `recurrent.py`, which makes differentiable layers of them. `run` and `gradients` are loops that write
into arrays that are there already, as small as a step, so they stay in the processor's cache; nothing can be
differentiated through them. `slopes`, `pull` and `into_gates` say the same as `gradients` in a few large
operations that can be (`push` is the transpose of `pull`): that is where second order comes from.

Shapes: L tasks side by side, S steps, B examples, C channels, K gates, G = K * C.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]


class Inputs(NamedTuple):
    """What a scan reads.

    x (L, S, B, C). into (L, C, G), bias (L, 1, G): the inputs' share of the gates. weight (L, C, G),
    state_bias (L, 1, G): the state's. keep (L, S, B, 1): 1 where there is something, 0 where the state steps
    over padding; None: everywhere.
    """

    x: Tensor
    into: Tensor
    bias: Tensor
    weight: Tensor
    state_bias: Tensor
    keep: Tensor | None

    def given(self) -> Tensor:
        """The inputs' share of the gates of all steps (L, S, B, G)."""
        return torch.baddbmm(self.bias, self.x.flatten(1, 2), self.into).unflatten(1, self.x.shape[1:3])

    def kept(self) -> Sequence[Tensor | None]:
        """`keep` step by step, each (L, B, 1) or None."""
        return [None] * self.x.shape[1] if self.keep is None else self.keep.unbind(1)

    def share(self, before: Tensor) -> Tensor:
        """The states' share of the gates of all steps (L, S, B, G)."""
        flat = torch.baddbmm(self.state_bias, before.flatten(1, 2), self.weight)
        return flat.unflatten(1, before.shape[1:3])


class Slopes(NamedTuple):
    """How a step's state moves with what it reads.

    gates (L, S, B, K, C): with the state's share of each gate; given (L, S, B, K, C): with the inputs' share.
    rest: what else a state keeps of the one before it, for `_Carry` (each (L, S, B, C)).
    """

    gates: Tensor
    given: Tensor
    rest: Tensors


class GruCell:
    """Gated recurrent unit (Cho et al., 2014), PyTorch's gate order r, z, n; one state, h.

    Over padding z is 1 to the last digit, so that neither state nor gradient knows of it.
    """

    gates: ClassVar[int] = 3
    kept: ClassVar[int] = 1  # tensors in `Slopes.rest`

    @staticmethod
    def blind(given: Tensor, keep: Tensor | None) -> Tensor:
        if keep is None:
            return given
        r, z, n = given.chunk(3, -1)
        return torch.cat([r, z.masked_fill(keep == 0, 1e4), n], -1)

    @staticmethod
    def step(given: Tensor, share: Tensor, keep: Tensor | None, state: Tensors) -> Tensors:
        """One step as it is defined, each (L, B, ...)."""
        (h,), split = state, 2 * state[0].shape[-1]
        r, z = (given[..., :split] + share[..., :split]).sigmoid().chunk(2, -1)
        n = torch.addcmul(given[..., split:], r, share[..., split:]).tanh()
        return (torch.lerp(n, h, z),)

    @staticmethod
    def run(read: Inputs) -> Tensors:
        """All states h (L, S, B, C)."""
        given, channels = GruCell.blind(read.given(), read.keep), read.weight.shape[-2]
        states = given.new_empty(*given.shape[:-1], channels)
        share = given.new_empty(given.shape[0], *given.shape[2:])
        rz, rest = share.split([2 * channels, channels], -1)
        (r, z), h = rz.chunk(2, -1), torch.zeros_like(states[:, 0])
        steps = (given[..., : 2 * channels].unbind(1), given[..., 2 * channels :].unbind(1), states.unbind(1))
        for given_rz, given_n, new in zip(*steps, strict=True):
            torch.baddbmm(read.state_bias, h, read.weight, out=share)
            rz.add_(given_rz).sigmoid_()
            n = torch.addcmul(given_n, r, rest).tanh_()
            h = torch.lerp(n, h, z, out=new)
        return (states,)

    @staticmethod
    def gradients(read: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """Of the states' and the inputs' share of the gates (L, S, B, G each), from those of the states."""
        (states_h,), (grad,), channels = states, grads, read.weight.shape[-2]
        given, back = GruCell.blind(read.given(), read.keep), read.weight.mT
        by_share, by_given = torch.empty_like(given), torch.empty_like(given)
        share, slope = torch.empty_like(given[:, 0]), torch.empty_like(given[:, 0, :, : 2 * channels])
        (rz, share_n), (s_r, s_z) = share.split([2 * channels, channels], -1), slope.chunk(2, -1)
        r, z = rz.chunk(2, -1)
        n, gap, square, dh, ahead = (torch.empty_like(grad[:, 0]) for _ in range(5))
        start, flat = torch.zeros_like(dh), share.new_empty(share.shape)
        to_r, to_z, to_n = flat.chunk(3, -1)
        steps = [t.unbind(1) for t in (given, states_h, grad, by_share, by_given)]
        dh.copy_(steps[2][-1])
        for t in range(given.shape[1] - 1, -1, -1):
            before = steps[1][t - 1] if t else start
            torch.baddbmm(read.state_bias, before, read.weight, out=share)
            rz.add_(steps[0][t][..., : 2 * channels]).sigmoid_()
            torch.addcmul(steps[0][t][..., 2 * channels :], r, share_n, out=n).tanh_()
            torch.addcmul(rz, rz, rz, value=-1, out=slope)
            torch.mul(torch.sub(before, n, out=gap).mul_(dh), s_z, out=to_z)
            torch.addcmul(dh, dh, z, value=-1, out=gap)
            gap.addcmul_(gap, torch.mul(n, n, out=square), value=-1)  # of n before its tanh
            torch.mul(torch.mul(gap, share_n, out=square), s_r, out=to_r)
            steps[4][t].copy_(flat)[..., 2 * channels :].copy_(gap)
            torch.mul(gap, r, out=to_n)
            steps[3][t].copy_(flat)
            if t:
                _add_product(torch.addcmul(steps[2][t - 1], z, dh, out=ahead), flat, back)
                dh, ahead = ahead, dh
        return by_share, by_given

    @staticmethod
    def slopes(read: Inputs, states: Tensors) -> Slopes:
        before, channels = earlier(states[0]), read.weight.shape[-2]
        given, share = GruCell.blind(read.given(), read.keep), read.share(before)
        rz = (given[..., : 2 * channels] + share[..., : 2 * channels]).sigmoid_()
        (r, z), share_n = rz.chunk(2, -1), share[..., 2 * channels :]
        n = torch.addcmul(given[..., 2 * channels :], r, share_n).tanh_()
        left = 1 - z
        by_n = torch.addcmul(left, left, n * n, value=-1)
        by_r, by_z = torch.addcmul(rz, rz, rz, value=-1).chunk(2, -1)
        by_r, by_z = by_n * share_n * by_r, (before - n) * by_z
        return Slopes(torch.stack([by_r, by_z, by_n * r], -2), torch.stack([by_r, by_z, by_n], -2), (z,))

    @staticmethod
    def pull(back: Tensor, gates: Tensor, rest: Tensors, grads: Tensors) -> Tensors:
        """From the states' own gradients to their whole ones, last step first; back (L, G, C)."""
        (grad,), (z,) = grads, rest
        found, buffer = torch.empty_like(grad), torch.empty_like(gates[:, 0])
        flat, steps = buffer.flatten(-2), [t.unbind(1) for t in (grad, gates, z, found)]
        dh = steps[3][-1].copy_(steps[0][-1])
        for t in range(grad.shape[1] - 1, 0, -1):
            torch.mul(dh.unsqueeze(-2), steps[1][t], out=buffer)
            dh = torch.addcmul(steps[0][t - 1], steps[2][t], dh, out=steps[3][t - 1])
            _add_product(dh, flat, back)
        return (found,)

    @staticmethod
    def push(back: Tensor, gates: Tensor, rest: Tensors, changes: Tensors) -> Tensors:
        """The transpose: from the states' own changes to their whole ones, first step first."""
        (change,), (z,), forth = changes, rest, back.mT
        found = torch.empty_like(change)
        steps = [t.unbind(1) for t in (change, gates, z, found)]
        u = steps[3][0].copy_(steps[0][0])
        for t in range(1, change.shape[1]):
            moved = torch.bmm(u, forth).unflatten(-1, (3, -1)).mul_(steps[1][t]).sum(-2)
            u = torch.addcmul(moved.add_(steps[0][t]), steps[2][t], u, out=steps[3][t])
        return (found,)

    @staticmethod
    def into_gates(grads: Tensors, gates: Tensor) -> Tensor:
        """Gradients of the gates (L, S, B, K, C) from the whole gradients of the states."""
        return grads[0].unsqueeze(-2) * gates

    @staticmethod
    def of_rest(grads: Tensors, before: Tensors, changes: Tensors) -> Tensors:
        """Gradients of `rest`: whole gradients of the states by their changes, one step earlier and now."""
        return (grads[0] * before[0],)


class LstmCell:
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), PyTorch's gate order i, f, g, o; h and c.

    Over padding i is 0 and f is 1 to the last digit, which keeps c; h is kept by `keep`.
    """

    gates: ClassVar[int] = 4
    kept: ClassVar[int] = 3

    @staticmethod
    def blind(given: Tensor, keep: Tensor | None) -> Tensor:
        if keep is None:
            return given
        i, f, g, o = given.chunk(4, -1)
        return torch.cat([i.masked_fill(keep == 0, -1e4), f.masked_fill(keep == 0, 1e4), g, o], -1)

    @staticmethod
    def step(given: Tensor, share: Tensor, keep: Tensor | None, state: Tensors) -> Tensors:
        """As GruCell's: h and c."""
        h, c = state
        i, f, g, o = (given + share).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        new = o.sigmoid() * c.tanh()
        return (new if keep is None else torch.lerp(h, new, keep)), c

    @staticmethod
    def run(read: Inputs) -> Tensors:
        """All states h and c (L, S, B, C)."""
        given = LstmCell.blind(read.given().add_(read.state_bias[:, None]), read.keep)
        channels = read.weight.shape[-2]
        states = [given.new_empty(*given.shape[:-1], channels) for _ in range(2)]
        h = c = torch.zeros_like(states[0][:, 0])
        steps = zip(given.unbind(1), read.kept(), *(s.unbind(1) for s in states), strict=True)
        for share, keep, new_h, new_c in steps:
            _add_product(share, h, read.weight)
            i, f, g, o = share.chunk(4, -1)
            share[..., : 2 * channels].sigmoid_()
            c = torch.mul(f, c, out=new_c).addcmul_(i, g.tanh_())
            if keep is None:
                h = torch.mul(o.sigmoid_(), c.tanh(), out=new_h)
            else:
                h = torch.lerp(h, o.sigmoid_() * c.tanh(), keep, out=new_h)
        return tuple(states)

    @staticmethod
    def gradients(read: Inputs, states: Tensors, grads: Tensors) -> tuple[Tensor, Tensor]:
        """As GruCell's; for an LSTM both are the same."""
        (states_h, states_c), (grad_h, grad_c), channels = states, grads, read.weight.shape[-2]
        given = LstmCell.blind(read.given().add_(read.state_bias[:, None]), read.keep)
        back, found = read.weight.mT, torch.empty_like(given)
        share, flat = torch.empty_like(given[:, 0]), torch.empty_like(given[:, 0])
        (i, f, g, o), to = share.chunk(4, -1), flat.chunk(4, -1)
        slope, by_c = share[..., : 2 * channels], flat[..., : 2 * channels].unflatten(-1, (2, channels))
        out, square, dn, dh, dc, ahead = (torch.empty_like(grad_h[:, 0]) for _ in range(6))
        start = torch.zeros_like(dh)
        kept, steps = read.kept(), [t.unbind(1) for t in (given, states_h, states_c, grad_h, grad_c, found)]
        dh.copy_(steps[3][-1]), dc.copy_(steps[4][-1])
        for t in range(given.shape[1] - 1, -1, -1):
            before_h, before_c = (steps[1][t - 1], steps[2][t - 1]) if t else (start, start)
            torch.baddbmm(steps[0][t], before_h, read.weight, out=share)
            slope.sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.tanh(steps[2][t], out=out)
            keep = kept[t]
            moved = dh if keep is None else torch.mul(dh, keep, out=dn)
            torch.addcmul(o, o, o, value=-1, out=to[3]).mul_(out).mul_(moved)
            torch.mul(moved, o, out=square).addcmul_(square, out.mul_(out), value=-1)
            dc.add_(square)
            torch.addcmul(slope, slope, slope, value=-1, out=flat[..., : 2 * channels])
            by_c.mul_(dc.unsqueeze(-2))
            to[0].mul_(g), to[1].mul_(before_c)
            torch.mul(dc, i, out=square)
            torch.addcmul(square, square, g.mul_(g), value=-1, out=to[2])
            steps[5][t].copy_(flat)
            if t:
                torch.addcmul(steps[4][t - 1], f, dc, out=dc)
                if keep is None:
                    torch.baddbmm(steps[3][t - 1], flat, back, out=dh)
                else:
                    torch.addcmul(steps[3][t - 1] + dh, keep, dh, value=-1, out=ahead)
                    _add_product(ahead, flat, back)
                    dh, ahead = ahead, dh
        return found, found

    @staticmethod
    def slopes(read: Inputs, states: Tensors) -> Slopes:
        before = earlier(states[1])
        both = LstmCell.blind(read.given(), read.keep) + read.share(earlier(states[0]))
        i, f, g, o = both.chunk(4, -1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        out = states[1].tanh()
        into_c = torch.addcmul(o, o, out * out, value=-1)
        by_o = out * torch.addcmul(o, o, o, value=-1)
        stay = torch.zeros_like(o)
        if read.keep is not None:
            into_c, by_o, stay = into_c * read.keep, by_o * read.keep, stay + (1 - read.keep)
        gi = g * i
        slope = [torch.addcmul(gi, gi, i, value=-1), before * torch.addcmul(f, f, f, value=-1)]
        gates = torch.stack([*slope, torch.addcmul(i, i, g * g, value=-1), by_o], -2)
        return Slopes(gates, gates, (f, into_c, stay))

    @staticmethod
    def pull(back: Tensor, gates: Tensor, rest: Tensors, grads: Tensors) -> Tensors:
        """As GruCell's: h and c."""
        found, buffer = [torch.empty_like(grad) for grad in grads], torch.empty_like(gates[:, 0])
        flat, by_c, by_h = buffer.flatten(-2), buffer[..., :3, :], buffer[..., 3, :]
        steps = [t.unbind(1) for t in (*grads, gates[..., :3, :], gates[..., 3, :], *rest, *found)]
        grad_h, grad_c, into_c_gates, into_o, f, into_c, stay, new_h, new_c = steps
        dh, dc = new_h[-1].copy_(grad_h[-1]), new_c[-1].copy_(grad_c[-1])
        for t in range(len(grad_h) - 1, -1, -1):
            dc.addcmul_(dh, into_c[t])
            if t:
                torch.mul(dc.unsqueeze(-2), into_c_gates[t], out=by_c)
                torch.mul(dh, into_o[t], out=by_h)
                dc = torch.addcmul(grad_c[t - 1], f[t], dc, out=new_c[t - 1])
                dh = torch.addcmul(grad_h[t - 1], stay[t], dh, out=new_h[t - 1])
                _add_product(dh, flat, back)
        return tuple(found)

    @staticmethod
    def push(back: Tensor, gates: Tensor, rest: Tensors, changes: Tensors) -> Tensors:
        """As GruCell's: h and c."""
        (own_h, own_c), (f, into_c, stay), forth = changes, rest, back.mT
        u, v, found = torch.zeros_like(own_h[:, 0]), torch.zeros_like(own_h[:, 0]), []
        for t in range(own_h.shape[1]):
            moved = torch.bmm(u, forth).unflatten(-1, (4, -1)).mul_(gates[:, t])
            v = torch.addcmul(own_c[:, t] + moved[..., :3, :].sum(-2), f[:, t], v)
            u = torch.addcmul(torch.addcmul(own_h[:, t] + moved[..., 3, :], stay[:, t], u), into_c[:, t], v)
            found.append((u, v))
        return tuple(torch.stack(same, 1) for same in zip(*found, strict=True))

    @staticmethod
    def into_gates(grads: Tensors, gates: Tensor) -> Tensor:
        """Gradients of the gates (L, S, B, K, C): i, f, g move c, o moves h."""
        dh, dc = (grad.unsqueeze(-2) for grad in grads)
        return torch.cat([dc.expand(*dc.shape[:-2], 3, -1), dh], -2) * gates

    @staticmethod
    def of_rest(grads: Tensors, before: Tensors, changes: Tensors) -> Tensors:
        return grads[1] * before[1], grads[0] * changes[1], grads[0] * before[0]


Cell = type[GruCell] | type[LstmCell]


def unrolled(cell: Cell, read: Inputs) -> Tensors:
    """What `run` gives, step by step in operations that write to nothing: for torch.export."""
    given = cell.blind(read.given(), read.keep)
    state = (torch.zeros_like(read.x[:, 0]),) * (1 if cell is GruCell else 2)
    states = []
    for at, keep in zip(given.unbind(1), read.kept(), strict=True):
        state = cell.step(at, torch.baddbmm(read.state_bias, state[0], read.weight), keep, state)
        states.append(state)
    return tuple(torch.stack(same, 1) for same in zip(*states, strict=True))


def earlier(states: Tensor) -> Tensor:
    """Each step's state before it (L, S, B, C): zeros, then all but the last."""
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b; `baddbmm_` is not known to torch's counter of operations, this form is."""
    torch.baddbmm(total, a, b, out=total)
