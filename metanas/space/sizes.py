"""Sizes of feature maps, and the cost of what surrounds the layers: stem, exit and head. Torch-free.

A MAC is one multiply-accumulate of a convolution or a matrix product. The layers' own costs are in
`op_costs.py` for the built-in ops and in `metanas/models/macs.py` for all.
"""

from math import prod

from metanas.data.episode import Modality, TaskSpec
from metanas.space.architecture import Architecture
from metanas.space.space import SearchSpace

Size = tuple[int, int]  # rows and columns of a feature map

CELLS = 4  # cells in the grid of means that an exit takes of a feature map
HALVINGS = {
    "image": 2,
    "text": 1,
    "speech": 3,
    "series": 2,
}  # how often a convolutional stem halves both sides


def patch_of(modality: Modality, patch: int) -> int:
    """The side of a lean stem's patches: `patch` pixels or steps, twice so many bands and frames, a token."""
    return {"image": patch, "text": 1, "speech": 2 * patch, "series": patch}[modality]


def input_channels(spec: TaskSpec, channels: int) -> int:
    """Channels of the map that a stem reads; those of a text are the `channels` of its embedding."""
    return {"image": spec.input_shape[0], "text": channels, "speech": 1, "series": spec.input_shape[0]}[
        spec.modality
    ]


def reads_frames(spec: TaskSpec, frame: SearchSpace | Architecture) -> bool:
    """Whether a stem takes all bands of a frame as channels of a map of one row."""
    return frame.stem == "frames" and spec.modality == "speech"


def read_map(spec: TaskSpec, channels: int, *, frames: bool) -> tuple[int, Size]:
    """Channels and size of the map that a convolutional stem reads. frames: bands are channels."""
    size = _map_size(spec)
    return (size[0], (1, size[1])) if frames else (input_channels(spec, channels), size)


def halved(size: Size) -> Size:
    """Both sides of a feature map halved and rounded up."""
    return -(-size[0] // 2), -(-size[1] // 2)


def stem_macs(spec: TaskSpec, frame: SearchSpace | Architecture) -> tuple[int, Size]:
    """MACs of the stem of a space or an architecture, and the size of the feature map that it returns."""
    channels = frame.channels
    if frame.stem == "lean":
        return _lean_macs(spec, channels, patch_of(spec.modality, frame.patch))
    (inputs, size), total = read_map(spec, channels, frames=reads_frames(spec, frame)), 0
    for _ in range(HALVINGS[spec.modality]):
        taps = 3 if size[0] == 1 else 9  # on a map of one row the middle row of the kernel alone
        size = halved(size)
        total += channels * inputs * taps * prod(size)
        inputs = channels
    return total, size


def _map_size(spec: TaskSpec) -> Size:
    """Height and width of the map that a stem reads."""
    one_row = spec.modality in ("text", "series")
    return (1 if one_row else spec.input_shape[-2], spec.input_shape[-1])


def _lean_macs(spec: TaskSpec, channels: int, patch: int) -> tuple[int, Size]:
    if spec.modality == "text":
        return 0, (1, spec.input_shape[0])
    sides = (1 if spec.modality == "series" else patch, patch)
    height, width = (-(-size // side) for size, side in zip(_map_size(spec), sides, strict=True))
    inputs = input_channels(spec, channels)
    return channels * inputs * prod(sides) * height * width, (height, width)


def exit_macs(spec: TaskSpec, channels: int, size: Size) -> int:
    """MACs of the exit's grid of means: a matrix product where there may be padding, else 0."""
    if spec.modality == "image":
        return 0
    return channels * CELLS * size[1]


def head_macs(spec: TaskSpec, channels: int) -> int:
    """MACs of the classifier."""
    return spec.ways * CELLS * channels


def exit_parameters(channels: int) -> int:
    """Number of parameters of an exit: its scale and bias."""
    return 2 * CELLS * channels
