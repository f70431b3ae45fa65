"""The bias of boundaries: exact pictures, displaced labels, contrasts of every kind, and images that say nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from metastructure.audit.boundary_bias import BoundaryBias, _pooled_profile, estimate_boundary_bias
from metastructure.audit.edge_profile import EdgeSums, align, depths_px, edge_sums, peak_px, slopes
from metastructure.audit.label_band import label_band
from metastructure.audit.speckle import remove_speckle
from metastructure.data import load_image, load_label
from metastructure.data.synthetic import generate
from metastructure.label import IGNORE
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator

SIZE = 96


def disc(radius_px, centre=(SIZE / 2, SIZE / 2), size=SIZE):
    row, column = np.indices((size, size))
    return (np.hypot(row - centre[0], column - centre[1]) < radius_px).astype(np.uint8)


def picture(radius_px, low=40.0, high=160.0, noise=3.0):
    """A blurred disc with an exact edge and some noise, and the label of that edge."""
    row, column = np.indices((SIZE, SIZE)) - SIZE / 2
    sharp = np.clip(radius_px - np.hypot(row, column) + 0.5, 0, 1)
    light = low + (high - low) * ndimage.gaussian_filter(sharp, 1.2)
    return light + noise * generator(0, str(radius_px), "noise").normal(size=light.shape)


def bias(images, labels, num_classes=None, **settings) -> BoundaryBias:
    return estimate_boundary_bias(images, labels, generator(0), num_classes, **{"num_resamples": 60} | settings)


def shift(image, label, **settings):
    return bias([image], [label], **settings).shift_px.value


def pictures(kind, num, size=128):
    return [generate(kind, seed=11, index=i, height=size, width=size) for i in range(num)]


class TestBand:
    def test_distance_counts_half_pixels_and_points_into_the_higher_class(self):
        label = np.array([[2, 2, 2, 2, 0, 0, 0, 0]] * 9)
        band = label_band(label, 3, 2)
        middle = band.place // 8 == 4
        assert (band.place[middle] % 8).tolist() == [2, 3, 4, 5]
        assert band.depth_px[middle].tolist() == [1.5, 0.5, -0.5, -1.5]
        assert band.inward[middle].tolist() == [[0, -1]] * 4
        assert (band.pair == 0 * 3 + 2).all()

    def test_distances_are_those_to_the_nearest_other_class(self):
        label = corrupt(pictures("street", 1, 48)[0][1], parse_noise("clean"), seed=0, item="a")
        band = label_band(label, 8, 5)
        places = np.argwhere(np.ones(label.shape, bool))
        for index in range(0, len(band.place), 29):
            here = np.array(np.unravel_index(band.place[index], label.shape))
            own = label[tuple(here)]
            away = np.hypot(*(places - here).T)
            other = label.reshape(-1) != own
            assert abs(band.depth_px[index]) == pytest.approx(away[other].min() - 0.5)
            nearest = label.reshape(-1)[other & (away == away[other].min())]
            assert {int(band.pair[index]) // 8, int(band.pair[index]) % 8} & set(nearest.tolist())
            assert (band.depth_px[index] > 0) == (own == band.pair[index] % 8)

    def test_a_pixel_nearer_to_the_unknown_than_to_the_boundary_is_left_out(self):
        label = np.array([[0] * 6 + [1] * 6] * 9, dtype=np.uint8)
        label[:, 9:] = IGNORE
        inside = {int(place) % 12 for place in label_band(label, 2, 5).place if place // 12 == 4}
        assert inside == {3, 4, 5, 6, 7}  # 8 is 0.5 px from IGNORE, 2.5 from the boundary; 2 is 2.5 and 3.5 px off

    def test_the_middle_between_two_boundaries_has_no_inward(self):
        label = np.array([[0] * 5 + [1] * 5 + [0] * 5] * 15)
        columns = {int(place) % 15 for place in label_band(label, 2, 4).place if place // 15 == 7}
        assert 7 not in columns
        assert {5, 6, 8, 9} <= columns

    def test_single_pixels_have_no_inside(self):
        label = np.zeros((15, 15), int)
        label[3, 3] = 1
        assert label_band(label, 2, 4).place.size == 0
        label[8:13, 5:12] = 1
        row, column = np.divmod(label_band(label, 2, 4).place, 15)
        assert np.hypot(row - 3, column - 3).min() > 3  # nearer to the single pixel than to the object


class TestProfile:
    def test_the_parabola_of_an_asymmetric_peak(self):
        values = np.array([0.0, 1.0, 5.0, 3.0, 0.0])  # vertex at 0 + 0.5 (1 - 3) / (2 (1 - 10 + 3)) = 1/12
        assert peak_px(values, 1) == (pytest.approx(1 / 12), False)

    def test_a_ramp_rises_by_its_slope_at_every_depth(self):
        label = np.array([[0] * 20 + [1] * 20] * 30)
        image = 7.0 * np.arange(40) * np.ones((30, 1))
        band = label_band(label, 2, 4)
        (sums,) = edge_sums(slopes(image), band, np.unique(band.pair), 4)
        mean = sums.rise.sum(axis=(0, 1)) / np.maximum(sums.pixels.sum(axis=(0, 1)), 1)
        known = sums.pixels.sum(axis=(0, 1)) > 0
        np.testing.assert_allclose(mean[known], 7.0)
        assert depths_px(4)[known].tolist() == [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]

    def test_moving_back_shifts_each_direction_by_its_part(self):
        rise = np.zeros((16, 9))
        rise[0, 2] = rise[8, 6] = 1.0  # inward down: edge at -1; inward up: at +1. So the label is moved down by 1
        aligned = align(EdgeSums(rise, np.abs(rise)), np.array([[0, 0], [1, 0], [0, 1]]))
        assert aligned.rise[1].tolist() == [0, 0, 0, 0, 2, 0, 0, 0, 0]
        assert aligned.rise[0].tolist() == aligned.rise[2].tolist() == [0, 0, 1, 0, 0, 0, 1, 0, 0]


class TestExact:
    @pytest.mark.parametrize("radius_px", [16.0, 18.0, 20.0, 22.0, 24.0])
    def test_a_disc_drawn_too_large_or_too_small(self, radius_px):
        assert shift(picture(20), disc(radius_px)) == pytest.approx(radius_px - 20, abs=0.3)

    def test_fractions_of_a_pixel(self):
        """A straight slanted boundary: no curvature, and every fraction of a pixel occurs along it."""
        row, column = np.indices((120, 120)) - 60
        across = row * np.sin(0.3) + column * np.cos(0.3)
        image = ndimage.gaussian_filter(np.clip(across + 0.5, 0, 1), 1.2) * 100
        for moved in (-1.25, -0.5, 0.25, 0.75, 2.5):
            assert shift(image, (across > -moved).astype(np.uint8)) == pytest.approx(moved, abs=0.15)

    @pytest.mark.parametrize("kind", ["nuc", "er", "mito"])
    @pytest.mark.parametrize("spec", ["clean", "dilate:1", "dilate:3", "erode:1", "erode:2"])
    def test_generated_pictures(self, kind, spec):
        """A disc of radius r moves a slanted boundary by less than r (`displaced` in the benchmark): 0.8 r to 0.9 r."""
        data = pictures(kind, 4)
        labels = [corrupt(label, parse_noise(spec), seed=0, item="a", num_classes=2) for _, label in data]
        found = bias([image for image, _ in data], labels, 2)
        family, _, radius = spec.partition(":")
        wanted = {"clean": 0, "dilate": 1, "erode": -1}[family] * 0.85 * float(radius or 0)
        assert found.shift_px.value == pytest.approx(wanted, abs=0.5)

    def test_the_result_holds_what_it_rests_on(self):
        data = pictures("nuc", 5)
        found = bias([image for image, _ in data], [label for _, label in data], 2, names="abcde")
        assert [image.name for image in found.images] == list("abcde")
        assert found.num_boundary_pixels == sum(image.num_boundary_pixels for image in found.images)
        assert found.shift_px.low <= found.shift_px.value <= found.shift_px.high
        assert found.shift_px.high - found.shift_px.low < 0.3
        assert peak_px(np.array(found.profile), 8)[0] == found.shift_px.value
        assert len(found.profile) == len(found.depths_px) == 33
        (pair,) = found.pairs
        assert (pair.low, pair.high, pair.shift_px.value) == (0, 1, found.shift_px.value)
        assert BoundaryBias.model_validate_json(found.model_dump_json()).shift_px == found.shift_px


class TestContrast:
    LABEL = disc(22)

    @pytest.fixture
    def grey(self):
        return picture(20)

    def test_dark_objects(self, grey):
        assert shift(255 - grey, self.LABEL) == pytest.approx(shift(grey, self.LABEL))

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32])
    def test_number_types(self, grey, dtype):
        scale = 1 if dtype is np.uint8 else 200
        assert shift((scale * grey).astype(dtype), self.LABEL) == pytest.approx(shift(grey, self.LABEL), abs=0.05)

    def test_colours_of_one_brightness(self, grey):
        flat = generator(0, "flat", "noise").normal(100, 3, grey.shape)
        colours = np.stack([grey, 200 - grey, flat], axis=-1)
        assert shift(colours, self.LABEL) == pytest.approx(shift(grey, self.LABEL), abs=0.1)

    def test_bright_and_dark_objects_in_one_image(self):
        image = np.concatenate([picture(20), 200 - picture(20)])
        assert shift(image, np.concatenate([self.LABEL, self.LABEL])) == pytest.approx(1.95, abs=0.15)

    def test_a_strong_gradient_across_the_image(self, grey):
        """The slope is a tenth of the edge's at its steepest, and over the image twice its height."""
        ramp = 3.0 * np.arange(SIZE)[:, None]
        assert shift(grey + ramp, self.LABEL) == pytest.approx(1.95, abs=0.2)

    @pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose, np.rot90])
    def test_flips_and_turns_change_nothing(self, turn):
        image, label = pictures("nuc", 1)[0]
        assert shift(turn(image), turn(label)) == pytest.approx(shift(image, label), abs=0.02)

    def test_swapping_the_classes_changes_the_sign(self, grey):
        assert shift(grey, 1 - self.LABEL) == pytest.approx(-shift(grey, self.LABEL))


