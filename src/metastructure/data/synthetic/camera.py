"""What a road camera does to the colours in front of it: exposure, colour cast, vignette, blur and noise.

`H` rows, `W` columns. Colours are 0..1 in red, green and blue; the output is in counts of a 16-bit converter.
"""

from typing import Annotated, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from metastructure.data.synthetic.imaging import FULL_SCALE_COUNTS
from metastructure.data.synthetic.scene import FloatArray, pixel_grid

_AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@final
class Camera(BaseModel):
    """Settings of one exposure; called with colours, it returns the counts of the detector.

    Parameters
    ----------
    exposure : float
        Output at full scale for a colour value of 1; above 1 bright surfaces saturate.
    cast : tuple of three floats
        Gains of red, green and blue: the colour of the light.
    vignette : float
        Share of light, 0..1, lost in the corners of the image.
    blur_sigma_px : float
        Standard deviation of the Gaussian blur, in pixels.
    full_well_photons : float
        Photons at full scale: the fewer, the more shot noise.
    read_noise_photons : float
        Standard deviation of the read noise, in photons.

    Notes
    -----
    Photons are drawn from the normal approximation of the Poisson distribution, independently for each
    channel.

    Examples
    --------
    >>> camera = Camera(exposure=0.5, vignette=0, blur_sigma_px=0, full_well_photons=1e12)
    >>> counts = camera(np.ones((2, 2, 3)), np.random.default_rng(0))
    >>> np.round(counts[0, 0] / 65535, 3).tolist()
    [0.5, 0.5, 0.5]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exposure: _AboveZero = 1.0
    cast: tuple[_AboveZero, _AboveZero, _AboveZero] = (1.0, 1.0, 1.0)
    vignette: Annotated[float, Field(ge=0, le=1)] = 0.15
    blur_sigma_px: _AtLeastZero = 0.5
    full_well_photons: _AboveZero = 3000.0
    read_noise_photons: _AtLeastZero = 20.0

    def __call__(self, scene: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the counts of one exposure of `scene`, an (H, W, 3) array of colours."""
        height, width = scene.shape[:2]
        rows, columns = pixel_grid(height, width)
        corner = ((rows / max(height - 1, 1) - 0.5) ** 2 + (columns / max(width - 1, 1) - 0.5) ** 2) / 0.5
        falloff = self.exposure * (1 - self.vignette * corner)
        light: FloatArray = ndimage.gaussian_filter(scene, (self.blur_sigma_px, self.blur_sigma_px, 0))
        photons = np.maximum(light * falloff[:, :, None] * self.cast, 0.0) * self.full_well_photons
        noise = np.sqrt(photons + self.read_noise_photons**2) * rng.standard_normal(scene.shape)
        counts: FloatArray = (photons + noise) * (FULL_SCALE_COUNTS / self.full_well_photons)
        return counts
