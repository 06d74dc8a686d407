"""Checkpoints of meta-training: one safetensors file per seed run, written atomically.

The file holds the learner's state by tensor name. Its metadata entry "about" is JSON: iteration, seconds, the
order of the names, whether early stopping has ended training, and the devices that trained, if not the CPU.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from metanas.base import distributed, json_text
from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile, DataError
from metanas.base.seeding import generator
from metanas.method import Method, State


@dataclass(frozen=True)
class Trained:
    """A learner's state after `iteration` meta-iterations that took `seconds`.

    done: early stopping has ended training; the state is the best one on meta-validation. selected:
    `Method.select` has had its say. devices: those that trained it, by name, the first one first. A loaded
    state is on the CPU.
    """

    state: State
    iteration: int
    seconds: float
    done: bool = False
    selected: bool = False
    devices: tuple[str, ...] = ("cpu",)


def checkpoint(run: Path, seed: int, method: Method | None = None) -> Trained:
    """The checkpoint of a run and seed. DataError if it is missing, DamagedFile if it is damaged.

    method: whose state it must be (`check_fits`); None where a network of other domains takes a part of it.
    """
    path = run / f"seed{seed}" / "state.safetensors"
    trained = load(path)
    if trained is None:
        raise DataError(f"{run} has no checkpoint of seed {seed}: it was not trained, or deleted")
    if method is not None:
        check_fits(trained.state, method.start(generator(0, "start")), path)
    return trained


def check_fits(state: State, start: State, path: Path, *, whole: bool = True) -> None:
    """DamagedFile unless the state at `path` has the tensors of a method's `start`, in their shapes.

    A tensor that starts empty may have grown, such as the history of a search. whole: all of them; else only
    those that it has are looked at.
    """
    for name, tensor in start.items():
        found = tuple(state[name].shape) if name in state else None
        grown = found is not None and tensor.numel() == 0 and len(found) == tensor.dim()
        if found != tuple(tensor.shape) and not grown and (whole or found is not None):
            raise DamagedFile(
                f"the checkpoint {path} is not of this method and these settings: {name} "
                f"{'is missing' if found is None else f'has shape {found}'}, expected shape "
                f"{tuple(tensor.shape)}; delete it to start again"
            )


def load(path: Path) -> Trained | None:
    """The checkpoint at `path`, None if there is none. DamagedFile if it is damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(json_text.loads(file.metadata()["about"]))
            names = about.get("names") or file.keys()  # safetensors sorts; a method may rely on its order
            state = State({name: file.get_tensor(name) for name in names})
        flags = {name: bool(about.get(name, False)) for name in ("done", "selected")}
        devices = tuple(map(str, about.get("devices", ()))) or ("cpu",)
        iteration, seconds = int(about["iteration"]), float(about["seconds"])
        if iteration < 0 or not 0 <= seconds < math.inf:
            raise ValueError(f"iteration {iteration} after {seconds} seconds")
        return Trained(state, iteration, seconds, **flags, devices=devices)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"the checkpoint {path} is damaged ({error}); delete it to start again") from error


def save_checkpoint(path: Path, trained: Trained) -> None:
    """Write a checkpoint atomically; of several processes only the first one writes."""
    if distributed.rank() == 0:
        about = {"iteration": trained.iteration, "seconds": trained.seconds, "names": list(trained.state)}
        about |= {name: True for name in ("done", "selected") if getattr(trained, name)}
        about |= {"devices": trained.devices} if trained.devices != ("cpu",) else {}
        state = {name: t.cpu().contiguous() for name, t in trained.state.items()}
        write_atomically(path, save(state, {"about": json.dumps(about)}))
