"""The claims of a study for people: a few lines below its table, Markdown, and the rows of its page.

A verdict is told by a word and a sign, never by colour alone.
"""

import textwrap
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from metastructure.study.hypotheses import SMALLEST_ADJUSTED

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


def format_claims(claims: pd.DataFrame) -> list[list[str]]:
    """Return header and rows as short texts; data, network and recipe are named where there are several."""
    where = _choose_context(claims)
    lines = [[*HEADER[:2], *where, *HEADER[2:]]]
    for row in claims.to_dict("records"):
        lines.append(
            [
                f"{SIGNS[row['verdict']]} {row['verdict']}",
                row["claim"],
                *(row[name] for name in where),
                NAMES[row["metric"], row["score"]],
                _difference(row),
                _p_of_verdict(row),
            ]
        )
    return lines


def describe_tests(claims: pd.DataFrame) -> str:
    """Return what the tests of these claims are, in a few sentences; empty for no claims."""
    if claims.empty:
        return ""
    margin, num_claims = claims["margin"].iloc[0], (claims["score"] == "image").sum()
    text = (
        "Left minus right in points, paired by seed and image. "
        f"~: less than {margin:g} {'point' if margin == 1 else 'points'} apart. "
        f"Verdicts at 5 % for all {num_claims} claims on a score together (Holm); intervals are not adjusted."
    )
    if (claims["seeds"] == 1).any():
        text += " One seed: these verdicts speak of this one seed only, not of what another training would give."
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
    text = f"p ≤ {SMALLEST_ADJUSTED}" if p <= SMALLEST_ADJUSTED else f"p {p:.3f}"
    return f"{text} against" if is_refuted else text
