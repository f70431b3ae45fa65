"""Each method that learns nothing: a case by hand, a limit or a slow reference, and images that break careless code."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.filters import frangi, sato, threshold_otsu
from skimage.measure import perimeter

from metastructure.errors import ConfigError
from metastructure.unsupervised import Score, parse_method, segment
from metastructure.unsupervised.base import to_grey
from metastructure.unsupervised.ridge import estimate_half_width
from metastructure.unsupervised.scale import between_gaussians, estimate_noise, estimate_scale
from metastructure.unsupervised.shrink import shrink_and_back

ROWS, COLUMNS = np.mgrid[:96, :128]
CLASSICAL = (
    "otsu",
    "li",
    "triangle",
    "adaptive",
    "contrast",
    "kmeans",
    "gaussian_mixture",
    "chan_vese",
    "geodesic",
    "random_walker",
    "ridge",
)


def draw() -> np.random.Generator:
    return np.random.default_rng(11)


def disc(row: float = 40, column: float = 70, radius: float = 12) -> np.ndarray:
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2


def score(image: np.ndarray, method: str) -> Score:
    return segment([image], method, side="bright", threads=1).scores[0]


def label(image: np.ndarray, method: str) -> np.ndarray:
    return score(image, method) > 0.5


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


AWKWARD = {
    "8 x 8": draw().random((8, 8)),
    "one row": draw().random((1, 30)),
    "one column": draw().random((30, 1)),
    "two pixels": np.array([[0, 1]]),
    "one bright pixel": np.pad(np.ones((1, 1)), 12),
    "checkerboard": np.indices((9, 9)).sum(axis=0) % 2,
    "two halves": np.repeat([[0, 1]], 30, axis=0).repeat(15, axis=1),
    "ties": draw().integers(0, 3, (30, 30)),
    "very large": draw().random((20, 20)) * 1e300,
    "very small and negative": draw().random((20, 20)) * -1e-300,
    "an outlier": np.where(np.eye(30) * np.arange(30) == 7, 1e12, draw().random((30, 30))),
    "boolean": draw().random((20, 20)) > 0.7,
    "16 bits": draw().integers(0, 1 << 16, (20, 20), dtype=np.uint16),
    "colour": draw().integers(0, 256, (16, 20, 3), dtype=np.uint8),
    "nothing but blurred noise": gaussian_filter(draw().normal(size=(64, 64)), 1),
}


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("name", [*CLASSICAL, "adaptive:kind=mean", "kmeans:num_clusters=5", "ridge:kind=frangi"])
def test_awkward_images_get_scores(name: str, kind: str) -> None:
    image = AWKWARD[kind]
    found = score(image, name)
    assert found.shape == image.shape[:2]
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("name", [name for name in CLASSICAL if name != "ridge"])  # a ridge filter finds lines
def test_two_values_are_told_apart(name: str) -> None:
    square = np.zeros((40, 50), dtype=bool)
    square[12:26, 20:36] = True
    assert overlap(label(np.where(square, 9, 3), name), square) > 0.9


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_score_ranks_pixels(name: str) -> None:
    image = gaussian_filter(80.0 * disc(), 1) + draw().normal(0, 4, ROWS.shape)
    found = score(image, name)
    assert np.median(found[disc(radius=8)]) > 0.5 > np.median(found[~disc(radius=20)])


def test_li_is_the_threshold_of_least_cross_entropy() -> None:
    image = np.round(40 + 90 * disc() + draw().normal(0, 12, ROWS.shape))
    grey = image - image.min()

    def cross_entropy(threshold: float) -> float:
        sides = grey[grey <= threshold], grey[grey > threshold]
        return -sum(float(side.sum() * np.log(side.mean())) for side in sides if side.mean() > 0)

    best = min(np.unique(grey)[1:-1], key=cross_entropy)
    bounds = best - 1, best + 1  # the search stops within half a grey value of the minimum
    assert (grey > bounds[1]).sum() <= label(image, "li").sum() <= (grey > bounds[0]).sum()


def test_triangle_is_the_knee_of_the_tail() -> None:
    # Counts rise to 1000 at 20, fall along a line to 60 at 40 and along another to 1 at 255: the knee is at 40.
    counts = np.interp(np.arange(256), [0, 20, 40, 255], [1, 1000, 60, 1]).round().astype(int)
    values = np.repeat(np.arange(256), counts)
    found = label(values[None], "triangle")[0]
    assert values[found].min() in (40, 41, 42)


def test_contrast_is_a_difference_of_gaussians() -> None:
    image = draw().random((60, 50))
    expected = gaussian_filter(image, 1.5, mode="reflect") - gaussian_filter(image, 5, mode="reflect")
    # scipy cuts its Gaussians at four standard deviations
    np.testing.assert_allclose(between_gaussians(image.astype(np.float32), 1.5, 5), expected, atol=5e-4)


@pytest.mark.parametrize("name", ["contrast", "adaptive", "adaptive:kind=mean"])
def test_local_methods_do_not_follow_uneven_lighting(name: str) -> None:
    objects = disc() | disc(70, 20, 8) | disc(20, 110, 10)
    image = 60.0 * objects + 1.5 * COLUMNS + draw().normal(0, 3, ROWS.shape)
    inner = np.s_[:, 36:92]  # half a window from the edges, where mirroring bends the lighting
    found, otsu = (overlap(label(image, one)[inner], objects[inner]) for one in (name, "otsu"))
    assert found > 0.85 > 0.5 > otsu


def test_a_contrast_out_of_order_is_refused() -> None:
    with pytest.raises(ConfigError, match="large_px must be above small_px, 3; got 2"):
        parse_method("contrast:small_px=3,large_px=2")


def test_adaptive_mean_by_hand_and_pixel_by_pixel() -> None:
    image = np.array([[0.0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0.25, 0.25], [0, 0, 0, 0.25, 1.0]])
    # (1, 1): mean 1/9. (2, 3): 1.75/9 < 0.25. (2, 4), mirrored: (2 * 0.25 + 0.25 + 0.25 + 2 * 1) / 9 > 0.25.
    found = label(image, "adaptive:kind=mean,window_px=3,smooth_px=0,offset=0")
    assert np.argwhere(found).tolist() == [[1, 1], [2, 3], [3, 4]]
    larger = draw().random((12, 9))
    around = np.pad(larger, 2, mode="symmetric")
    means = np.array([[around[r : r + 5, c : c + 5].mean() for c in range(9)] for r in range(12)])
    grey = (larger - larger.min()) / np.ptp(larger)
    expected = grey > (means - larger.min()) / np.ptp(larger) + 0.1
    np.testing.assert_array_equal(label(larger, "adaptive:kind=mean,window_px=5,smooth_px=0,offset=0.1"), expected)


@pytest.mark.parametrize("kind", ["gaussian", "mean"])
def test_adaptive_leaves_flat_noise_empty(kind: str) -> None:
    image = draw().normal(100, 5, (128, 192))
    image[20:100, 150:180] += 90
    flat = slice(None, 100)  # far from the object
    assert label(image, f"adaptive:kind={kind}")[:, flat].mean() < 1e-3
    assert label(image, f"adaptive:kind={kind},offset=0")[:, flat].mean() > 0.4


def test_an_even_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="its side is odd; got 8"):
        parse_method("adaptive:window_px=8")


def test_kmeans_by_hand() -> None:
    # Groups {0, 0, 0, 1} and {10, 11}: means 0.25 and 10.5, the middle at 5.375.
    image = np.array([[0, 0, 0, 1, 10, 11.0]])
    found = score(image, "kmeans")[0]
    # Squared distances differ by 2 * 10.25 * (value - 5.375): linear in the value, 0 at 5.375.
    expected = [0, 0, 0, 0.5 - 0.5 * 4.375 / 5.375, 0.5 + 0.5 * 4.625 / 5.625, 1]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_kmeans_of_grey_values_is_nearly_the_best_of_all_splits() -> None:
    values = np.round(draw().gamma(2, 20, 400))

    def within(bright: np.ndarray) -> float:
        return sum(float(side.size * side.var()) for side in (values[bright], values[~bright]))

    best = min(within(values > threshold) for threshold in np.unique(values)[:-1])
    found = within(label(values.reshape(20, 20), "kmeans").ravel())
    assert best <= found < 1.005 * best  # Lloyd's rounds stop at a minimum beside which there are others


def test_kmeans_sees_colours_that_one_grey_hides() -> None:
    colours = np.where(disc()[:, :, None], [20, 112, 60], [100, 20, 60]) + draw().normal(0, 8, (*ROWS.shape, 3))
    assert overlap(label(colours, "kmeans"), disc()) > 0.99 > 0.7 > overlap(label(colours, "otsu"), disc())


def test_kmeans_takes_the_brightest_of_its_clusters() -> None:
    image = np.where(disc(), 100.0, 0) + np.where(disc(70, 20, 8), 250.0, 0)
    image[40, 70] = 160  # nearer to 100 than to 250, nearer to 250 than to 0
    np.testing.assert_array_equal(label(image, "kmeans:num_clusters=3"), disc(70, 20, 8))


def test_mixture_without_neighbours_cuts_where_the_densities_cross() -> None:
    rng = draw()
    values = np.concatenate([rng.normal(40, 6, 3999), [-20.0], rng.normal(100, 15, 4000)])
    image = values.reshape(80, 100)
    # The densities cross where ((x - 40) / 6)**2 + 2 ln 6 = ((x - 100) / 15)**2 + 2 ln 15, between the means at 58.5.
    found = label(image, "gaussian_mixture:beta=0")
    assert image[found].min() == pytest.approx(58.5, abs=1)
    assert image[~found].max() < image[found].min()  # one threshold, though the wide Gaussian wins again far below


def test_mixture_with_neighbours_mends_what_noise_breaks() -> None:
    image = 40.0 * disc(radius=24) + draw().normal(0, 20, ROWS.shape)
    wrong = [np.mean(label(image, f"gaussian_mixture:beta={beta}") != disc(radius=24)) for beta in (0, 1.5)]
    assert wrong[1] < 0.02 < 0.1 < wrong[0]


def test_chan_vese_trades_boundary_for_fit() -> None:
    image = 50.0 * disc(radius=24) + draw().normal(0, 20, ROWS.shape)
    found = [label(image, f"chan_vese:smoothness={price}") for price in (0.01, 0.25, 1)]
    lengths = [perimeter(one) for one in found]
    assert lengths[0] > 3 * lengths[1] > 3 * 0.9 * lengths[2]
    assert overlap(found[2], disc(radius=24)) > 0.98
    lone = np.zeros((30, 30))
    lone[5, 5] = lone[15:22, 15:22] = 1
    assert not label(lone, "chan_vese:smoothness=1")[5, 5]


def test_chan_vese_does_not_hang_on_one_bright_pixel() -> None:
    image = gaussian_filter(50.0 * disc(), 1)
    spoilt = image.copy()
    spoilt[5, 5] = 200
    plain, found = label(image, "chan_vese"), label(spoilt, "chan_vese")
    assert overlap(found, plain) > 0.9


def test_geodesic_contour_shrinks_to_the_edge() -> None:
    image = gaussian_filter(100.0 * disc(radius=15), 1) + draw().normal(0, 1, ROWS.shape)
    for margin_px in (2, 5, 9):
        found = label(image, f"geodesic:margin_px={margin_px}")
        assert overlap(found, disc(radius=15 + margin_px)) < overlap(found, disc(radius=15)) > 0.95


def test_random_walker_solves_for_the_potential() -> None:
    image = gaussian_filter(draw().random((9, 11)), 1)
    grey = gaussian_filter(to_grey(image), 0.5)
    threshold = threshold_otsu(grey)
    low, high = grey[grey <= threshold].mean(), grey[grey > threshold].mean()
    known = np.where(grey >= (threshold + high) / 2, 1.0, np.where(grey <= (threshold + low) / 2, 0.0, np.nan)).ravel()
    places = np.argwhere(np.ones(grey.shape))
    apart = np.abs(places[:, None] - places[None]).sum(axis=2)
    weights = np.where(apart == 1, np.exp(-13 / grey.std() * np.subtract.outer(grey.ravel(), grey.ravel()) ** 2), 0)
    free = np.isnan(known)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    expected = known.copy()
    expected[free] = np.linalg.solve(laplacian[np.ix_(free, free)], weights[np.ix_(free, ~free)] @ known[~free])
    assert 5 < free.sum() < 94
    # conjugate gradients stop at a residual of 1e-5
    np.testing.assert_allclose(score(image, "random_walker:smooth_px=0.5").ravel(), expected, atol=1e-3)


def test_random_walker_without_doubt_is_the_split_of_the_smoothed_image() -> None:
    image = 50.0 * disc() + draw().normal(0, 10, ROWS.shape)
    smooth = gaussian_filter(to_grey(image), 1)
    np.testing.assert_array_equal(label(image, "random_walker:doubt=0"), smooth > threshold_otsu(smooth))


@pytest.mark.parametrize("kind", ["sato", "frangi"])
def test_ridge_finds_lines_and_not_the_step_beside_them(kind: str) -> None:
    lines = (np.abs(ROWS - 0.5 * COLUMNS) < 2) | (np.abs(COLUMNS - 100) < 2)
    image = gaussian_filter(60.0 * lines + 60.0 * (COLUMNS < 20), 1) + draw().normal(0, 1, ROWS.shape)
    found = label(image, f"ridge:kind={kind},half_width_px=2")
    filter_ = {"sato": sato, "frangi": frangi}[kind]
    response = filter_(to_grey(image).astype(float), [2**0.5, 2, 8**0.5], black_ridges=False)
    np.testing.assert_array_equal(found, response > threshold_otsu(response))
    assert found[lines & (COLUMNS > 30)].mean() > 0.7
    assert found[~lines & (COLUMNS < 12)].mean() < 0.1
    assert found[~lines & (COLUMNS > 30)].mean() < 0.1


@pytest.mark.parametrize("width_px", [3, 6, 12])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_rules_know_the_width_of_lines(width_px: int, noise: float) -> None:
    rows, columns = np.mgrid[:256, :256]
    image = np.zeros((256, 256))
    for angle, offset in ((0.3, -60), (0.35, 70), (1.6, 0), (2.4, 80), (2.5, -60)):
        image[np.abs((rows - 128) * np.cos(angle) + (columns - 128) * np.sin(angle) - offset) < width_px / 2] = 1
    grey = to_grey(image + 0.5 * rows / 256 + draw().normal(0, noise, image.shape))
    # steps of a quarter octave, and crossings, which are wider
    assert estimate_scale(grey) == pytest.approx(width_px / 2, rel=0.4)
    assert estimate_half_width(grey) == pytest.approx(width_px / 2, rel=0.35)


@pytest.mark.parametrize("radius_px", [3, 6, 12])
def test_the_scale_of_discs_is_their_radius_over_the_root_of_two(radius_px: float) -> None:
    rng, (rows, columns) = draw(), np.mgrid[:256, :256]
    image = np.zeros((256, 256))
    for row, column in rng.uniform(0, 256, (25, 2)):
        image[(rows - row) ** 2 + (columns - column) ** 2 < radius_px**2] = 1
    noisy = image + rng.normal(0, 0.1, image.shape)
    for given in (image, noisy, noisy + columns / 512):
        assert estimate_scale(to_grey(given)) == pytest.approx(radius_px / 2**0.5, rel=0.2)  # a quarter octave
    assert estimate_scale(to_grey(image.T[::-1])) == estimate_scale(to_grey(image))


def test_noise_is_told_from_what_is_in_the_image() -> None:
    image = 200.0 * disc() + COLUMNS
    noise = draw().normal(0, 5, image.shape)
    assert estimate_noise(noise.astype(np.float32)) == pytest.approx(5, rel=0.05)  # 12 000 pixels: 1 % each
    assert estimate_noise((image + noise).astype(np.float32)) == pytest.approx(5, rel=0.1)
    assert estimate_noise(image.astype(np.float32)) == pytest.approx(0, abs=1e-3)


def test_large_images_are_worked_on_small() -> None:
    seen = []

    def spy(grey: np.ndarray) -> Score:
        seen.append(grey.shape)
        return grey

    ramp = np.asarray(COLUMNS / 127, dtype=np.float32)
    found = shrink_and_back(spy, ramp, 64)
    assert shrink_and_back(spy, ramp, 128) is ramp
    assert seen == [(48, 64), (96, 128)]
    np.testing.assert_allclose(found, ramp, atol=0.01)  # half a pixel of the small one at the ends


@pytest.mark.parametrize("name", ["chan_vese", "random_walker"])
def test_the_small_copy_gives_nearly_the_same(name: str) -> None:
    image = gaussian_filter(80.0 * disc(radius=24), 2) + draw().normal(0, 4, ROWS.shape)
    assert overlap(label(image, name), label(image, f"{name}:max_side_px=64")) > 0.95
