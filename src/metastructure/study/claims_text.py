"""The claims of a study for people: a few lines below its table, Markdown, and the rows of its page.

A verdict is told by a word and a sign, never by colour alone.
"""

import textwrap
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from metastructure.study.hypotheses import LEVEL, SMALLEST_ADJUSTED

SIGNS = {"supported": "✓", "refuted": "✗", "undecided": "?", "not run": "–"}
NAMES = {
    ("dice", "image"): "Dice",
    ("dice", "pooled"): "pooled Dice",
    ("miou", "image"): "mIoU an image",
    ("miou", "pooled"): "mIoU",
    ("", "image"): "image by image",
    ("", "pooled"): "pooled",
}
"""What people call a score, by the columns `metric` and `score`."""

WIDTH = 80
HEADER = ["verdict", "claim", "score", "left minus right [90 %]", "all claims together"]
REMARKS = "why undecided"

ENOUGH_SEEDS = 5
"""Below it a text says that power is low: the quantile of Student's t at LEVEL falls little from here on."""


ONE_SEED = "these verdicts speak of this one seed only, not of what another training would give."


def format_claims(claims: pd.DataFrame) -> list[list[str]]:
    """Return header and rows as short texts; data, network and recipe are named where there are several.

    Where a verdict is undecided, a last column says why.
    """
    where = _choose_context(claims)
    rows = claims.to_dict("records")
    remarks = [explain_undecided(row) for row in rows]
    lines = [[*HEADER[:2], *where, *HEADER[2:], *([REMARKS] if any(remarks) else [])]]
    for row, remark in zip(rows, remarks, strict=True):
        lines.append(
            [
                f"{SIGNS[row['verdict']]} {row['verdict']}",
                row["claim"],
                *(row[name] for name in where),
                NAMES[row["metric"], row["score"]],
                _difference(row),
                _p_of_verdict(row),
                *([remark] if any(remarks) else []),
            ]
        )
    return lines


def explain_undecided(row: Mapping[Hashable, Any]) -> str:
    """Return why a claim is undecided: both sides of ``~``, and what this study could have shown at best.

    Empty for another verdict, and where nothing could be tested. Half the interval is how far from 0, or from the
    margin, a difference must lie to be shown by a claim alone; where it is no less than the margin, not even a
    difference of 0 could have shown ``~``.
    """
    half = (row["high"] - row["low"]) / 2
    if row["verdict"] != "undecided" or np.isnan(half):
        return ""
    margin = row["margin"]
    is_equality = not np.isnan(row["p_above"])
    sides = f"above -{margin:g} {_show_p(row['p_above'])}, below +{margin:g} {_show_p(row['p_below'])}: "
    if row["p"] <= LEVEL:
        reason = f"shown alone ({_show_p(row['p'])}), not with all claims together"
    elif not is_equality:
        reason = f"this study shows no difference below {half:.2f}"
    elif half >= margin:
        reason = f"this study could not have shown it, half the interval, {half:.2f}, is no less than the margin"
    else:
        reason = f"shown only for differences below {margin - half:.2f}"
    return (sides if is_equality else "") + reason


def describe_seeds(num_seeds: int, num_claims: int) -> str:
    """Return what so few seeds mean for claims; empty where they are enough.

    Examples
    --------
    >>> describe_seeds(5, 2)
    ''
    """
    if num_seeds == 1:
        return f"One seed: {ONE_SEED}"
    if not 1 < num_seeds < ENOUGH_SEEDS:
        return ""
    alone, together = (float(student_t.isf(LEVEL / number, num_seeds - 1)) for number in (1, num_claims))
    text = f"{num_seeds} seeds: power is low, and undecided does not mean equal. Where seeds vary most, a difference "
    text += f"must exceed {alone:.1f} standard errors for one claim"
    return text + (f", {together:.1f} for the first of {num_claims}." if num_claims > 1 else ".")


def describe_tests(claims: pd.DataFrame) -> str:
    """Return what the tests of these claims are, in a few sentences; empty for no claims."""
    if claims.empty:
        return ""
    margin, num_claims = claims["margin"].iloc[0], int((claims["score"] == "image").sum())
    together = f"all {num_claims} claims on a score together (Holm)" if num_claims > 1 else "this one claim"
    text = (
        "Left minus right in points, paired by seed and image. "
        f"~: less than {margin:g} {'point' if margin == 1 else 'points'} apart; its p is the larger of its two sides. "
        f"Verdicts at 5 % for {together}; p “against” is that of the opposite; intervals are not adjusted."
    )
    seeds = describe_seeds(int(claims["seeds"].max()), num_claims)
    text += f" {seeds}" if seeds else ""
    if (claims["images"] == 1).any():
        text += " One image: these verdicts speak of this one image only."
    return text


def claims_to_text(claims: pd.DataFrame) -> str:
    """Return the claims in lines of at most 80 columns; empty for none."""
    if claims.empty:
        return ""
    where = _choose_context(claims)
    lines = ["Claims"]
    for _, rows in claims.groupby([*where, "claim"], sort=False):
        claim, context = rows["claim"].iloc[0], ", ".join(rows[name].iloc[0] for name in where)
        title = f"{claim}  ({context})" if context else claim
        lines += textwrap.wrap(title, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        for row in rows.to_dict("records"):
            numbers = f"{_difference(row):<26}{_p_of_verdict(row)}" if row["seeds"] else ""
            verdict = f"{SIGNS[row['verdict']]} {row['verdict']}"
            lines.append(f"  {verdict:<13}{NAMES[row['metric'], row['score']]:<16}{numbers}".rstrip())
            lines += textwrap.wrap(explain_undecided(row), WIDTH, initial_indent=" " * 15, subsequent_indent=" " * 15)
    return "\n".join([*lines, *textwrap.wrap(describe_tests(claims), WIDTH)]) + "\n"


def claims_to_markdown(claims: pd.DataFrame) -> str:
    """Return `format_claims` as a Markdown table with what was tested below it; empty for none."""
    if claims.empty:
        return ""
    header, *rows = format_claims(claims)
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"{table}\n\n{describe_tests(claims)}\n"


def _choose_context(claims: pd.DataFrame) -> list[str]:
    return [name for name in ("data", "network", "recipe") if claims[name].nunique() > 1]


def _difference(row: Mapping[Hashable, Any]) -> str:
    if np.isnan(row["difference"]):
        return "–"
    text = f"{row['difference']:+.2f}"
    return text if np.isnan(row["low"]) else f"{text} [{row['low']:+.2f}, {row['high']:+.2f}]"


def _p_of_verdict(row: Mapping[Hashable, Any]) -> str:
    """Return the adjusted p-value of the claim, or for a refuted one of its opposite."""
    is_refuted = row["verdict"] == "refuted"
    p = row["p_opposite" if is_refuted else "p_adjusted"]
    if np.isnan(p):
        return "–"
    return f"{_show_p(p)} against" if is_refuted else _show_p(p)


def _show_p(p: float) -> str:
    return f"p ≤ {SMALLEST_ADJUSTED}" if p <= SMALLEST_ADJUSTED else f"p {p:.3f}"
