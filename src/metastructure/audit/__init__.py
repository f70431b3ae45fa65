"""What can be said of labels that nobody vouches for."""

from metastructure.audit.bias_result import BoundaryBias, ImageBias, PairBias
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.denoise import denoise_label
from metastructure.audit.repair_folder import repair_folder
from metastructure.audit.shift import shift_label

__all__ = [
    "BoundaryBias",
    "ImageBias",
    "PairBias",
    "denoise_label",
    "estimate_boundary_bias",
    "repair_folder",
    "shift_label",
]
