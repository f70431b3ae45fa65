"""Claims as text: what is written is what is meant, and mistakes are told with their place."""

from pathlib import Path

import pytest

from metastructure.errors import ConfigError
from metastructure.noise import parse_noise
from metastructure.study import StudySpec, load_study
from metastructure.study.claims import parse_claim

STUDY = """
name: s
data: {{a: /x}}
noises: [clean, "flip:0.45", "classflip:[0.1,0.6]", "sample:0.1 + dilate:2", "dilate:2 at 0.3"]
recipes: {{plain: {{}}, density: {{epochs: 3}}}}
{more}
"""


def _load(folder: Path, more: str) -> StudySpec:
    (folder / "s.yaml").write_text(STUDY.format(more=more), encoding="utf-8")
    return load_study(folder / "s.yaml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sample:0.10~clean", ("sample:0.1", None, "~", "clean", None)),
        ("  flip: 0.45 [density] > flip:.45[ plain ]", ("flip:0.45", "density", ">", "flip:0.45", "plain")),
        ("classflip:[0.1,0.6] < clean", ("classflip:[0.1,0.6]", None, "<", "clean", None)),
        ("classflip: [0.1,0.6] < clean", ("classflip:[0.1,0.6]", None, "<", "clean", None)),
        ("classflip:rates=[0.1,0.6] [x-1] ~ clean [y]", ("classflip:[0.1,0.6]", "x-1", "~", "clean", "y")),
        ("sample:0.1 + dilate:2 at 0.3 [a] < clean [a]", ("sample:0.1 + dilate:2 at 0.3", "a", "<", "clean", "a")),
        ("(sample:0.1 + dilate:2) at 0.3 ~ (clean)", ("(sample:0.1 + dilate:2) at 0.3", None, "~", "clean", None)),
        ("sample:0.1,fill=ignore [a] ~ clean [b]", ("sample:0.1,fill=ignore", "a", "~", "clean", "b")),
        ("matrix:[[0.9,0.1],[0.2,0.8]] > clean", ("matrix:[[0.9,0.1],[0.2,0.8]]", None, ">", "clean", None)),
    ],
)
def test_sides_are_told_apart(text: str, parts: tuple[str | None, ...]) -> None:
    claim = parse_claim(text)
    assert (claim.left.noise, claim.left.recipe, claim.relation, claim.right.noise, claim.right.recipe) == parts
    assert parse_claim(str(claim)) == claim
    assert claim.left.noise == str(parse_noise(claim.left.noise))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flip:0.3 clean", r"one of ~ < > is missing"),
        ("flip:0.3 = clean", r"one of ~ < > is missing between two noises \(~ equal within the margin, < left below "),
        ("flip:0.3 <= clean", r"column 10: unknown relation '<='; there are ~ equal within the margin, < left below "),
        ("flip:0.3 > = clean", r"column 10: unknown relation '> ='"),
        ("sample:0,fill=ignore == clean", r"column 22: unknown relation '=='"),
        ("flip:0.3 ≤ clean", r"unknown relation '≤'"),
        ("flip:0.3 != clean", r"unknown relation '!='"),
        ("flip:0.3 << clean", r"unknown relation '<<'"),
        ("a < b < c", r"column 7: a second '<'"),
        (" ~ clean", r"column 1: a noise is missing before '~'"),
        ("clean <", r"column 8: a noise is missing after '<'"),
        ("flip:2 ~ clean", r"before '~': noise 'flip:2', at '2' \(column 6\)"),
        ("clean ~ flpi:0.3", r"after '~': noise 'flpi:0.3', at 'flpi' \(column 1\): unknown noise; did you mean"),
        ("clean [] ~ clean [a]", r"column 7: a recipe is missing in the brackets"),
        ("[a] ~ clean [b]", r"before '~': noise '\[a\]'"),
        ("flip:0.3 [a] ~ clean", r"on both sides or on neither"),
        ("flip:0.30 ~ flip:0.3", r"both sides are 'flip:0.3'"),
        ("flip:0.3 [a ~ clean", r"one of ~ < > is missing"),
        (3, r"a claim is a text such as .*; got int 3"),
    ],
)
def test_mistakes_are_told_with_their_place(text: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_claim(text)


def test_a_study_holds_its_claims_in_canonical_text(tmp_path: Path) -> None:
    study = _load(
        tmp_path, "claims:\n- flip:.45 [density] > flip:0.45 [plain]\n- clean ~ sample:0.10+dilate:2\nmargin: 0.5"
    )
    assert study.claims == ("flip:0.45 [density] > flip:0.45 [plain]", "clean ~ sample:0.1 + dilate:2")
    assert study.margin == 0.5
    assert StudySpec.model_validate_json(study.model_dump_json()) == study
    assert _load(tmp_path, "claims: flip:0.45 < clean").claims == ("flip:0.45 < clean",)


def test_claims_change_no_run(tmp_path: Path) -> None:
    without = _load(tmp_path, "")
    assert (without.claims, without.margin) == ((), 1.0)
    claiming = _load(tmp_path, "claims: [flip:0.45 < clean, flip:0.45 ~ clean]\nmargin: 2")
    assert [run.identity for run in claiming.runs()] == [run.identity for run in without.runs()]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("claims: [flip:0.4 ~ clean]", r"claim 'flip:0.4 ~ clean': the study has no noise 'flip:0.4'; it has clean, "),
        ("claims: clean [plain] ~ clean [dense]", r"no recipe 'dense'; it has plain, density"),
        ("claims: [flip:0.45 < clean, 'flip:.45<clean']", r"claims lists 'flip:0.45 < clean' twice"),
        ("claims: [flip:0.45 clean]", r"claims\.0: claim 'flip:0.45 clean': one of ~ < > is missing"),
        ("claims: [flip:0.45 < clean]\nmargin: 2", r"margin says when claims with ~ hold and the study has none"),
        ("margin: 0", r"margin: input should be greater than 0"),
        ("margin: .nan", r"margin: "),
    ],
)
def test_a_study_refuses_claims_it_cannot_test(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, more)