class TestMoved:
    @pytest.mark.parametrize("moved", [(2, 1), (3, -4), (0, 6)])
    def test_a_moved_label_is_no_bias(self, moved):
        data = pictures("nuc", 4, 160)
        images = [image for image, _ in data]
        still = bias(images, [label for _, label in data], 2)
        found = bias(images, [np.roll(label, moved, (0, 1)) for _, label in data], 2)
        assert [image.translation_px for image in still.images] == [(0, 0)] * 4
        assert sum(image.translation_px == moved for image in found.images) >= 3
        assert found.shift_px.value == pytest.approx(still.shift_px.value, abs=0.1)

    def test_a_mending_step_must_mend(self):
        """Here the directions propose (2, 0) after the right (2, 1); the edge is then less clear."""
        image, label = generate("mito", seed=0, index=8, height=256, width=256)
        found = bias([image], [np.roll(label, (2, 1), (0, 1))])
        assert found.images[0].translation_px == (2, 1)

    def test_moved_and_dilated(self):
        image, label = generate("nuc", seed=11, index=1, height=192, width=192)
        wide = corrupt(label, parse_noise("dilate:2"), seed=0, item="a", num_classes=2)
        found = bias([image], [np.roll(wide, (3, 3), (0, 1))])
        assert found.images[0].translation_px == pytest.approx((3, 3), abs=1)
        assert found.shift_px.value == pytest.approx(shift(image, wide), abs=0.3)


