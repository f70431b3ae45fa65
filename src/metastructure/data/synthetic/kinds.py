"""The table of scene functions, and the one function that turns a kind, a seed and an index into a picture.

`H` rows, `W` columns. A picture depends on (kind, seed, index, height, width) and, for its digits, on the bit
depth; on nothing else.
"""

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from metastructure.data.synthetic import er, mito, nuc, street
from metastructure.data.synthetic.imaging import check_bit_depth, quantise
from metastructure.data.synthetic.scene import LabelImage, SceneFunction
from metastructure.rng import generator

GENERATOR_VERSION = 1  # raise it with any change that alters a picture: folders of two versions are never mixed
MIN_SIZE_PX = 16

KINDS: dict[str, SceneFunction] = {
    "er": er.simulate_er,
    "mito": mito.simulate_mito,
    "nuc": nuc.simulate_nuc,
    "street": street.simulate_street,
}
CLASS_NAMES = MappingProxyType(
    {
        "er": er.CLASS_NAMES,
        "mito": mito.CLASS_NAMES,
        "nuc": nuc.CLASS_NAMES,
        "street": street.CLASS_NAMES,
    }
)
NUM_CLASSES = MappingProxyType({kind: len(names) for kind, names in CLASS_NAMES.items()})


def generate(
    kind: str, *, seed: int, index: int, height: int = 256, width: int = 256, bit_depth: int = 8
) -> tuple[npt.NDArray[np.uint8] | npt.NDArray[np.uint16], LabelImage]:
    """Return one picture and its label.

    Parameters
    ----------
    kind : str
        A key of `KINDS`: "er", "mito", "nuc" or "street".
    seed : int
        Seed of the set, at least 0.
    index : int
        Number of the picture in the set, at least 0. Pictures are independent of one another.
    height, width : int
        H and W in pixels, at least 16. A larger microscope picture shows more of the same, a larger street
        the same scene at a higher resolution; the two sizes of one index are different pictures.
    bit_depth : int
        8 or 16. The same scene and noise either way: the 8-bit value is the 16-bit one divided by 257,
        rounded.

    Returns
    -------
    image : (H, W) or, for "street", (H, W, 3) array of uint8 or uint16
        Grey for the microscope kinds, red-green-blue for streets.
    label : (H, W) array of uint8
        Classes 0..C-1 as named in ``CLASS_NAMES[kind]``; 0 is background, or sky. No IGNORE.

    Raises
    ------
    ValueError
        If `kind` or `bit_depth` is unknown, a size is below 16, or `seed` or `index` is negative.

    Notes
    -----
    Draws come from ``generator(seed, f"{kind}/{index}", purpose)`` with the purposes "scene" and "imaging".
    The same call gives the same bits on one machine with one version of numpy and scipy; another version may
    draw another stream (NEP 19), another processor may round a count the other way.

    Examples
    --------
    >>> image, label = generate("nuc", seed=0, index=3, height=32, width=48)
    >>> image.shape, image.dtype.name, label.shape, label.dtype.name
    ((32, 48), 'uint8', (32, 48), 'uint8')
    >>> generate("golgi", seed=0, index=0)
    Traceback (most recent call last):
    ValueError: kind must be one of er, mito, nuc, street; got 'golgi'.
    """
    check_request(kind, height, width, bit_depth)
    if not isinstance(index, int | np.integer) or index < 0:
        raise ValueError(f"index must be an integer of at least 0; got {index}.")
    item = f"{kind}/{index}"
    scene = KINDS[kind](height, width, generator(seed, item, "scene"))
    counts = scene.instrument(scene.clean, generator(seed, item, "imaging"))
    return quantise(counts, bit_depth), scene.label


def check_request(kind: str, height: int, width: int, bit_depth: int) -> None:
    """Raise ValueError if `generate` cannot make such pictures; return nothing if it can.

    Examples
    --------
    >>> check_request("er", 33, 8, 16)
    Traceback (most recent call last):
    ValueError: height and width must be integers of at least 16 pixels; got 33 and 8.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    for size in (height, width):
        if not isinstance(size, int | np.integer) or size < MIN_SIZE_PX:
            raise ValueError(
                f"height and width must be integers of at least {MIN_SIZE_PX} pixels; got {height} and {width}."
            )
    check_bit_depth(bit_depth)
