"""What can be said of labels that nobody vouches for."""

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import Audit, Finding, ImageAudit, ObjectAudit
from metastructure.audit.bias_result import BoundaryBias, ImageBias, PairBias
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.denoise import denoise_label
from metastructure.audit.repair_folder import repair_folder
from metastructure.audit.shift import shift_label
from metastructure.audit.verdict import Verdict, judge

__all__ = [
    "Audit",
    "BoundaryBias",
    "Finding",
    "ImageAudit",
    "ImageBias",
    "ObjectAudit",
    "PairBias",
    "Verdict",
    "audit_folder",
    "denoise_label",
    "estimate_boundary_bias",
    "judge",
    "repair_folder",
    "shift_label",
]
