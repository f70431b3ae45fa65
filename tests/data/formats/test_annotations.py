"""COCO, LabelMe and ImageJ regions: hand-worked polygons, the reference libraries, labels there and back."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import roifile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from metastructure.data.formats.class_names import name_class, number_classes
from metastructure.data.formats.coco import describe_coco, load_coco
from metastructure.data.formats.imagej_roi import load_rois, rois_of_label, write_rois
from metastructure.data.formats.labelme import describe_labelme, load_labelme
from metastructure.data.formats.regions import find_regions
from metastructure.errors import DataError

coco_mask = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools 2.0.11

# Two classes, a hole with an object in it, pixels that touch at a corner, IGNORE, objects at the border.
LABEL = np.array(
    [
        [1, 1, 1, 1, 1, 0, 2],
        [1, 0, 0, 0, 1, 0, 2],
        [1, 0, 2, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 255, 255],
        [1, 1, 1, 1, 1, 0, 255],
        [0, 0, 0, 0, 0, 1, 0],
    ],
    np.uint8,
)
LABELS = arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 6)), elements=st.sampled_from([0, 1, 2, 3, 255]))


def test_objects_touch_also_at_a_corner():
    found = [(region.klass, region.area_px, len(region.rings())) for region in find_regions(LABEL)]
    # class 1: the frame of 5 * 5 - 9 = 16 pixels with a hole, joined by its corner (4, 4) to the pixel (5, 5)
    assert found == [(1, 17, 2), (2, 2, 1), (2, 1, 1), (255, 3, 1)]


# --- COCO


def coco_file(path: Path, annotations: list[dict], **changed) -> Path:
    """A file of one image of 6 rows and 8 columns."""
    content = {
        "images": [{"id": 7, "file_name": "sub/a.jpg", "height": 6, "width": 8}],
        "categories": [{"id": 3, "name": "cell"}, {"id": 1, "name": "nucleus"}],
        "annotations": [{"id": k, "image_id": 7, "category_id": 3} | one for k, one in enumerate(annotations)],
    }
    path.write_text(json.dumps(content | changed), encoding="utf-8")
    return path


def test_a_polygon_is_x_before_y_and_a_later_one_wins(tmp_path: Path):
    annotations = [
        {"segmentation": [[1, 0, 5, 0, 5, 2, 1, 2], [6, 4, 9, 4, 9, 7, 6, 7]]},  # columns 1-4, rows 0-1, and cut off
        {"segmentation": [[4, 1, 6, 1, 6, 3, 4, 3]], "category_id": 1},
        {"segmentation": []},
        {"bbox": [1, 2, 3, 4]},
        {"segmentation": [[3.1, 3.1, 3.3, 3.1, 3.3, 3.3]]},  # covers no centre
    ]
    images, numbers = load_coco(coco_file(tmp_path / "c.json", annotations))
    (image,) = images
    assert (image.name, image.shape, image.num_skipped, len(image.regions)) == ("sub/a", (6, 8), 2, 3)
    assert numbers == {"cell": 3, "nucleus": 1, "background": 0, "ignore": 255}
    assert image.paint().tolist() == [
        [0, 3, 3, 3, 3, 0, 0, 0],
        [0, 3, 3, 3, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 3, 3],
        [0, 0, 0, 0, 0, 0, 3, 3],
    ]
    assert [region.area_px for region in image.regions] == [12, 4, 0]
    named, numbers = load_coco(tmp_path / "c.json", ["nucleus", "cell"])
    assert set(np.unique(next(named).paint())) == {0, 1, 2}
    assert (numbers["nucleus"], numbers["cell"]) == (1, 2)


def test_runs_in_both_forms_and_parts_in_one_annotation(tmp_path: Path):
    mask = np.zeros((6, 8), np.uint8)
    mask[1:4, 2] = mask[5, 7] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    forms = [{"size": [6, 8], "counts": packed["counts"].decode()}, {"size": [6, 8], "counts": [13, 3, 31, 1]}]
    for form in forms:
        images, _ = load_coco(coco_file(tmp_path / "c.json", [{"segmentation": form}]))
        np.testing.assert_array_equal(next(images).paint(), 3 * mask)


@settings(max_examples=40, deadline=None)
@given(LABELS)
def test_written_coco_is_what_the_reference_reads(label):
    content = describe_coco([("a.png", label)])
    painted = np.zeros_like(label)
    for one in content["annotations"]:
        H, W = label.shape
        segmentation = one["segmentation"]
        runs = coco_mask.frPyObjects(segmentation, H, W)
        if isinstance(segmentation, list):
            runs = coco_mask.merge(runs)
        assert coco_mask.area(runs) == one["area"]
        assert coco_mask.toBbox(runs).tolist() == one["bbox"]
        painted[coco_mask.decode(runs) == 1] = one["category_id"]
    np.testing.assert_array_equal(painted, label)


def test_every_label_comes_back_from_coco(tmp_path: Path):
    content = describe_coco([("a.png", LABEL), ("b.png", LABEL.T)], ["frame", "spot"])
    assert content["categories"] == [
        {"id": 1, "name": "frame"},
        {"id": 2, "name": "spot"},
        {"id": 255, "name": "ignore"},
    ]
    (tmp_path / "c.json").write_text(json.dumps(content))
    for classes in (None, ["frame", "spot"]):
        images, _ = load_coco(tmp_path / "c.json", classes)
        first, second = images
        np.testing.assert_array_equal(first.paint(), LABEL)
        np.testing.assert_array_equal(second.paint(), LABEL.T)


POLYGON = [[0, 0, 4, 0, 4, 4]]


@pytest.mark.parametrize(
    ("annotation", "changed", "complaint"),
    [
        ({"segmentation": [[9, 0, 12, 0, 12, 4]]}, {}, "annotation 0 of image 7: .* outside its image of 6 x 8"),
        ({"segmentation": [[-4, 0, 0, 0, 0, 4]]}, {}, "outside its image"),
        ({"segmentation": [[1, 2, 3]]}, {}, "pairs of x and y; this one has 3"),
        ({"segmentation": [[1, 2, 3, 4]]}, {}, "three corners or more; this one has 2"),
        ({"segmentation": POLYGON, "category_id": 9}, {}, "category 9 is not among"),
        ({"segmentation": POLYGON, "image_id": 9}, {}, "image 9 is not among"),
        ({"segmentation": {"size": [8, 6], "counts": [48]}}, {}, r"size \[8, 6\], its image \[6, 8\]"),
        ({"segmentation": {"size": [6, 8], "counts": [47]}}, {}, "sum to 6 x 8 = 48"),
        ({"segmentation": {"size": [6, 8], "counts": None}}, {}, "a text or a list"),
        ({"segmentation": POLYGON}, {"categories": None}, "no COCO file .categories"),
        ({"segmentation": POLYGON}, {"images": []}, "image 7 is not among"),
        ({"segmentation": POLYGON, "category_id": 300}, {"categories": [{"id": 300, "name": "x"}]}, "--classes"),
        ({}, {"images": [{"id": 7, "file_name": "../a.png", "height": 6, "width": 8}]}, r"without '\.\.'"),
        ({}, {"images": [{"id": 7, "file_name": "a.png", "height": 0, "width": 8}]}, "images.0.height"),
        (
            {},
            {
                "images": [
                    {"id": k, "file_name": f"a.{s}", "height": 6, "width": 8} for k, s in ((7, "png"), (8, "jpg"))
                ]
            },
            "the same file name but for the suffix",
        ),
    ],
)
def test_coco_that_cannot_be_used_is_named(tmp_path: Path, annotation: dict, changed: dict, complaint: str):
    path = coco_file(tmp_path / "c.json", [annotation], **changed)
    with pytest.raises(DataError, match=complaint) as caught:
        list(load_coco(path)[0])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_was_not_named_is_told(tmp_path: Path):
    path = coco_file(tmp_path / "c.json", [{"segmentation": POLYGON}])
    with pytest.raises(DataError, match=r"class 'cell' is not among the classes that were named \(nucleus\)"):
        load_coco(path, ["nucleus"])


# --- LabelMe


def labelme_file(path: Path, shapes: list[dict], **changed) -> Path:
    """Of an image of 5 rows and 7 columns."""
    content = {"shapes": shapes, "imageHeight": 5, "imageWidth": 7, "imagePath": "a.png", "imageData": None}
    path.write_text(json.dumps(content | changed), encoding="utf-8")
    return path


def test_labelme_shapes(tmp_path: Path):
    mask = io.BytesIO()
    Image.fromarray(np.array([[True, False], [True, True]])).save(mask, "PNG")
    shapes = [
        {"label": "b", "points": [[0, 0], [3, 0], [3, 2], [0, 2]]},
        {"label": "a", "points": [[6, 2], [4, 0]], "shape_type": "rectangle"},  # corners in any order
        {"label": "b", "points": [[2.5, 4.0], [2.5, 3.4]], "shape_type": "circle"},
        {
            "label": "ignore",
            "points": [[5, 3], [6, 4]],
            "shape_type": "mask",
            "mask": base64.b64encode(mask.getvalue()).decode(),
        },
        {"label": "a", "points": [[1, 1]], "shape_type": "point"},
    ]
    images, numbers = load_labelme([("a", labelme_file(tmp_path / "a.json", shapes))])
    (image,) = images
    assert (numbers["a"], numbers["b"], image.num_skipped) == (1, 2, 1)
    assert image.paint().tolist() == [
        [2, 2, 2, 0, 1, 1, 0],
        [2, 2, 2, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 2, 0, 0, 255, 0],  # centres (3.5, 2.5) and (4.5, 2.5) lie half a pixel from (4, 2.5), radius 0.6
        [0, 0, 2, 0, 0, 255, 255],
    ]


@settings(max_examples=40, deadline=None)
@given(LABELS)
def test_every_label_comes_back_from_labelme(tmp_path_factory, label):
    path = tmp_path_factory.mktemp("labelme") / "a.json"
    path.write_text(json.dumps(describe_labelme(label, "a.png")))
    images, _ = load_labelme([("a", path)])
    np.testing.assert_array_equal(next(images).paint(), label)


@pytest.mark.parametrize("turned", [LABEL, LABEL.T, LABEL[::-1, ::-1]])
def test_holes_come_back_from_formats_that_know_none(tmp_path: Path, turned: np.ndarray):
    (tmp_path / "a.json").write_text(json.dumps(describe_labelme(turned, "a.png")))
    images, _ = load_labelme([("a", tmp_path / "a.json")])
    np.testing.assert_array_equal(next(images).paint(), turned)
    write_rois(tmp_path / "a.zip", rois_of_label(turned))
    np.testing.assert_array_equal(load_rois(tmp_path / "a.zip", "a", turned.shape).paint(), turned)


@pytest.mark.parametrize(
    ("shapes", "changed", "complaint"),
    [
        ([], {"imageHeight": None}, "does not say how large"),
        ([{"label": "a", "points": [[8, 0], [9, 0], [9, 1]]}], {}, r"shape 1 \(a\): .* outside its image of 5 x 7"),
        ([{"label": "a", "points": [[0, 0], [1, 1]]}], {}, "three corners"),
        ([{"label": "a", "points": [[0, 0]], "shape_type": "circle"}], {}, "a circle has two points; this one has 1"),
        ([{"label": "a", "points": [[0, 0], [1, 1]], "shape_type": "mask"}], {}, "mask cannot be read"),
        ([{"points": []}], {}, "no LabelMe file .shapes.0.label"),
        ([{"label": "a", "points": [[0, 0], [1, float("nan")], [1, 1]]}], {}, "no finite number|no LabelMe file"),
    ],
)
def test_labelme_that_cannot_be_used_is_named(tmp_path: Path, shapes: list, changed: dict, complaint: str):
    path = labelme_file(tmp_path / "a.json", shapes, **changed)
    with pytest.raises(DataError, match=complaint) as caught:
        list(load_labelme([("a", path)])[0])
    assert str(path) in str(caught.value)


def test_the_file_with_a_class_too_many_is_named(tmp_path: Path):
    first = labelme_file(tmp_path / "a.json", [{"label": "a", "points": []}])
    second = labelme_file(tmp_path / "b.json", [{"label": "x", "points": []}])
    with pytest.raises(DataError, match=r"b\.json: the class 'x'"):
        load_labelme([("a", first), ("b", second)], ["a"])


# --- ImageJ


def save_rois(path: Path, *rois: roifile.ImagejRoi) -> Path:
    roifile.roiwrite(path, list(rois))
    return path


def test_regions_of_imagej(tmp_path: Path):
    kind = roifile.ROI_TYPE
    polygon = roifile.ImagejRoi.frompoints(np.array([[1, 0], [4, 0], [4, 2], [1, 2]]), name="p")
    polygon.roitype, polygon.group = kind.POLYGON, 2
    box = roifile.ImagejRoi(roitype=kind.RECT, top=3, left=5, bottom=5, right=7, name="r")
    oval = roifile.ImagejRoi(roitype=kind.OVAL, top=2, left=0, bottom=5, right=4, name="o", group=3)
    line = roifile.ImagejRoi(roitype=kind.LINE, x1=0, y1=0, x2=5, y2=5, name="l")
    path = save_rois(tmp_path / "a.zip", polygon, box, oval, line)
    found = load_rois(path, "a", (5, 7))
    assert (len(found.regions), found.num_skipped) == (3, 1)
    # the oval has centre (3.5, 2) and half axes 1.5 and 2: at row 2.5 it is 2 * sqrt(1 - (1 / 1.5)^2) = 1.49 wide to
    # either side, so that the centres 0.5 and 3.5, at 1.5, lie outside
    assert found.paint().tolist() == [
        [0, 2, 2, 2, 0, 0, 0],
        [0, 2, 2, 2, 0, 0, 0],
        [0, 3, 3, 0, 0, 0, 0],
        [3, 3, 3, 3, 0, 1, 1],
        [0, 3, 3, 0, 0, 1, 1],
    ]


def test_corners_between_pixels_are_kept(tmp_path: Path):
    roi = roifile.ImagejRoi.frompoints(np.array([[0.6, 0.0], [2.6, 0.0], [2.6, 1.0], [0.6, 1.0]], np.float32), name="s")
    found = load_rois(save_rois(tmp_path / "a.zip", roi), "a", (1, 4))
    assert found.paint().tolist() == [[0, 1, 1, 0]]


@settings(max_examples=30, deadline=None)
@given(LABELS)
def test_every_label_comes_back_from_imagej(tmp_path_factory, label):
    path = tmp_path_factory.mktemp("roi") / "a.zip"
    rois = rois_of_label(label)
    write_rois(path, rois)
    if rois:
        assert [one.name for one in roifile.roiread(path)] == [one.name for one in rois]
    np.testing.assert_array_equal(load_rois(path, "a", label.shape).paint(), label)


def test_names_give_the_class_and_a_set_is_written_anew(tmp_path: Path):
    write_rois(tmp_path / "a.zip", rois_of_label(LABEL))
    write_rois(tmp_path / "a.zip", rois_of_label(LABEL, ["frame", "spot"]))
    rois = roifile.roiread(tmp_path / "a.zip")
    assert [one.name for one in rois] == ["0001 frame", "0002 spot", "0003 spot", "0004 ignore"]
    for one in rois:
        one.group = 0
    save_rois(tmp_path / "b.zip", *rois)
    swapped = load_rois(tmp_path / "b.zip", "b", LABEL.shape, ["spot", "frame"]).paint()
    np.testing.assert_array_equal(swapped, np.array([0, 2, 1, *[0] * 252, 255])[LABEL])
    with pytest.raises(DataError, match=r"'0002 spot' must end in one of the classes frame"):
        load_rois(tmp_path / "b.zip", "b", LABEL.shape, ["frame"])


def test_imagej_files_that_cannot_be_used_are_named(tmp_path: Path):
    (tmp_path / "a.roi").write_bytes(b"no region")
    with pytest.raises(DataError, match=r"a\.roi: .*damaged"):
        load_rois(tmp_path / "a.roi", "a", (4, 4))
    rois = [
        roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, bottom=2, right=2, position=k, name=f"{k}") for k in (1, 3)
    ]
    with pytest.raises(DataError, match="2 planes of a stack"):
        load_rois(save_rois(tmp_path / "b.zip", *rois), "b", (4, 4))
    far = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=9, bottom=12, right=2, name="far")
    with pytest.raises(DataError, match=r"region 'far': .* outside its image of 4 x 4"):
        load_rois(save_rois(tmp_path / "c.zip", far), "c", (4, 4))


# --- names


def test_numbered_names_keep_their_numbers():
    assert number_classes(["class 10", "class 2"], None, "x")["class 10"] == 10
    assert number_classes(["class 10", "b"], None, "x")["class 10"] == 2  # alphabetical: b, class 10 -> 1, 2


def test_a_label_with_a_class_too_many_is_told():
    with pytest.raises(DataError, match=r"hold class 3, but 2 classes were named \(a, b\)"):
        name_class(3, ["background", "a", "b"])
