"""Backbones: networks whose weights were learned elsewhere and come from a file or a package, frozen or not.

A backbone is a subclass of `Pretrained` that makes its encoder with the weights in it, registered like any
network; a package of yours adds it through the entry point `metanas.networks`. `examples/backbones` has one
for images and one for text.

    metanas run --method protonet --suite mini-v1 --domains digits \
        --set network.kind=resnet18 --set network.weights=resnet18.pth

The SHA-256 of the weights is a setting of the run, `network.weights_sha256`. Results with it are in a
division of their own, "external pre-training": they are upper references, and never ranked with methods that
saw the meta-train classes alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from metanas.base.errors import DataError, InvalidValue
from metanas.data.episode import Modality, TaskSpec
from metanas.models.network import Head, Network
from metanas.params import Params
from metanas.space.network_config import NetworkConfig


class Pretrained(Network):
    """Features of an encoder from elsewhere, and a linear head of zeros for each number of ways.

    A subclass gives `modality` and `encoder`, and may say in `prepared` how inputs become those of its
    encoder. With `network.frozen` (the default) the encoder is no part of the learner's state: methods train
    and adapt the heads alone, and read its features. Otherwise its weights are what meta-training starts
    from. Its statistics of batch norms are the stored ones either way. InvalidValue for other inputs;
    DataError if the weights are not those that `network.weights_sha256` names.
    """

    modality: ClassVar[Modality]
    shares_gradients = False  # torch's layer norm, which encoders of others mostly have, loses a term there

    def __init__(self, specs: Sequence[TaskSpec], config: NetworkConfig) -> None:
        super().__init__()
        for spec in specs:
            if spec.modality != self.modality:
                raise InvalidValue(
                    f"{config.kind} takes {self.modality}, and {spec.name} is {spec.modality}; choose "
                    "domains with --domains"
                )
        self.body = self.encoder(config).eval()
        self.weights_sha256 = sha256_of(self.body)
        if config.weights_sha256 not in ("", self.weights_sha256):
            raise DataError(
                f"network.weights: those of {config.weights or config.kind} have SHA-256 "
                f"{self.weights_sha256}, and this run has network.weights_sha256 {config.weights_sha256}"
            )
        self.given = {f"body.{name}": p.detach().clone() for name, p in self.body.named_parameters()}
        self.frozen = config.frozen
        if config.frozen:
            freeze(self.body)
        sizes = {(spec.ways, self._size(spec)) for spec in specs}
        self.heads = nn.ModuleDict({f"ways{n}x{size}": Head(size, n) for n, size in sorted(sizes)})

    @classmethod
    def encoder(cls, config: NetworkConfig) -> nn.Module:
        """The encoder with its weights in it: `prepared` inputs to features (B, F).

        config: `weights` is what the user gave, mostly a file (`fill`); `width` and `depth` are free to use.
        DataError for weights that do not fit.
        """
        raise NotImplementedError

    def prepared(self, x: Tensor) -> Tensor:
        """Inputs (B, *input_shape) of a domain as the encoder takes them; as here, unchanged.

        Images and spectrograms are normalised by the domain, text is token ids (bytes: 1 to 256; 0 padding).
        """
        return x

    @classmethod
    def weights_hash(cls, config: NetworkConfig) -> str:
        """SHA-256 of the weights that `encoder` gives, by which runs with them are told apart."""
        return sha256_of(cls.encoder(config))

    @property
    def frozen_parameters(self) -> int:
        """Number of weights that are no part of the learner's state."""
        return sum(t.numel() for t in self.given.values()) if self.frozen else 0

    def init(self, generator: torch.Generator) -> Params:
        """Heads of zeros and, unless it is frozen, the encoder's weights as they came."""
        weights = super().init(generator).weights
        return Params({name: self.given.get(name, t).clone() for name, t in weights.items()}, {})

    def forward(self, x: Tensor, arch: Mapping[str, Tensor], spec: TaskSpec, *, head: bool = True) -> Tensor:
        """x (B, *input_shape) to logits (B, ways), or without the head to features (B, F).

        `arch` is not used.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features: Tensor = self.body(self.prepared(x))
        return self.heads[f"ways{spec.ways}x{features.shape[1]}"](features) if head else features

    @torch.no_grad()
    def _size(self, spec: TaskSpec) -> int:
        """F, from one input."""
        x = torch.zeros(1, *spec.input_shape, dtype=torch.int64 if spec.modality == "text" else torch.float32)
        return int(self.body(self.prepared(x)).shape[1])


def freeze(module: nn.Module) -> None:
    """Make buffers of all parameters of a module: they follow it to a device and are never trained."""
    for part in module.modules():
        for name, p in list(part._parameters.items()):
            if p is not None:
                del part._parameters[name]
                part.register_buffer(name, p.detach())


def sha256_of(module: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers: names, types, shapes and bytes, sorted by name."""
    sha = hashlib.sha256()
    for name, t in sorted(module.state_dict().items()):
        sha.update(f"{name} {t.dtype} {tuple(t.shape)} ".encode())
        sha.update(t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def fill(module: nn.Module, config: NetworkConfig, *, leave_out: str = "") -> nn.Module:
    """The module with the weights of the file that `config.weights` names.

    The file is a state dict, .safetensors or what torch.save wrote; it is read without running code. Names
    that begin with `leave_out`, as a classifier's, are passed over. InvalidValue if no file is named,
    DataError if it cannot be read or does not fit.
    """
    if not config.weights:
        raise InvalidValue(
            f"{config.kind} needs a file of weights: --set network.weights=FILE (.safetensors, .pt or .pth)"
        )
    path = Path(config.weights).expanduser()
    found = {n: t for n, t in _read(path).items() if not (leave_out and n.startswith(leave_out))}
    wanted = module.state_dict()
    if odd := sorted(found.keys() ^ wanted.keys()):
        where = "is not in it" if odd[0] in wanted else f"is no weight of {config.kind}"
        raise DataError(f"{path} does not fit {config.kind}: {odd[0]} {where} ({len(odd)} such names)")
    for name, t in wanted.items():
        if found[name].shape != t.shape:
            raise DataError(
                f"{path} does not fit {config.kind}: {name} has shape {tuple(found[name].shape)}, expected "
                f"{tuple(t.shape)}"
            )
    module.load_state_dict(found)
    return module


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. DataError."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"network.weights: {path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, RuntimeError, ValueError, EOFError, KeyError, IndexError) as error:
        raise DataError(f"network.weights: {path} is damaged: {' '.join(str(error).split())}") from error
    except Exception as error:  # pickle's own errors, of any kind
        raise DataError(
            f"network.weights: {path} is no state dict of tensors alone: {' '.join(str(error).split()):.200}"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise DataError(f"network.weights: {path} holds no state dict; save module.state_dict()")
    return content
