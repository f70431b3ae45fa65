"""What can be said of labels that nobody vouches for."""

from metastructure.audit.annotator_files import AnnotatorFolders, find_annotators, write_consensus
from metastructure.audit.annotator_result import AnnotatorComparison, AnnotatorReport, ImageAgreement, PairAgreement
from metastructure.audit.annotator_verdict import AnnotatorVerdict, judge_annotators
from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_result import Audit, Finding, ImageAudit, ObjectAudit
from metastructure.audit.bias_result import BoundaryBias, ImageBias, PairBias
from metastructure.audit.boundary_bias import estimate_boundary_bias
from metastructure.audit.compare_annotators import compare_annotators
from metastructure.audit.consensus import consensus_label
from metastructure.audit.denoise import denoise_label
from metastructure.audit.repair_folder import repair_folder
from metastructure.audit.shift import shift_label
from metastructure.audit.verdict import Verdict, judge

__all__ = [
    "AnnotatorComparison",
    "AnnotatorFolders",
    "AnnotatorReport",
    "AnnotatorVerdict",
    "Audit",
    "BoundaryBias",
    "Finding",
    "ImageAgreement",
    "ImageAudit",
    "ImageBias",
    "ObjectAudit",
    "PairAgreement",
    "PairBias",
    "Verdict",
    "audit_folder",
    "compare_annotators",
    "consensus_label",
    "denoise_label",
    "estimate_boundary_bias",
    "find_annotators",
    "judge",
    "judge_annotators",
    "repair_folder",
    "shift_label",
    "write_consensus",
]
