"""Methods may change their meta-training tasks: other voices, other letters, and nothing else."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from metanas.base import philox
from metanas.data.adapter import DOMAINS
from metanas.data.augment import drawn, new_letters, new_voices
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.augmented import Augmentation, augmented

SPEECH = TaskSpec("sounds", "speech", (8, 12), 2)
TEXT = TaskSpec("texts", "text", (10,), 2, vocabulary=30)
NUMBERS = np.array([3, 8])


def speech() -> torch.Tensor:
    """(2, 4, 8, 12), of which the last frames are padding."""
    x = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 1::2, :, 9:] = torch.nan
    return x


def text() -> torch.Tensor:
    """(2, 4, 10) token ids, padded with 0."""
    x = torch.randint(1, 30, (2, 4, 10), generator=torch.Generator().manual_seed(0))
    x[:, 1::2, 7:] = 0
    return x


def task(spec: TaskSpec, x: torch.Tensor) -> Episodes:
    y = torch.tensor([[0, 1], [1, 0]])
    return Episodes(spec, Batch(x[:, :2], y), Batch(x[:, 2:], y))


def test_voices_are_stretched_as_an_independent_interpolation_says() -> None:
    x, key = speech(), 5
    found = new_voices(x, key, NUMBERS, 0.2, 0.25)
    for task_number, number in enumerate(NUMBERS):
        bits = philox.words(key, number * 4 + np.arange(4), 2) / 2.0**32
        for example, (voice, tempo) in enumerate(1 + (2 * bits - 1) * [0.2, 0.25]):
            spectrogram = x[task_number, example].numpy()
            length = 9 if example % 2 else 12
            bands = np.clip((np.arange(8) + 0.5) * voice - 0.5, 0, 7)
            at = (np.arange(12) + 0.5) * tempo - 0.5
            read = RegularGridInterpolator((np.arange(8), np.arange(12)), np.nan_to_num(spectrogram))
            wanted = read(np.stack(np.meshgrid(bands, np.clip(at, 0, 11), indexing="ij"), -1))
            present = np.rint(at) < length
            assert np.array_equal(~np.isnan(found[task_number, example, 0].numpy()), present)
            np.testing.assert_allclose(
                found[task_number, example][:, present], wanted[:, present], atol=1e-12
            )


def test_without_stretching_nothing_changes() -> None:
    torch.testing.assert_close(new_voices(speech(), 5, NUMBERS, 0.0, 0.0), speech(), equal_nan=True)


def test_letters_are_exchanged_within_a_task() -> None:
    x = text()
    found = new_letters(x, 30, 7, NUMBERS)
    for before, after in zip(x, found, strict=True):
        pairs = set(zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}), "one to one"
        assert (0, 0) in pairs and after.max() < 30
    assert not torch.equal(found, x)
    alone = new_letters(x[1:], 30, 7, NUMBERS[1:])
    assert torch.equal(alone, found[1:]), "a task's letters do not depend on the other tasks"


@pytest.mark.parametrize("spec,x", [(SPEECH, speech()), (TEXT, text())], ids=["speech", "text"])
def test_a_task_is_a_function_of_its_address(spec: TaskSpec, x: torch.Tensor) -> None:
    shares = Augmentation(voices=1.0, letters=1.0)
    a, b = (augmented(task(spec, x), shares, 1, 2) for _ in range(2))
    torch.testing.assert_close(a.query.x, b.query.x, equal_nan=True)
    assert torch.equal(a.support.y, task(spec, x).support.y)
    for seed, iteration in ((2, 2), (1, 3)):
        other = augmented(task(spec, x), shares, seed, iteration)
        assert not torch.equal(other.query.x.nan_to_num(), a.query.x.nan_to_num())
    assert not torch.equal(a.support.x.nan_to_num(), x[:, :2].nan_to_num())


def test_text_of_one_task_has_the_same_letters_in_support_and_query() -> None:
    same = text()[:, :2].repeat(1, 2, 1)
    found = augmented(task(TEXT, same), Augmentation(letters=1.0), 1, 2)
    assert torch.equal(found.support.x, found.query.x)


def test_tasks_in_other_voices_are_masked_or_not() -> None:
    x = speech()
    plain, masked = (augmented(task(SPEECH, x), Augmentation(1.0, masks=m), 1, 2).query.x for m in (0.0, 1.0))
    hidden = (masked == 0) & (plain != 0)
    assert hidden.any() and torch.equal(plain[~hidden].nan_to_num(), masked[~hidden].nan_to_num())
    count = 0
    for iteration in range(200):
        a, b = (augmented(task(SPEECH, x), Augmentation(1.0, masks=m), 1, iteration) for m in (0.0, 0.5))
        count += int((a.query.x.nan_to_num() != b.query.x.nan_to_num()).flatten(1).any(1).sum())
    assert 140 <= count <= 260, "half of 400 tasks, but for masks of no width"


def test_a_share_of_the_tasks_is_changed() -> None:
    x = text()
    changed = 0
    for iteration in range(200):
        found = augmented(task(TEXT, x), Augmentation(letters=0.25), 1, iteration)
        changed += int((found.query.x != x[:, 2:]).flatten(1).any(1).sum())
    assert 70 <= changed <= 130, "a quarter of 400 tasks, three standard deviations and more"
    assert drawn(1, np.arange(10), 1.0).all() and not drawn(1, np.arange(10), 0.0).any()


@pytest.mark.parametrize(
    "spec,shape",
    [
        (TaskSpec("pictures", "image", (1, 8, 12), 2), (2, 4, 1, 8, 12)),
        (TaskSpec("series", "series", (3, 12), 2), (2, 4, 3, 12)),
        (TaskSpec("words", "text", (10,), 2, vocabulary=30, lexicon="words"), (2, 4, 10)),
        (TaskSpec("tones", "speech", (8, 12), 2, spoken=False), (2, 4, 8, 12)),
    ],
    ids=["image", "series", "words", "tones"],
)
def test_other_inputs_stay(spec: TaskSpec, shape: tuple[int, ...]) -> None:
    episodes = task(spec, torch.ones(shape, dtype=torch.int64 if spec.vocabulary else torch.float32))
    assert augmented(episodes, Augmentation(1.0, 1.0), 1, 2) is episodes


@pytest.mark.parametrize(
    "name,spoken", [("spoken-words", True), ("planted-beep", False), ("planted-tune", False)]
)
def test_tones_are_not_spoken(name: str, spoken: bool) -> None:
    """The class of a tone is its beat or pitch, which another voice or tempo would change."""
    assert DOMAINS[name].spoken is spoken
