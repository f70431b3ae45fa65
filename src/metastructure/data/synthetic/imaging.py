"""What a fluorescence microscope does to a clean map: blur, haze, background, noise and digits.

`H` rows, `W` columns. Light is counted in detected photons (photoelectrons), the detector's output in counts
of a 16-bit converter, 0..65535. An 8-bit image is the same counts on a coarser ladder, so the two share every
draw.
"""

from typing import Annotated, final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.scene import FloatArray

FULL_SCALE_COUNTS = 65535
BIT_DEPTHS = (8, 16)

_AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


@final
class Microscope(BaseModel):
    """Settings of one exposure; called with a clean map, it returns the counts of the detector.

    Parameters
    ----------
    photons : float
        Photons that a pixel of a large area of scene value 1 sends to the detector: the photon budget.
    psf_sigma_px : float
        Standard deviation of the Gaussian point spread function, in pixels; 0 for none.
    haze_share : float
        Share of the light, 0..1, that comes from out of focus: blurred by `haze_sigma_px` instead.
    haze_sigma_px : float
        Standard deviation of the out-of-focus blur, in pixels.
    background_photons : float
        Mean background per pixel, in photons: medium, camera and autofluorescence.
    background_unevenness : float
        Relative standard deviation, 0..1, of the background over the image.
    background_scale_px : float
        Pixels over which the background varies.
    read_noise_photons : float
        Standard deviation of the read noise, in photons.
    gain_counts : float
        Counts per photon.
    offset_counts : float
        Counts of a pixel without light.

    Notes
    -----
    The linear camera model of EMVA Standard 1288: with ``n`` the expected photons of a pixel, its counts have
    mean ``gain * n + offset`` and variance ``gain**2 * (n + read**2)``. The Gaussian is the usual stand-in
    for the confocal point spread function. Blur reflects the scene at the image's edges. Counts are neither
    rounded nor clipped here: see `quantise`.

    References
    ----------
    European Machine Vision Association, "EMVA Standard 1288: Standard for Characterization of Image Sensors
    and Cameras", Release 3.1, 2016, section 2.

    B. Zhang, J. Zerubia, J.-C. Olivo-Marin, "Gaussian approximations of fluorescence microscope point-spread
    function models", Applied Optics 46(10), 2007.

    Examples
    --------
    >>> dark = Microscope(photons=100, read_noise_photons=0, gain_counts=2, offset_counts=7)
    >>> dark(np.zeros((2, 2)), np.random.default_rng(0)).tolist()
    [[7.0, 7.0], [7.0, 7.0]]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    photons: _AboveZero = 200.0
    psf_sigma_px: _AtLeastZero = 1.2
    haze_share: _Share = 0.0
    haze_sigma_px: _AtLeastZero = 12.0
    background_photons: _AtLeastZero = 0.0
    background_unevenness: _Share = 0.0
    background_scale_px: _AboveZero = 96.0
    read_noise_photons: _AtLeastZero = 2.0
    gain_counts: _AboveZero = 100.0
    offset_counts: _AtLeastZero = 1000.0

    def __call__(self, scene: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the counts of one exposure of `scene`, an (H, W) array of light with values of 0 or more."""
        light = self.photons * _blur(scene, self)
        light += _draw_background(scene.shape[0], scene.shape[1], self, rng)
        detected = rng.poisson(light) + self.read_noise_photons * rng.standard_normal(scene.shape)
        counts: FloatArray = self.gain_counts * detected + self.offset_counts
        return counts


def _blur(scene: FloatArray, microscope: Microscope) -> FloatArray:
    sharp: FloatArray = ndimage.gaussian_filter(scene, microscope.psf_sigma_px)
    if microscope.haze_share == 0:
        return sharp
    haze: FloatArray = ndimage.gaussian_filter(scene, microscope.haze_sigma_px, truncate=3.0)
    return (1 - microscope.haze_share) * sharp + microscope.haze_share * haze


def _draw_background(height: int, width: int, microscope: Microscope, rng: np.random.Generator) -> FloatArray:
    field = smooth_field(height, width, microscope.background_scale_px, rng)
    uneven = microscope.background_photons * (1 + microscope.background_unevenness * field)
    return np.maximum(uneven, 0.0)


def quantise(counts: FloatArray, bit_depth: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Return 16-bit counts as uint8 or uint16, rounded, and clipped where the detector saturates.

    Parameters
    ----------
    counts : array of float
        Counts on the 16-bit ladder; anything below 0 or above 65535 is clipped.
    bit_depth : int
        8 or 16. As 65535 = 255 * 257, 8 bits are the same counts divided by 257.

    Raises
    ------
    ValueError
        If `bit_depth` is neither.

    Examples
    --------
    >>> quantise(np.array([-3.0, 128.0, 129.0, 7e4]), 8).tolist()
    [0, 0, 1, 255]
    >>> quantise(np.array([-3.0, 128.4, 7e4]), 16).tolist()
    [0, 128, 65535]
    """
    check_bit_depth(bit_depth)
    clipped = np.clip(counts, 0, FULL_SCALE_COUNTS)
    if bit_depth == 16:
        return np.rint(clipped).astype(np.uint16)
    return np.rint(clipped / 257).astype(np.uint8)


def check_bit_depth(bit_depth: int) -> None:
    """Raise ValueError unless `bit_depth` is one of `BIT_DEPTHS`.

    Examples
    --------
    >>> check_bit_depth(12)
    Traceback (most recent call last):
    ValueError: bit_depth must be 8 or 16; got 12.
    """
    if bit_depth not in BIT_DEPTHS:
        raise ValueError(f"bit_depth must be 8 or 16; got {bit_depth}.")
