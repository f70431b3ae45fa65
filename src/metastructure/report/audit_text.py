"""An audit as text for a terminal."""

from textwrap import fill

from metastructure.audit.audit_result import Audit
from metastructure.audit.label_scores import ImageScore, Kind
from metastructure.audit.verdict import NAMES, Verdict, quiet_kinds
from metastructure.counts import count

WIDTH = 79
NUM_RANKED = 5
LOUDEST: dict[Kind, str] = {
    "boundary": "its boundary",
    "translation": "the place of the whole label",
    "region": "a region",
    "pixels": "single pixels",
}


def to_text(audit: Audit, verdict: Verdict) -> str:
    """Return headline, findings and what was not tested, in lines of 79 columns."""
    beside = "without images" if audit.images_folder is None else f"beside {audit.images_folder}"
    held = f"{count(audit.num_images, 'label')} of {audit.num_classes} classes"
    lines = [f"{held}, {beside}", "", fill(verdict.headline, WIDTH)]
    if verdict.sentences:
        lines += ["", *(_item(sentence) for sentence in verdict.sentences)]
    quiet = [NAMES[kind] for kind in quiet_kinds(audit)]
    if quiet:
        lines += ["", fill(f"no sign of: {', '.join(quiet)}", WIDTH)]
    if audit.network is not None:
        lines += ["", fill(describe_ranking(audit), WIDTH)]
        ranked = list(audit.network_scores().values())[:NUM_RANKED]
        lines += [_item(f"{one.name}: {describe_network(audit, one)}") for one in ranked]
    if verdict.first:
        lines += ["", fill(f"look first at: {', '.join(verdict.first)}", WIDTH)]
    if verdict.not_tested:
        lines += ["", "not tested:", *(_item(note) for note in verdict.not_tested)]
    return "\n".join(lines)


def describe_ranking(audit: Audit) -> str:
    """Return what the order of the images rests on."""
    if audit.network is None:
        return "Images are ranked by their suspicion."
    rest = f" ({len(audit.network.skipped)} without a usable image come last)" if audit.network.skipped else ""
    return (
        f"Images are ranked by what {audit.network.num_folds} networks that never saw the label say against it as a "
        f"structure{rest}."
    )


def describe_network(audit: Audit, one: ImageScore) -> str:
    """Return what networks say against the label of one image."""
    told = "" if audit.network is None else audit.network.standing_out.get(one.name, "")
    return f"networks contradict {LOUDEST[one.kind]} most, score {one.score:.1f}{f'; {told}' if told else ''}"


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
