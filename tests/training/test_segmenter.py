"""The segmenter: arrays in, labels out; what cannot be fitted or predicted is refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from metastructure.data.folder import zscore
from metastructure.errors import DataError, RunError
from metastructure.networks import NetworkSpec, build_network
from metastructure.rng import derive_seed
from metastructure.training import Machine, PixelStore, TrainingSettings, train
from metastructure.training.plan import make_plan
from metastructure.training.segmenter import Segmenter
from metastructure.transition import TransitionMatrix

SMALL = {"name": "residual_unet", "settings": {"width": 4}}
SETTINGS = {"epochs": 3, "batch_size": 3, "crop_px": 32}


def _segmenter(**settings: object) -> Segmenter:
    return Segmenter(SMALL, device="cpu", threads=1, **{**SETTINGS, **settings})  # type: ignore[arg-type]


def _blobs(count: int, shape: tuple[int, ...] = (40, 48), dtype: type = np.uint16) -> tuple[list, list]:
    draw = np.random.default_rng(0)
    labels, images = [], []
    for _ in range(count):
        label = np.zeros(shape[:2], np.uint8)
        row, column = draw.integers(0, 20, 2)
        label[row : row + 16, column : column + 16] = 1
        bright = label[..., None] if len(shape) == 3 else label
        scale = 100 if dtype is np.uint16 else 1  # far beyond 8 bits
        images.append((scale * (60 + 120.0 * bright + draw.normal(0, 9, shape))).astype(dtype))
        labels.append(label)
    return images, labels


@pytest.fixture(scope="module")
def fitted() -> Segmenter:
    return _segmenter(epochs=25, learning_rate=0.02).fit(*_blobs(6))


def test_it_learns_16_bit_blobs_and_keeps_kinds_and_shapes(fitted: Segmenter) -> None:
    images, labels = _blobs(8)
    predicted = fitted.predict(images[6:])
    assert isinstance(predicted, list)
    for found, label in zip(predicted, labels[6:], strict=True):
        assert (found.dtype, found.shape) == (np.uint8, label.shape)
        assert (found == label).mean() > 0.97
    one = fitted.predict(images[6])
    np.testing.assert_array_equal(one, predicted[0])
    lazy = fitted.predict(iter(images[6:]))
    assert not isinstance(lazy, list)
    np.testing.assert_array_equal(next(lazy), predicted[0])


def test_labels_follow_the_probabilities(fitted: Segmenter) -> None:
    image = _blobs(1, (70, 200))[0][0]
    p_CHW = fitted.predict_probabilities(image, tile_px=64)
    assert (p_CHW.dtype, p_CHW.shape) == (np.float32, (2, 70, 200))
    np.testing.assert_allclose(p_CHW.sum(0), 1, atol=1e-6)
    label, again = fitted.predict_both(image, tile_px=64)
    np.testing.assert_array_equal(label, p_CHW[1] >= fitted.model.header.threshold)
    np.testing.assert_array_equal(again, p_CHW)
    np.testing.assert_array_equal(label, fitted.predict(image, tile_px=64))


@pytest.mark.parametrize("changes", [{"average": "ema"}, {"loss": "forward", "transition": "known"}])
def test_fit_is_the_plain_training_of_the_library(changes: dict[str, str]) -> None:
    images, labels = _blobs(4)
    noise = TransitionMatrix.symmetric(0.2, 2)
    found = _segmenter(**changes).fit(images, labels, transition=noise).model.network.state_dict()
    torch.manual_seed(derive_seed(0, "", "network"))
    network = build_network(NetworkSpec.model_validate(SMALL), 1, 2)
    store = PixelStore([zscore(image) for image in images], labels, 32)
    settings = TrainingSettings(**SETTINGS, **changes)  # type: ignore[arg-type]
    loss = make_plan(settings, labels, 2, noise).loss
    train(network, store, settings, seed=0, fabric=Machine(device="cpu", threads=1).fabric(), compute_loss=loss)
    assert all(torch.equal(value, found[name]) for name, value in network.state_dict().items())


def test_save_and_load_predict_the_same(fitted: Segmenter, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.pt")
    again = Segmenter.load(tmp_path / "model.pt", device="cpu", threads=1)
    image = _blobs(1)[0][0]
    np.testing.assert_array_equal(again.predict(image), fitted.predict(image))
    assert again.training == fitted.training
    assert again.seed == fitted.seed


def test_a_file_is_replaced_only_where_that_is_asked_for(fitted: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_text("mine")
    with pytest.raises(DataError, match=r"model\.pt: this file exists; .* overwrite=True"):
        fitted.save(path)
    assert path.read_text() == "mine"
    fitted.save(path, overwrite=True)
    assert Segmenter.load(path, device="cpu").model.fingerprint == fitted.model.fingerprint
    for overwrite in (False, True):
        with pytest.raises(DataError, match="this is a folder; name the model file"):
            fitted.save(tmp_path, overwrite=overwrite)
    assert [found.name for found in tmp_path.iterdir()] == ["model.pt"]


def test_labels_of_false_and_true_are_0_and_1() -> None:
    images, labels = _blobs(3)
    flags = [label == 1 for label in labels]
    numbers, truths = (
        _segmenter(target="density").fit(images, given, images[:1], given[:1]) for given in (labels, flags)
    )
    assert numbers.model.fingerprint == truths.model.fingerprint
    pairs = [list(zip(images, given, strict=True)) for given in (labels, flags)]
    assert numbers.evaluate(pairs[0]).dice == truths.evaluate(pairs[1]).dice


def test_masks_of_0_and_255_are_refused_and_ignore_beside_objects_is_not() -> None:
    images, labels = _blobs(2)
    masks = [255 * label for label in labels]
    with pytest.raises(ValueError, match=r"the labels hold only 0 and 255, and 255 means IGNORE.* `label == 255`"):
        _segmenter().fit(images, masks)
    _segmenter(epochs=1).fit(images, [mask == 255 for mask in masks])
    _segmenter(epochs=1).fit(images, [labels[0], masks[1]])


def test_validation_images_choose_the_threshold_of_two_classes() -> None:
    images, labels = _blobs(6)
    plain = _segmenter().fit(images, labels)
    tuned = _segmenter().fit(images, labels, images[:2], labels[:2])
    assert plain.model.header.threshold == 0.5
    assert tuned.model.header.threshold != 0.5
    pairs = list(zip(images[:2], labels[:2], strict=True))
    assert tuned.evaluate(pairs).image_dice.value >= plain.evaluate(pairs).image_dice.value


def test_colour_many_classes_and_class_names() -> None:
    images, labels = _blobs(4, (40, 48, 3), np.uint8)
    labels = [label + (label == 1) * (np.arange(48) > 20).astype(np.uint8) for label in labels]
    segmenter = Segmenter(SMALL, device="cpu", threads=1, class_names=["a", "b", "c"], **SETTINGS)  # type: ignore[arg-type]
    segmenter.fit(images, labels)
    assert segmenter.model.header.num_classes == 3
    assert segmenter.model.header.class_names == ("a", "b", "c")
    assert segmenter.predict(images[0]).max() <= 2


def test_known_noise_is_undone_past_the_singular_rate() -> None:
    images, labels = _blobs(6)
    flipped = [1 - label for label in labels]
    segmenter = _segmenter(epochs=25, learning_rate=0.02, transition="known")
    segmenter.fit(images, flipped, transition=TransitionMatrix([[0.0, 1.0], [1.0, 0.0]]))
    assert (segmenter.predict(images[0]) == labels[0]).mean() > 0.95


def test_a_class_that_was_never_seen_is_warned_of_and_has_no_score() -> None:
    images, labels = _blobs(4)
    with pytest.warns(UserWarning, match=r"no training label holds class 2; it will never be predicted rightly\."):
        segmenter = _segmenter().fit(images, labels, num_classes=3)
    truth = labels[0] * 2
    scores = segmenter.evaluate([(images[0], truth)])
    assert np.isnan(scores.classes[2].dice.value)
    assert not np.isnan(scores.classes[0].dice.value)


def test_a_constant_image_and_padding_are_fine() -> None:
    segmenter = _segmenter().fit([np.full((8, 9), 3.0), np.eye(40)], [np.zeros((8, 9), int), np.eye(40, dtype=int)])
    assert segmenter.predict(np.full((5, 3), 7)).shape == (5, 3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 1500), (1500, 1), (2, 700)])
def test_tiny_and_thin_images_keep_their_size(fitted: Segmenter, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    label, p_CHW = fitted.predict_both(image)
    assert (label.shape, p_CHW.shape) == (shape, (2, *shape))
    assert np.isfinite(p_CHW).all()


def test_four_channels_are_learnt_as_they_are() -> None:
    images, labels = _blobs(2, (40, 48, 4), np.uint8)
    segmenter = _segmenter(epochs=1).fit(images, labels)
    assert segmenter.model.header.num_channels == 4
    assert segmenter.predict(images[0]).shape == (40, 48)
    with pytest.raises(ValueError, match="image has 3 channels, but the network was fitted to 4; convert it"):
        segmenter.predict(images[0][..., :3])
    with pytest.raises(ValueError, match="image has 1 channel, but the network was fitted to 4"):
        segmenter.predict(images[0][..., 0])


def test_how_an_array_lies_in_memory_changes_nothing(fitted: Segmenter) -> None:
    image = _blobs(1)[0][0]
    locked = image.copy()
    locked.flags.writeable = False
    expected = fitted.predict(image)
    for same in (locked, np.asfortranarray(image), image.astype(">u2"), np.repeat(image, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(fitted.predict(same), expected)
    np.testing.assert_array_equal(fitted.predict(image[::-1, ::-1]), fitted.predict(image[::-1, ::-1].copy()))


def _with(value: float) -> np.ndarray:
    image = np.zeros((40, 48), np.float32)
    image[3, 4] = value
    return image


IMAGES, LABELS = _blobs(2)
WRONG = [
    ([IMAGES[0], _with(np.nan)], LABELS, ValueError, "image 1 holds NaN or infinite values"),
    ([IMAGES[0], _with(np.inf)], LABELS, ValueError, "image 1 holds NaN or infinite values"),
    ([IMAGES[0], 1e39 * np.eye(40, 48)], LABELS, ValueError, "image 1 holds NaN or infinite values .* beyond 3.4e38"),
    (IMAGES, LABELS[:1], ValueError, "one label an image, and at least one; got 2 images, 1 labels"),
    ([], [], ValueError, "at least one"),
    (IMAGES, [LABELS[0], LABELS[1].T], ValueError, "image 1 is 40 x 48 pixels but its label is 48 x 40"),
    ([IMAGES[0], np.zeros((40, 48, 3))], LABELS, ValueError, "image 1 has 3 channels, the ones before 1"),
    (IMAGES, [np.full((40, 48), 255, np.uint8)] * 2, ValueError, "every training pixel is IGNORE"),
    (IMAGES, [LABELS[0], LABELS[1] * 1.0], TypeError, "the label of image 1 must hold integer classes"),
    (IMAGES, [LABELS[0], LABELS[1] * 7], ValueError, "the label of image 1 holds class 7"),
    (IMAGES[0], LABELS[0], ValueError, "image 0 must be .* Give several images as a list"),
    ([["a"], IMAGES[1]], LABELS, TypeError, "image 0 must be a numpy array of numbers; got list"),
    ("images", LABELS, TypeError, "images must be a list of arrays, .* got str.* with train_folder"),
    (IMAGES, Path("labels"), TypeError, "labels must be a list of arrays, .* got PosixPath"),
    (iter(IMAGES), LABELS, TypeError, "images must be a list of arrays, .* got list_iterator"),
    (IMAGES, 5, TypeError, "labels must be a list of arrays, .* got int"),
]


@pytest.mark.parametrize(("images", "labels", "kind", "message"), WRONG)
def test_what_cannot_be_fitted_is_refused_by_name(images: list, labels: list, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        _segmenter().fit(images, labels, num_classes=2)


def test_what_cannot_be_predicted_is_refused_by_name(fitted: Segmenter) -> None:
    with pytest.raises(ValueError, match="image 1 has 3 channels, but the network was fitted to 1"):
        fitted.predict([IMAGES[0], np.zeros((9, 9, 3))])
    with pytest.raises(ValueError, match="image: the image holds NaN"):
        fitted.predict(_with(np.nan))
    with pytest.raises(ValueError, match=r"image: the image holds NaN or infinite values .* beyond 3\.4e38"):
        fitted.predict(1e39 * np.eye(40, 48))
    with pytest.raises(ValueError, match="multiple of 32"):
        fitted.predict(IMAGES[0], tile_px=65)
    for images in (IMAGES[0], IMAGES, iter(IMAGES)):
        with pytest.raises(RunError, match="not fitted yet; call fit first"):
            _segmenter().predict(images)


@pytest.mark.parametrize("verb", ["predict", "predict_probabilities"])
def test_what_is_no_image_is_refused_at_once(fitted: Segmenter, verb: str) -> None:
    for path in ("a.png", Path("a.png")):
        with pytest.raises(TypeError, match=r"takes arrays, not paths; give load_image\(.*a\.png.*, or use predict_f"):
            getattr(fitted, verb)(path)
    for other, kind in ((5, "int"), (None, "NoneType"), ({0: IMAGES[0]}, "dict"), (torch.zeros(4, 4), "Tensor")):
        with pytest.raises(TypeError, match=f"an array, a list of arrays, or an iterator; got {kind}"):
            getattr(fitted, verb)(other)
    with pytest.raises(TypeError, match="image 1 must be a numpy array of numbers; got str"):
        getattr(fitted, verb)([IMAGES[0], "a.png"])
    with pytest.raises(TypeError, match="image must be a numpy array of numbers; got str"):
        fitted.predict_both("a.png")  # type: ignore[arg-type]


def test_settings_are_checked_when_they_are_given() -> None:
    with pytest.raises(TypeError, match=r"Unknown setting 'epoch'; known: epochs, "):
        Segmenter(epoch=3)
    with pytest.raises(TypeError, match="not both"):
        Segmenter(training=TrainingSettings(), epochs=3)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        Segmenter(seed=-1)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"network": "nothing"}, ValueError, "unknown network 'nothing'; known: residual_unet, unet, deeplab, hrnet."),
        ({"network": {"nme": "unet"}}, ValueError, "unknown key 'nme'; known keys: name, factory, settings, stride."),
        ({"network": 5}, TypeError, "network must be a name, a mapping or a NetworkSpec; got int."),
        ({"network": torch.nn.ReLU()}, TypeError, "got ReLU. Name a network of your own by its import path"),
        ({"training": {"epochs": 3}}, TypeError, "training must be TrainingSettings; got dict."),
        ({"epochs": 0}, ValueError, "epochs: input should be greater than or equal to 1."),
        ({"loss": "gcee"}, ValueError, "loss: loss 'gcee': unknown loss 'gcee'; did you mean 'gce'?"),
        ({"device": "gpu"}, ValueError, "device: input should be 'auto', 'cpu' or 'cuda'."),
        ({"threads": 0}, ValueError, "threads: input should be greater than or equal to 1."),
        ({"seed": 1.5}, TypeError, "seed must be an integer; got 1.5."),
        ({"class_names": "ab"}, TypeError, "class_names must be a list of names; got the text 'ab'."),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(options: dict[str, object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        Segmenter(**options)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
