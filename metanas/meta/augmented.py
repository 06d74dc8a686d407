"""Augmentation that a method applies to its meta-training tasks itself, whatever the suite's options are."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metanas.base import philox
from metanas.data.augment import drawn, new_letters, new_voices, spec_augment
from metanas.data.episode import Batch, Episodes, Ints, TaskSpec


class Augmentation(NamedTuple):
    """Shares of meta-training tasks, in [0, 1]: of speech in new voices, of text with new letters.

    masks: the share of the tasks in new voices whose spectrograms are masked, too. bands, tempo: by what
    share new voices stretch bands and frames at most.
    """

    voices: float = 0.0
    letters: float = 0.0
    masks: float = 1.0
    bands: float = 0.1
    tempo: float = 0.1


def augmented(episodes: Episodes, shares: Augmentation, seed: int, iteration: int) -> Episodes:
    """Tasks of which some are changed, support and query set alike; labels stay.

    A pure function of (seed, iteration, domain, place of the task in the meta-batch): call it before tasks
    are shared between processes. Speech gets new voices and masks, each example its own (`new_voices`,
    `spec_augment`); text of byte tokens other letters, each task its own (`new_letters`).
    Images, series, word tokens and sounds that are no speech (`TaskSpec.spoken`) stay as they are.
    """
    spec, count = episodes.spec, len(episodes.support.y)
    if not (share := _share(spec, shares)):
        return episodes
    numbers = iteration * count + np.arange(count)
    address = ("augmented-v1", seed, spec.name)
    which = np.flatnonzero(drawn(philox.key(*address), numbers, share))
    if not len(which):
        return episodes
    x = torch.cat([episodes.support.x, episodes.query.x], 1)
    rows, numbers = torch.from_numpy(which).to(x.device), numbers[which]
    if spec.modality == "speech":
        changed = _spoken_by_others(x[rows], address, numbers, shares)
    else:
        changed = new_letters(x[rows], spec.vocabulary, philox.key(*address, "letters"), numbers)
    support, query = x.index_copy(0, rows, changed).tensor_split([episodes.support.y.shape[1]], 1)
    return Episodes(
        spec, Batch(support, episodes.support.y), Batch(query, episodes.query.y), episodes.classes
    )


def _spoken_by_others(x: Tensor, address: tuple[object, ...], numbers: Ints, shares: Augmentation) -> Tensor:
    """Spectrograms x (T, B, bands, frames) in other voices, and those of a share of the tasks masked."""
    x = new_voices(x, philox.key(*address, "voices"), numbers, shares.bands, shares.tempo)
    which = np.flatnonzero(drawn(philox.key(*address, "masked"), numbers, shares.masks))
    if not len(which):
        return x
    rows = torch.from_numpy(which).to(x.device)
    return x.index_copy(0, rows, spec_augment(x[rows], philox.key(*address, "masks"), numbers[which]))


def _share(spec: TaskSpec, shares: Augmentation) -> float:
    """The share of a domain's tasks that may be changed without changing what their labels mean."""
    if spec.modality == "speech" and spec.spoken:
        return shares.voices
    return shares.letters if spec.modality == "text" and not spec.lexicon else 0.0
