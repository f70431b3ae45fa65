"""What came of segmenting a folder in words: for the terminal, and sentences that the page shares."""

from collections.abc import Sequence
from math import isnan
from statistics import median

from metastructure.counts import count
from metastructure.unsupervised.folder_result import DOUBTED_SHARE, Comparison, FolderSegmentation, flatten

MOST_NAMED = 5


def to_text(found: FolderSegmentation | Comparison) -> str:
    """Return what came of one method, or of several."""
    return "\n".join(_tell_one(found) if isinstance(found, FolderSegmentation) else _tell_several(found))


def _tell_one(found: FolderSegmentation) -> list[str]:
    before = len(found.items) - found.num_new
    lines = [
        f"{count(len(found.items), 'label')} in {found.labels} by {found.method['name']}"
        + (f", {before} done before" if before else ""),
        f"object: {describe_shares(found)} of an image",
        *describe_assumptions(found),
        *describe_over_half(found),
    ]
    if found.odd:
        lines.append("look at: " + name_some([f"{item.file} ({item.remark})" for item in found.odd]))
    if found.fitted is not None:
        lines.append(f"the same for other images: --fitted {found.fitted}")
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _tell_several(found: Comparison) -> list[str]:
    width = max(len(one.title) for one in found.methods)
    rows = [
        f"{one.title:<{width}}  {describe_seconds(one.result):>8}  object {describe_shares(one.result)}"
        for one in found.methods
    ]
    notes = [f"note: {one.title}: {note}" for one in found.methods for note in one.result.notes]
    over = [f"{one.title}: {told}" for one in found.methods for told in describe_over_half(one.result)]
    assumed = describe_assumptions(found.methods[0].result) if found.methods else []
    return [
        f"{count(len(found.methods), 'method')}, labels in {found.out}/METHOD/labels",
        *rows,
        *assumed,
        *over,
        *notes,
    ]


def describe_failures(found: FolderSegmentation | Comparison) -> str:
    """Return what has no label and why in one line, or nothing."""
    results = [found] if isinstance(found, FolderSegmentation) else [one.result for one in found.methods]
    reasons = list({reason: None for result in results for reason in result.failures.values()})
    told = []
    if isinstance(found, Comparison) and found.failed:
        told += [f"{len(found.failed)} of {len(found.failed) + len(found.methods)} methods failed."]
        told += [f"{title}: {reason}" for title, reason in found.failed.items()]
    if reasons:
        told += [
            f"{count(len(reasons), 'image')} could not be labelled; the others have labels.",
            *reasons[:MOST_NAMED],
        ]
        told += [f"And {len(reasons) - MOST_NAMED} more."] if len(reasons) > MOST_NAMED else []
    return " ".join(told)


def name_some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are.

    Examples
    --------
    >>> name_some(["a", "b"]), name_some(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def describe_assumptions(found: FolderSegmentation) -> list[str]:
    """Return sentences on what the labels rest on: the side of the objects, how sure it is, and mixed channels."""
    told = _describe_side(found)
    if found.mixed:
        seen = "in grey" if found.channels == 1 else "in colour"
        told.append(f"Grey and colour images are mixed: the method saw all of them {seen}.")
    return told


def describe_over_half(found: FolderSegmentation) -> list[str]:
    """Return a sentence on labels against the assumption that objects are the smaller part, if it was made."""
    over = [item.file for item in found.items if item.foreground > 0.5]
    if not over or isnan(found.side_share):
        return []
    return [
        f"In {len(over)} of {count(len(found.items), 'image')} the objects fill more than half, which goes against "
        f"that: {name_some(over)}."
    ]


def _describe_side(found: FolderSegmentation) -> list[str]:
    side, other = found.side, "dark" if found.side == "bright" else "bright"
    if isnan(found.side_share):
        origin = "as was given" if found.fitted in (None, found.out) else "as in the images the method was fitted to"
        return [f"Objects are {side}er than what surrounds them, {origin}."]
    votes = f" in {round(found.side_share * found.num_asked)} of the {found.num_asked} images that show something"
    told = [
        f"Objects are taken to be {side}er than what surrounds them: the {side}er part is the smaller one"
        f"{votes if found.num_asked > 1 else ''}. If that is wrong, give --side {other}."
    ]
    if found.side_share < DOUBTED_SHARE:
        told.append("That is no clear majority: look at the labels before you use them.")
    return told


def describe_shares(found: FolderSegmentation) -> str:
    """Return the median and the range of the foreground shares."""
    shares = [100 * item.foreground for item in found.items]
    if len(shares) == 1:
        return f"{shares[0]:.1f} %"
    return f"median {median(shares):.1f} %, {min(shares):.1f} to {max(shares):.1f} %"


def describe_seconds(found: FolderSegmentation) -> str:
    """Return how long fitting and labelling took."""
    return f"{found.fit_seconds + found.label_seconds:.1f} s"


def describe_settings(found: FolderSegmentation) -> str:
    """Return the settings of the method, defaults too."""
    return ", ".join(f"{key}={value}" for key, value in flatten(found.method).items() if key != "name") or "none"
