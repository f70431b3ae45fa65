"""Studies: data x noises x networks x seeds, resumable, with tables."""

from metastructure.study.claims_text import claims_to_markdown, claims_to_text
from metastructure.study.engines import Engine, SerialEngine
from metastructure.study.hypotheses import CLAIM_COLUMNS, check_claims
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec, StudySpec, load_study
from metastructure.study.store import Store
from metastructure.study.study import Status, get_status, run_study
from metastructure.study.table import COLUMNS, format_table, make_table, to_markdown, to_text

__all__ = [
    "CLAIM_COLUMNS",
    "COLUMNS",
    "Engine",
    "Progress",
    "RunRecord",
    "RunSpec",
    "SerialEngine",
    "Status",
    "Store",
    "StudySpec",
    "check_claims",
    "claims_to_markdown",
    "claims_to_text",
    "format_table",
    "get_status",
    "load_study",
    "make_table",
    "run_study",
    "to_markdown",
    "to_text",
]