class TestClasses:
    def test_each_pair_has_its_own_shift(self):
        """Class 2 reaches 2 px too far into 1, and 1 is right against 0."""
        columns = np.arange(SIZE) * np.ones((SIZE, 1))
        wave = 4 * np.sin(np.arange(SIZE) / 9)[:, None]
        truth = (columns > 30 + wave).astype(np.uint8) + (columns > 64 + wave)
        colour = np.stack([truth * 60.0, (truth == 1) * 80.0, 90.0 * (truth == 2)], axis=-1)
        image = ndimage.gaussian_filter(colour, (1, 1, 0)) + generator(0, "a", "noise").normal(0, 2, colour.shape)
        label = (columns > 30 + wave).astype(np.uint8) + (columns > 62 + wave)
        found = bias([image], [label], 3)
        shifts = {(pair.low, pair.high): pair.shift_px.value for pair in found.pairs}
        assert shifts == {(0, 1): pytest.approx(0, abs=0.3), (1, 2): pytest.approx(2, abs=0.3)}
        assert found.shift_px.value == shifts[0, 1]

    def test_streets(self):
        data = pictures("street", 3, 128)
        plain = [label for _, label in data]
        wide = [corrupt(label, parse_noise("dilate:2"), seed=0, item="a", num_classes=8) for label in plain]
        found = [bias([image for image, _ in data], labels, 8) for labels in (plain, wide)]
        assert found[0].shift_px.value == pytest.approx(0, abs=0.3)
        assert found[1].shift_px.value == pytest.approx(1.7, abs=0.4)  # over class 0 only
        between = [[pair.shift_px.value for pair in one.pairs if (pair.low, pair.high) == (1, 4)] for one in found]
        assert between[0] == pytest.approx(between[1], abs=0.3)  # both objects: not moved by dilation


