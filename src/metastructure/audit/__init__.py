"""What can be said of labels that nobody vouches for."""

from metastructure.audit.denoise import denoise_label
from metastructure.audit.repair_folder import repair_folder
from metastructure.audit.shift import shift_label

__all__ = [
    "denoise_label",
    "repair_folder",
    "shift_label",
]
