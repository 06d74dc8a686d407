"""Images in meta-training may be changed: each by itself, always in the same way, and nowhere else."""

import sys

import numpy as np
import pytest
import torch

from metanas.base.errors import InvalidValue
from metanas.data.augment import IMAGE_CHANGES, augment_images
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.suite import DomainOptions, load_suite

pytest.importorskip("torchvision")
SHAPE = EpisodeShape(5, 1, 3)
X = torch.randint(0, 256, (2, 3, 3, 16, 12), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize("change", IMAGE_CHANGES)
def test_each_change_is_a_function_of_its_address(change: str) -> None:
    before = torch.random.get_rng_state()
    a = augment_images(X, (change,), 7, np.array([0, 5]))
    assert torch.equal(torch.random.get_rng_state(), before), "torch's own stream is left as it was"
    assert a.shape == X.shape and a.dtype == torch.uint8 and not torch.equal(a, X)
    torch.manual_seed(99)
    swapped = augment_images(X.flip(0), (change,), 7, np.array([5, 0])).flip(0)
    assert torch.equal(swapped, a)
    assert not torch.equal(augment_images(X, (change,), 8, np.array([0, 5])), a)


def test_grey_images_are_changed_too() -> None:
    grey = X[:, :, :1]
    for change in IMAGE_CHANGES:
        assert augment_images(grey, (change,), 7, np.array([0, 1])).shape == grey.shape


def test_it_is_for_meta_training_only() -> None:
    options = DomainOptions(augment=("crop", "rotate"))
    plain, changed = Domain.open("digits"), Domain.open("digits", None, options)
    for ids in ([0, 1], [7]):
        a, b = (d.episodes("test", SHAPE, 0, ids) for d in (plain, changed))
        assert torch.equal(a.support.x, b.support.x) and torch.equal(a.query.x, b.query.x)
    a, b = (d.episodes("train", EpisodeShape(2, 1, 3), 0, [0, 1]) for d in (plain, changed))
    assert torch.equal(a.query.y, b.query.y) and not torch.equal(a.query.x, b.query.x)
    again = changed.episodes("train", EpisodeShape(2, 1, 3), 0, [1])
    assert torch.equal(again.query.x[0], b.query.x[1])
    assert b.query.x.mean().abs() < 1, "normalised afterwards"


def test_it_is_an_option_that_changes_the_name_of_a_suite() -> None:
    suite = load_suite("mini-v1")
    options = {**suite.options, "digits": DomainOptions.model_validate({"augment": ["crop"]})}
    changed = suite.model_copy(update={"options": options})
    assert changed.label == "mini-v1 (changed)" and changed.of("digits").augment == ("crop",)
    with pytest.raises(ValueError, match="'crop', 'flip', 'rotate', 'colour' or 'erase'"):
        DomainOptions.model_validate({"augment": ["shear"]})


def test_what_does_not_fit_says_so() -> None:
    with pytest.raises(InvalidValue, match="langid: augment is of speech and images, and this is text"):
        Domain.open("langid", None, DomainOptions(augment=True))
    with pytest.raises(InvalidValue, match="spoken-words: crop, flip, ... are of images; of speech, set"):
        Domain.open("spoken-words", None, DomainOptions(augment=("crop",)))


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from metanas.base import extras

    monkeypatch.setitem(sys.modules, "torchvision.transforms", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        augment_images(X, ("crop",), 7, np.array([0, 1]))
    assert "data" in str(extras.missing(caught.value))