class TestIgnore:
    def test_ignore_far_from_the_boundary_changes_little(self):
        image, label = picture(20), disc(22)
        label[:10] = IGNORE
        assert shift(image, label) == pytest.approx(shift(image, disc(22)), abs=0.05)

    def test_half_the_boundary_behind_ignore(self):
        label = disc(22)
        label[:, : SIZE // 2] = IGNORE
        found = bias([picture(20)], [label])
        assert found.shift_px.value == pytest.approx(1.95, abs=0.2)
        assert found.num_boundary_pixels < 0.6 * bias([picture(20)], [disc(22)]).num_boundary_pixels

    def test_a_band_along_the_whole_boundary(self):
        label = np.where(disc(24) != disc(18), IGNORE, disc(20)).astype(np.uint8)
        found = bias([picture(20)], [label])
        assert "beside IGNORE" in found.images[0].reason
        assert np.isnan(found.shift_px.value)


class TestNothingToSay:
    @pytest.mark.parametrize("seed", range(8))
    def test_noise_and_gradients(self, seed):
        noise = generator(seed, "a", "noise").normal(size=(128, 128))
        label = generate("nuc", seed=seed, index=0, height=128, width=128)[1]
        for image in (noise, noise + 0.3 * np.arange(128), np.zeros((128, 128))):
            found = bias([image], [label])
            assert np.isnan(found.shift_px.value)
            assert found.images[0].reason is not None

    @pytest.mark.parametrize(
        ("label", "reason"),
        [
            (np.zeros((SIZE, SIZE), np.uint8), "one class"),
            (np.ones((SIZE, SIZE), np.uint8), "one class"),
            (np.full((SIZE, SIZE), IGNORE, np.uint8), "all IGNORE"),
            (disc(2.5), "only"),
            (disc(20) + 1, "class 0"),
        ],
    )
    def test_labels_without_an_answer(self, label, reason):
        found = bias([picture(20)], [label])
        assert reason in found.images[0].reason
        assert np.isnan(found.images[0].shift_px)
        assert found.num_images == found.num_boundary_pixels == 0

    def test_an_edge_beyond_the_reach(self):
        found = bias([picture(20)], [disc(26)], reach_px=4)
        assert np.isnan(found.shift_px.value)
        assert "or more beyond" in found.images[0].reason

    def test_images_that_say_nothing_are_left_out(self):
        data = [(picture(20), disc(22)), (np.zeros((30, 40)), np.zeros((30, 40), int)), (picture(24), disc(26))]
        found = bias([image for image, _ in data], [label for _, label in data])
        assert [np.isnan(image.shift_px) for image in found.images] == [False, True, False]
        assert found.shift_px.value == pytest.approx(1.95, abs=0.2)
        assert found.num_images == 2


class TestPool:
    def test_the_scale_of_an_image_changes_nothing(self):
        images, labels = [picture(20), picture(24)], [disc(20), disc(26)]
        found = bias(images, labels)
        scaled = bias([images[0], 50 * images[1]], labels)
        assert scaled.shift_px.value == pytest.approx(found.shift_px.value)
        np.testing.assert_allclose(scaled.profile, found.profile)

    def test_images_count_by_their_boundary_and_only_where_they_reach(self):
        profiles = np.array([[np.nan, 0.2, 1.0, 0.4], [0.3, 1.0, 0.6, 0.8]])
        pooled = _pooled_profile(profiles, np.array([30, 10]))
        assert pooled == pytest.approx([0.3, (6 + 10) / 40, (30 + 6) / 40, (12 + 8) / 40])
        assert np.isnan(_pooled_profile(profiles, np.array([31, 10]))[0])  # less than a quarter of the boundary

    def test_one_image_that_says_something_has_no_interval(self):
        found = bias([picture(20), np.zeros((30, 40))], [disc(22), np.zeros((30, 40), int)])
        assert np.isnan([found.shift_px.low, found.shift_px.high]).all()
        assert "one image only" in found.shift_px.reason


class TestSpeckle:
    @pytest.mark.parametrize("spec", ["flip:0.1", "flip:0.3"])
    @pytest.mark.parametrize("radius_px", [18.0, 22.0])
    def test_random_pixels_are_smoothed_off_first(self, spec, radius_px):
        label = corrupt(disc(radius_px), parse_noise(spec), seed=0, item="a", num_classes=2)
        found = bias([picture(20)], [label])
        assert found.shift_px.value == pytest.approx(radius_px - 20, abs=0.5)
        assert found.images[0].smoothing_px > 0

    def test_labels_without_random_pixels_are_not_touched(self):
        for kind in ("nuc", "er", "mito"):
            label = pictures(kind, 1)[0][1]
            calm, sigma_px = remove_speckle(label, 2)
            assert calm is label
            assert sigma_px == 0

    def test_too_many(self):
        label = corrupt(disc(20), parse_noise("flip:0.47"), seed=0, item="a", num_classes=2)
        assert "repair it first" in bias([picture(20)], [label]).images[0].reason


class TestCalls:
    def test_labels_and_images_are_not_changed(self):
        image, label = picture(20), disc(22)
        kept = image.copy(), label.copy()
        bias([image], [label])
        assert (image == kept[0]).all()
        assert (label == kept[1]).all()

    def test_streams(self):
        """No second image is asked for while the first is still held by the caller alone."""
        asked = []

        def stream(values, name):
            for value in values:
                asked.append(name)
                yield value

        bias(stream([picture(20)] * 2, "image"), stream([disc(20)] * 2, "label"))
        assert asked == ["image", "label"] * 2

    @pytest.mark.parametrize(
        ("images", "labels", "settings", "error", "said"),
        [
            ([], [], {}, ValueError, "no images"),
            ([picture(20)], [], {}, ValueError, "0 labels but more images"),
            ([], [disc(20)], {}, ValueError, "0 images but more labels"),
            ([picture(20)] * 2, [disc(20)] * 2, {"names": ["a"]}, ValueError, "1 names"),
            ([picture(20)[1:]], [disc(20)], {"names": ["a.png"]}, ValueError, "image a.png"),
            ([picture(20)], [disc(20)[None]], {}, ValueError, "slice by slice"),
            ([picture(20) * np.nan], [disc(20)], {}, ValueError, "NaN"),
            ([picture(20).tolist()], [disc(20)], {}, TypeError, "got list"),
            ([picture(20)], [disc(20) * 3], {"num_classes": 2}, ValueError, "class 3"),
            ([picture(20)], [disc(20) * 1.0], {}, TypeError, "integer"),
            ([picture(20)], [disc(20)], {"reach_px": 1}, ValueError, "2..32"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, images, labels, settings, error, said):
        with pytest.raises(error, match=said):
            bias(images, labels, **settings)

    def test_torch_is_not_waited_for(self):
        code = "import sys, metastructure.audit.boundary_bias; assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("spec", "wanted", "within"), [("clean", 0, 0.5), ("dilate:2", 2, 0.75), ("erode:2", -2, 0.75)]
)
def test_nuclei(real_data: Path, spec: str, wanted: float, within: float):
    folder = real_data / "nuc" / "train"
    paths = sorted((folder / "labels").iterdir())[::6]  # the bar is for all of them pooled; neighbours are alike
    labels = [corrupt(load_label(path), parse_noise(spec), seed=0, item=path.stem, num_classes=2) for path in paths]
    images = (load_image(folder / "images" / path.name) for path in paths)
    assert bias(images, labels, 2).shift_px.value == pytest.approx(wanted, abs=within)
