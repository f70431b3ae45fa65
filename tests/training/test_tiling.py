"""Tiles: they cover every pixel with weights that sum to 1, on a grid, each longer than the overlap."""

import numpy as np
import pytest

from metastructure.training.tiling import GRID_PX, overlap_of, plan_spans


@pytest.mark.parametrize("tile_px", [64, 96, 160, 512])
def test_weights_sum_to_one_at_every_pixel_for_every_length(tile_px: int) -> None:
    for length in [1, tile_px - 1, tile_px, tile_px + 1, *range(2 * tile_px - 5, 3 * tile_px, 7)]:
        spans = plan_spans(length, tile_px)
        total, times = np.zeros(length), np.zeros(length, int)
        for start, stop, weight in spans:
            assert stop - start == len(weight) <= tile_px
            assert start % GRID_PX == 0
            total[start:stop] += weight
            times[start:stop] += 1
        np.testing.assert_allclose(total, 1, atol=1e-6)
        assert times.max() <= 2
        assert spans[-1].stop == length
        if len(spans) > 1:
            assert spans[-1].stop - spans[-1].start > overlap_of(tile_px)


def test_near_a_cut_edge_a_tile_counts_nothing_but_at_the_image_edge_all() -> None:
    first, *_, last = plan_spans(2000, 512)
    assert first.weight[0] == last.weight[-1] == 1
    assert not first.weight[-56:].any()
    assert not last.weight[:56].any()
    assert first.weight[-57] > 0


@pytest.mark.parametrize("tile_px", [0, 32, 100, -64])
def test_an_impossible_side_is_refused(tile_px: int) -> None:
    with pytest.raises(ValueError, match=rf"multiple of 32, at least 64; got {tile_px}\."):
        plan_spans(10, tile_px)
