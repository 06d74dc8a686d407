"""Small specs of every modality and random inputs for them, some padded where that can be."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from metanas.base.errors import InvalidValue
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.testing.check import NotApplicable

IMAGE = TaskSpec("tiny", "image", (1, 8, 8), 2)
TEXT = TaskSpec("text", "text", (11,), 2, 257)
SPEECH = TaskSpec("speech", "speech", (16, 20), 2)
SERIES = TaskSpec("series", "series", (3, 20), 2)
COLOUR = TaskSpec("colour", "image", (3, 9, 8), 3)
SPECS = (IMAGE, TEXT, SPEECH, SERIES)
NAN_PADDED = ("speech", "series")  # modalities whose padding is NaN, at the end


def inputs(spec: TaskSpec, count: int) -> Tensor:
    """Random inputs for a spec (count, *input_shape), the first one padded where that can be; float64."""
    g = generator(3, spec.name)
    if spec.modality == "text":
        x = torch.randint(1, spec.vocabulary, (count, *spec.input_shape), generator=g)
        x[0, 6:] = 0
        return x
    x = torch.randn(count, *spec.input_shape, generator=g, dtype=torch.float64)
    if spec.modality in NAN_PADDED:
        x[0, :, 9:] = torch.nan
    return x


def episodes(spec: TaskSpec, shots: int = 1) -> Episodes:
    """Two tasks of two ways, so many examples and two queries a class; float32."""

    def part(each: int) -> Batch:
        x = inputs(spec, 2 * 2 * each)
        x = (x if spec.modality == "text" else x.float()).unflatten(0, (2, -1))
        return Batch(x, torch.arange(2).repeat_interleave(each).repeat(2, 1))

    return Episodes(spec, part(shots), part(2), torch.tensor([[0, 1], [2, 3]]))


def taken(make: Callable[[TaskSpec], object], specs: Mapping[str, TaskSpec]) -> dict[str, TaskSpec]:
    """The specs for which `make` raises no InvalidValue, which is how a plug-in refuses a kind of input.

    NotApplicable if none is left.
    """
    found, reason = {}, ""
    for name, spec in specs.items():
        try:
            make(spec)
        except InvalidValue as error:
            reason = str(error)
        else:
            found[name] = spec
    if not found:
        raise NotApplicable(f"it takes none of {', '.join(specs)}: {reason}")
    return found
