"""The pixel store against slow crops in numpy: every crop is a turned window of its image, labels in register."""

import numpy as np
import pytest
import torch

from metastructure.label import IGNORE
from metastructure.training import PixelStore
from metastructure.training.batches import count_batches

SIZE = 8


def _store(shapes: list[tuple[int, int]], channels: int = 2) -> tuple[PixelStore, list[np.ndarray]]:
    """Images in which every pixel has a number of its own, and labels that follow from it."""
    images, labels, start = [], [], 0
    for height, width in shapes:
        ramp = np.arange(start, start + height * width, dtype=np.float32).reshape(height, width)
        images.append(np.stack([ramp, -ramp][:channels]))
        labels.append((ramp.astype(np.int64) % 3).astype(np.uint8))
        start += height * width
    return PixelStore(images, labels, SIZE), [image[0] for image in images]


def _windows(image: np.ndarray) -> set[bytes]:
    """All windows of an image in all eight orientations."""
    found = set()
    for row in range(image.shape[0] - SIZE + 1):
        for column in range(image.shape[1] - SIZE + 1):
            window = image[row : row + SIZE, column : column + SIZE]
            for flipped in (window, window.T):
                found |= {np.rot90(flipped, turn).tobytes() for turn in range(4)}
    return found


def test_every_crop_is_a_turned_window_of_its_own_image() -> None:
    store, images = _store([(11, 9), (8, 8), (10, 20)])
    members = torch.tensor([0, 1, 2] * 30)
    crops, labels = store.crops(members, torch.Generator().manual_seed(0), augment="dihedral")
    assert crops.shape == (90, 2, SIZE, SIZE)
    allowed = [_windows(image) for image in images]
    for member, crop, label in zip(members.tolist(), crops, labels, strict=True):
        assert crop[0].contiguous().numpy().tobytes() in allowed[member]
        torch.testing.assert_close(crop[1], -crop[0])
        torch.testing.assert_close(label, crop[0].long() % 3)


def test_all_eight_orientations_and_all_offsets_come_up() -> None:
    store, (image,) = _store([(9, 9)])
    crops, _ = store.crops(torch.zeros(2000, dtype=torch.long), torch.Generator().manual_seed(0), augment="dihedral")
    seen = {crop[0].contiguous().numpy().tobytes() for crop in crops}
    assert seen == _windows(image)  # 4 offsets x 8 orientations; missing one of 32 in 2000 draws: 1e-26


def test_without_augmentation_crops_are_upright() -> None:
    store, (image,) = _store([(12, 10)])
    crops, _ = store.crops(torch.zeros(50, dtype=torch.long), torch.Generator().manual_seed(0), augment="none")
    for crop in crops:
        row, column = divmod(int(crop[0, 0, 0]), 10)
        np.testing.assert_array_equal(crop[0].numpy(), image[row : row + SIZE, column : column + SIZE])


def test_a_mirrored_crop_keeps_its_up_side() -> None:
    store, (image,) = _store([(8, 8)])
    crops, _ = store.crops(torch.zeros(50, dtype=torch.long), torch.Generator().manual_seed(0), augment="mirror")
    seen = {crop[0].contiguous().numpy().tobytes() for crop in crops}
    assert seen == {image.tobytes(), np.ascontiguousarray(image[:, ::-1]).tobytes()}


def test_small_images_are_padded_and_their_padding_is_ignored() -> None:
    store, _ = _store([(5, 20)])
    crops, labels = store.crops(torch.zeros(20, dtype=torch.long), torch.Generator().manual_seed(0), augment="none")
    assert (labels[:, 5:] == IGNORE).all()
    assert (labels[:, :5] != IGNORE).all()
    np.testing.assert_array_equal(crops[0, 0, 5].numpy(), crops[0, 0, 3].numpy())  # reflection about row 4
    one, _ = _store([(1, 1)])
    assert torch.isfinite(one.crops(torch.tensor([0]), torch.Generator(), augment="dihedral")[0]).all()


def test_an_epoch_visits_every_image_equally_often_and_depends_on_seed_and_number_alone() -> None:
    store, _ = _store([(8, 8)] * 7, channels=1)
    first = [batch[0] for batch in store.epoch(3, 5, 4, 2, augment="dihedral")]
    again = [batch[0] for batch in store.epoch(3, 5, 4, 2, augment="dihedral")]
    other = [batch[0] for batch in store.epoch(4, 5, 4, 2, augment="dihedral")]
    assert [len(batch) for batch in first] == [4, 4, 4, 2]
    assert len(first) == count_batches(7, 4, 2)
    smallest = torch.cat(first).amin((1, 2, 3)).div(64).floor().long()
    assert torch.bincount(smallest, minlength=7).tolist() == [2] * 7
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_labels_and_images_must_pair() -> None:
    with pytest.raises(ValueError, match="one label an image"):
        PixelStore([np.zeros((1, 8, 8), np.float32)], [], SIZE)
    with pytest.raises(ValueError, match="size of its image"):
        PixelStore([np.zeros((1, 9, 8), np.float32)], [np.zeros((8, 9), np.uint8)], SIZE)


def test_labels_can_be_replaced() -> None:
    store, _ = _store([(5, 20), (9, 9)])
    store.replace_labels([np.full((5, 20), 2, np.int32), np.full((9, 9), 1, np.int32)])
    _, labels = store.crops(torch.tensor([0, 1]), torch.Generator(), augment="none")
    assert labels[0].unique().tolist() == [2, IGNORE]
    assert labels[1].unique().tolist() == [1]
