"""The signed shift is dilation and erosion, with radii between the pixel distances."""

import numpy as np
import pytest

from metastructure.noise import BoundaryShift, Dilation, Erosion
from metastructure.rng import generator


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_whole_pixels_are_dilation_and_erosion(scene, distance):
    outwards, inwards = BoundaryShift(distance_px=distance), BoundaryShift(distance_px=-distance)
    assert np.array_equal(outwards(scene, generator(0)), Dilation(radius_px=distance)(scene, generator(0)))
    assert np.array_equal(inwards(scene, generator(0)), Erosion(radius_px=distance)(scene, generator(0)))


def test_fractions_reach_the_next_pixel_distance():
    label = np.zeros((5, 5), dtype=np.uint8)
    label[2, 2] = 1
    # lattice points within 1.4: the 4 neighbours; within 1.5 the diagonals too (1.414)
    sizes = [int(BoundaryShift(distance_px=d)(label, generator(0)).sum()) for d in (1, 1.4, 1.5, 2, 2.3)]
    assert sizes == [5, 5, 9, 13, 21]
