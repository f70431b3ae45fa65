"""What an audit leaves behind: verdict, tables, regions and page."""

import csv
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import roifile
import tifffile

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_outputs import AuditedFiles, images_table, number_objects, objects_table, paint_regions
from metastructure.audit.audit_result import Audit, Confidence, Finding, Kind, ObjectAudit
from metastructure.audit.verdict import judge
from metastructure.data.files import save_image
from metastructure.data.synthetic import generate
from metastructure.errors import DataError
from metastructure.noise import corrupt, parse_noise
from metastructure.report.audit_page import render_audit, write_audit
from metastructure.report.audit_text import to_text
from metastructure.structure.estimate import Estimate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of nuclei whose labels reach 2 px too far; one name has to be escaped."""
    root = tmp_path_factory.mktemp("audited")
    for index in range(6):
        image, label = generate("nuc", seed=1, index=index, height=96, width=96)
        noisy = corrupt(label, parse_noise("dilate:2"), seed=0, item=str(index), num_classes=2)
        name = f"sub/a <b> & {index}"
        save_image(root / f"images/{name}.png", image)
        save_image(root / f"labels/{name}.tif", noisy)
    return root


@pytest.fixture(scope="module")
def audit(folder: Path) -> Audit:
    return audit_folder(folder / "images", folder / "labels")


def with_findings(audit: Audit, **confidences: Confidence) -> Audit:
    """Return the audit with the evidence of every kind "none" but for those named."""
    changed = [one.model_copy(update={"confidence": confidences.get(one.kind, "none")}) for one in audit.findings]
    return audit.model_copy(update={"findings": tuple(changed)})


def finding(kind: Kind, value: float, low: float, high: float, confidence: Confidence) -> Finding:
    evidence = Estimate(value=value, low=low, high=high, reason=None)
    return Finding(kind=kind, evidence=evidence, unit="px", confidence=confidence, sentence="It is so.", null="none")


@pytest.mark.parametrize(
    ("confidences", "level"),
    [
        ({}, "harmless"),
        ({"random": "clear"}, "harmless"),
        ({"bias": "clear"}, "costs"),
        ({"bias": "weak", "missing": "weak"}, "harmless"),
        ({"missing": "clear"}, "fix first"),
        ({"bias": "clear", "moved": "clear"}, "fix first"),
        ({"missing": "not tested"}, "cannot tell"),
        ({"outlier": "clear", "empty": "clear"}, "harmless"),
        ({"missing": "not tested", "empty": "clear"}, "cannot tell"),
    ],
)
def test_the_level_follows_from_what_is_clear(audit: Audit, confidences: dict[str, Confidence], level: str) -> None:
    assert judge(with_findings(audit, **confidences)).level == level


def test_random_noise_beyond_repair_is_no_harmless_one(audit: Audit) -> None:
    ruined = with_findings(audit, random="clear")
    sigma = Estimate(value=0.01, low=0.0, high=0.02, reason=None)
    ruined = ruined.model_copy(update={"random": ruined.random.model_copy(update={"sigma_min": sigma})})
    assert judge(ruined).level == "fix first"


def test_the_cost_is_what_labels_lose_when_moved_back(tmp_path: Path, audit: Audit) -> None:
    half = np.zeros((40, 40), dtype=np.uint8)
    half[:, :20] = 1  # a straight boundary: moved back by 2 px, 18 columns of the 20 are left
    save_image(tmp_path / "a.png", half)
    bias = finding("bias", 2.0, 1.0, 3.0, "clear")
    others = tuple(one for one in with_findings(audit).findings if one.kind != "bias")
    update = {"findings": (bias, *others), "labels": str(tmp_path), "num_classes": 2}
    verdict = judge(audit.model_copy(update=update))
    assert verdict.cost is not None
    expected = [100 * (1 - 2 * kept / (kept + 20)) for kept in (18, 19, 17)]
    assert [verdict.cost.points, verdict.cost.low, verdict.cost.high] == pytest.approx(expected)
    assert verdict.level == "costs"
    assert "about 5.3 Dice points (2.6 to 8.1)" in verdict.headline


def test_a_bias_that_costs_next_to_nothing_is_told_and_not_warned_of(tmp_path: Path, audit: Audit) -> None:
    halves = np.zeros((200, 200), dtype=np.uint8)
    halves[:, :100] = 1
    save_image(tmp_path / "a.png", halves)
    bias = finding("bias", 0.2, 0.1, 0.3, "clear")
    others = tuple(one for one in with_findings(audit).findings if one.kind != "bias")
    update = {"findings": (bias, *others), "labels": str(tmp_path), "num_classes": 2}
    verdict = judge(audit.model_copy(update=update))
    assert verdict.level == "harmless"
    assert verdict.cost is not None
    assert verdict.cost.points == pytest.approx(20 * (1 - 2 * 99 / 199))  # a fifth of the way to 1 px
    assert "It is so." in verdict.sentences


def test_only_images_beyond_chance_are_named(audit: Audit) -> None:
    limit = 1 - 0.05 / 6
    suspicions = [limit + 1e-6, limit - 1e-6, 1.0, 0.5, 0.0, 0.9]
    images = tuple(
        one.model_copy(update={"suspicion": value}) for one, value in zip(audit.images, suspicions, strict=True)
    )
    verdict = judge(audit.model_copy(update={"images": images}))
    assert verdict.first == (images[2].name, images[0].name)


def suspect(image: str, why: str, box: tuple[int, int, int, int], area: int, score: float = 0.5) -> ObjectAudit:
    row, column = (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2
    return ObjectAudit(image=image, klass=1, row=row, column=column, box=box, area_px=area, score=score, why=why)  # type: ignore[arg-type]


def test_regions_are_the_objects_or_the_boxes_of_missing_ones() -> None:
    label = np.zeros((8, 9), dtype=np.uint8)
    label[1:3, 1] = label[2, 2] = 1  # three pixels of a box of four
    label[1, 2] = 0
    found = number_objects([suspect("a", "spurious", (1, 1, 3, 3), 3), suspect("a", "missing", (5, 6, 7, 9), 5)])
    expected = np.zeros((8, 9), dtype=int)
    expected[1:3, 1] = expected[2, 2] = 1
    expected[5:7, 6:9] = 2
    assert paint_regions(label, found).tolist() == expected.tolist()


def test_numbers_start_anew_in_each_image() -> None:
    objects = [suspect(name, "box", (0, 0, 2, 2), 4, score) for name, score in (("b", 0.9), ("a", 0.3), ("b", 0.1))]
    assert [(number, one.image, one.score) for number, one in number_objects(objects)] == [
        (1, "a", 0.3),
        (1, "b", 0.9),
        (2, "b", 0.1),
    ]
    rows = list(csv.DictReader(objects_table(number_objects(objects)).splitlines()))
    assert [(row["image"], row["region"], row["bottom"]) for row in rows] == [
        ("a", "1", "2"),
        ("b", "1", "2"),
        ("b", "2", "2"),
    ]


def test_the_table_of_images_is_ranked_and_leaves_what_is_undefined_empty(audit: Audit) -> None:
    values = [0.1, 0.9, 0.5, 0.2, 0.3, 0.4]
    images = [one.model_copy(update={"suspicion": value}) for one, value in zip(audit.images, values, strict=True)]
    images[1] = images[1].model_copy(update={"shift_px": float("nan")})
    rows = list(csv.DictReader(images_table(audit.model_copy(update={"images": tuple(images)})).splitlines()))
    assert [float(row["suspicion"]) for row in rows] == sorted(values, reverse=True)
    assert rows[0]["shift_px"] == ""
    assert {"moved_row_px", "moved_column_px"} < set(rows[0])


def test_everything_is_written_and_can_be_read_again(audit: Audit, tmp_path: Path) -> None:
    objects = [suspect(audit.images[0].name, "missing", (5, 6, 15, 26), 80)]
    told = audit.model_copy(update={"objects": tuple(objects)})
    page = write_audit(told, judge(told), tmp_path / "out", "metastructure audit")
    content = json.loads((tmp_path / "out/audit.json").read_text(encoding="utf-8"))
    assert content["verdict"]["level"] in {"costs", "fix first"}
    assert Audit.model_validate(content["audit"]).num_images == 6
    regions = tmp_path / "out/regions" / audit.images[0].name
    painted = tifffile.imread(f"{regions}.tif")
    assert (painted.dtype, painted.shape, int((painted == 1).sum())) == (np.uint16, (96, 96), 200)
    with ZipFile(f"{regions}.zip") as rois:
        roi = roifile.ImagejRoi.frombytes(rois.read(rois.namelist()[0]))
    assert (roi.left, roi.top, roi.right, roi.bottom, roi.name) == (6, 5, 26, 15, "0001 missing")
    text = page.read_text(encoding="utf-8")
    assert "a &lt;b&gt; &amp; 0" in text
    assert "<b>" not in text
    for known in ("http-equiv", "http://www.w3.org", "http://purl.org", "http://creativecommons.org"):
        text = text.replace(known, "")
    assert "http" not in text


def test_labels_alone_can_be_audited_and_shown(folder: Path) -> None:
    alone = audit_folder(None, folder / "labels")
    verdict = judge(alone)
    assert verdict.level == "cannot tell"
    html = render_audit(alone, verdict)
    assert "without images" in html
    assert 'alt="Image' not in html
    assert max(map(len, to_text(alone, verdict).splitlines())) <= 79


def write_noisy(root: Path, noise: str, num: int = 10) -> Path:
    for index in range(num):
        image, label = generate("nuc", seed=2, index=index, height=96, width=96)
        noisy = corrupt(label, parse_noise(noise), seed=0, item=str(index), num_classes=2)
        save_image(root / f"images/{index}.png", image)
        save_image(root / f"labels/{index}.png", noisy)
    return root


@pytest.mark.parametrize(
    ("noise", "num", "level", "told"),
    [
        ("clean", 10, "harmless", "no error was found that would matter"),
        ("sample:0.1", 10, "cannot tell", "are random errors"),
        ("flip:0.45", 10, "cannot tell", "No structure was found"),
        ("random:0.5", 10, "cannot tell", "No structure was found"),
        ("dilate:3+flip:0.2", 10, "cannot tell", "are random errors"),
        ("dilate:3", 10, "costs", "metastructure repair --method shift:-"),
        ("dilate:3", 1, "cannot tell", "one image says too little"),
    ],
)
def test_verdicts_on_labels_of_a_known_noise(tmp_path: Path, noise: str, num: int, level: str, told: str) -> None:
    root = write_noisy(tmp_path, noise, num)
    verdict = judge(audit_folder(root / "images", root / "labels"))
    assert (verdict.level, told in verdict.headline) == (level, True), verdict.headline


def test_masks_among_labels_are_told_with_their_names(tmp_path: Path) -> None:
    root = write_noisy(tmp_path, "clean")
    mask = 255 * generate("nuc", seed=2, index=3, height=96, width=96)[1].astype(np.uint8)
    save_image(root / "labels/3.png", mask)
    verdict = judge(audit_folder(root / "images", root / "labels"))
    assert verdict.level == "cannot tell"
    assert "1 of 10 labels hold 0 and 255 only (3)" in verdict.headline


def test_files_are_found_as_the_audit_found_them(tmp_path: Path) -> None:
    root = write_noisy(tmp_path, "clean", 2)
    (root / "labels/0.png").rename(root / "labels/0.Png")
    save_image(root / "labels/1.jpg", np.zeros((5, 5), dtype=np.uint8))  # a preview beside the label
    files = AuditedFiles(audit_folder(root / "images", root / "labels"))
    assert [files.load_label(name).shape for name in "01"] == [(96, 96), (96, 96)]
    with pytest.raises(DataError, match="not there any more"):
        files.load_label("2")


def test_what_random_pixels_hide_is_not_told_as_absent(audit: Audit) -> None:
    noisy = with_findings(audit, random="clear")
    share = Estimate(value=0.3, low=0.29, high=0.31, reason=None)
    noisy = noisy.model_copy(update={"random_share": share})
    told = to_text(noisy, judge(noisy)).replace("\n  ", " ")
    absent, _, untested = told.partition("not tested:")
    assert "too many random pixels to tell" in untested
    assert "moved against their images" in untested
    assert "moved against their images" not in absent
    assert "duplicates" in absent


def test_a_folder_of_two_sets_of_classes_is_doubted(tmp_path: Path) -> None:
    for name, kind in (("cells", "nuc"), ("roads", "street")):
        for index in range(3):
            image, label = generate(kind, seed=7, index=index, height=96, width=96)
            image = image if image.ndim == 2 else image.mean(axis=2)
            save_image(tmp_path / "images" / f"{name}{index}.png", image.astype(np.uint8))
            save_image(tmp_path / "labels" / f"{name}{index}.png", label.astype(np.uint8))
    verdict = judge(audit_folder(tmp_path / "images", tmp_path / "labels"))
    assert verdict.level != "harmless"
    assert any("3 of 6 labels hold at most 2 classes each, the others" in note for note in verdict.not_tested)
    alone = judge(audit_folder(None, tmp_path / "labels")).not_tested
    assert any(note.startswith("whether two sets of classes are mixed") for note in alone)
    for path in (tmp_path / "labels").glob("cells*"):
        path.unlink()
    assert not any("mixed" in note for note in judge(audit_folder(None, tmp_path / "labels")).not_tested)
