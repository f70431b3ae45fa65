"""An audit as text for a terminal."""

from textwrap import fill

from metastructure.audit.audit_result import Audit
from metastructure.audit.verdict import NAMES, Verdict

WIDTH = 79


def to_text(audit: Audit, verdict: Verdict) -> str:
    """Return headline, findings and what was not tested, in lines of 79 columns."""
    beside = "without images" if audit.images_folder is None else f"beside {audit.images_folder}"
    lines = [f"{audit.num_images} labels of {audit.num_classes} classes, {beside}", "", fill(verdict.headline, WIDTH)]
    if verdict.sentences:
        lines += ["", *(_item(sentence) for sentence in verdict.sentences)]
    quiet = [NAMES[one.kind] for one in audit.findings if one.confidence == "none"]
    if quiet:
        lines += ["", fill(f"no sign of: {', '.join(quiet)}", WIDTH)]
    if verdict.first:
        lines += ["", fill(f"look first at: {', '.join(verdict.first)}", WIDTH)]
    if verdict.not_tested:
        lines += ["", "not tested:", *(_item(note) for note in verdict.not_tested)]
    return "\n".join(lines)


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
