"""The pages of a segmentation: escaped, self-contained, bounded, what needs a look first."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metastructure.data.files import save_image
from metastructure.report import segment_page
from metastructure.report.segment_page import render_segment_page, write_segment_page
from metastructure.report.segment_text import describe_assumptions, describe_failures, describe_over_half, to_text
from metastructure.report.thumbnails import (
    LEAST_SIDE_PX,
    LINE,
    OBJECT_COLOUR,
    TINT,
    choose_side_px,
    encode_jpeg,
    show_over,
    show_small,
)
from metastructure.unsupervised.compare_methods import compare_methods
from metastructure.unsupervised.folder_result import FolderSegmentation
from metastructure.unsupervised.segment_folder import segment_folder

VOID = {"meta", "link", "img", "br", "input"}


class Tags(HTMLParser):
    """Checks that every element is closed in turn, and keeps what the images are called."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.alts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alts.append(dict(attrs)["alt"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Tags:
    """The page parsed; it asks nothing of any network."""
    assert set(re.findall(r'(?:src|href)="(?!data:|#)([^"]*)', html)) == set()
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


def disc(column: int = 12) -> np.ndarray:
    rows, columns = np.mgrid[:24, :30]
    return np.where((rows - 9) ** 2 + (columns - column) ** 2 <= 16, 200, 30).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images below a folder whose name is mark-up; two of them need a look."""
    root = tmp_path / "<b>&" / "in"
    save_image(root / "a<script>.png", disc())
    save_image(root / "flat.png", np.full((12, 12), 7, np.uint8))
    save_image(root / "k.png", np.stack([disc(8)] * 3, axis=2))
    save_image(root / "turned.png", 255 - disc())
    save_image(root / "z.png", disc(20))
    (root / "bad.png").write_bytes(b"no image")
    return root


def test_what_needs_a_look_comes_first(folder: Path, tmp_path: Path) -> None:
    found = segment_folder(folder, tmp_path / "out", "otsu")
    page = write_segment_page(found, "segment '<i>'")
    assert page == tmp_path / "out/page.html"
    html = page.read_text(encoding="utf-8")
    assert html.count("<script") == 1  # the page's own
    assert "<i>" not in html
    shown = [alt.removeprefix("Image ") for alt in read(html).alts if alt.startswith("Image ")]
    assert shown == ["flat.png", "turned.png", "a<script>.png", "k.png", "z.png"]
    assert len(read(html).alts) == 10
    assert html.index("Without a label") < html.index("Look at these") < html.index("The others")
    for told in ("3 of the 4 images that show something", "In 1 of 5 images", "all of them in grey", "otsu", "numpy"):
        assert told in html
    assert html == render_segment_page(found, "segment '<i>'")


def test_a_large_folder_makes_no_large_page(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_page, "MOST_SHOWN", 3)
    monkeypatch.setattr(segment_page, "MOST_ODD", 1)
    found = segment_folder(folder, tmp_path / "out", "otsu")
    html = render_segment_page(found)
    shown = [alt.removeprefix("Image ") for alt in read(html).alts if alt.startswith("Image ")]
    assert shown == ["flat.png", "a<script>.png", "z.png"]
    assert "1 of them, evenly spread" in html
    assert "2 of 3, evenly spread over the file names" in html


def test_noisy_images_of_any_size_stay_small() -> None:
    """A hundred pairs have to fit into 5 MB, and so have fewer, which are larger."""
    rng = np.random.default_rng(0)
    image, label = rng.normal(100, 20, (500, 450)), rng.integers(0, 2, (500, 450)).astype(np.uint8)
    assert choose_side_px(200) == LEAST_SIDE_PX
    for num_pairs in (100, 50, 24):
        small = show_small(image, choose_side_px(2 * num_pairs))
        over = show_over(small, label)
        assert small.shape == over.shape
        assert max(small.shape) == choose_side_px(2 * num_pairs)
        assert num_pairs * (len(encode_jpeg(small)) + len(encode_jpeg(over))) < 4_900_000


def test_side_by_side(folder: Path, tmp_path: Path) -> None:
    found = compare_methods(folder, tmp_path / "out", ["otsu", "adaptive:kind=mean", "li"])
    found = found.model_copy(update={"failed": {"iic": "it <u>diverged</u>"}})
    html = write_segment_page(found, "segment '<i>'").read_text(encoding="utf-8")
    alts = read(html).alts
    assert len(alts) == 5 * 4
    assert alts[4:8] == [
        "Image flat.png",
        *(f"Label of {name} over flat.png" for name in ("otsu", "adaptive:kind=mean", "li")),
    ]
    assert "it &lt;u&gt;diverged" in html
    cells = re.findall(r'<td style="background:[^"]*">([^<]*)</td>', html)
    assert cells == [f"{dice:.2f}" for row in found.agreement for dice in row]
    assert "bad.png: the file cannot be read" in html


def test_of_many_images_a_dozen_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(14):
        save_image(tmp_path / f"in/{index:02d}.png", disc(5 + index))
    found = compare_methods(tmp_path / "in", tmp_path / "out", ["otsu"])
    rows = [alt for alt in read(segment_page.render_compare_page(found)).alts if alt.startswith("Image ")]
    assert len(rows) == 12
    assert (rows[0], rows[-1]) == ("Image 00.png", "Image 13.png")


def test_an_object_is_tinted_and_outlined_by_hand() -> None:
    small = np.full((5, 6, 3), 100, dtype=np.uint8)
    label = np.zeros((5, 6), dtype=np.uint8)
    label[1:4, 1:4] = 1
    over = show_over(small, label)
    red = over[..., 0]  # of the colour: 213, d5
    assert OBJECT_COLOUR[1:3] == "d5"
    line, tint = 100 * (1 - LINE) + 213 * LINE, 100 * (1 - TINT) + 213 * TINT
    np.testing.assert_allclose(red[1], [100, line, line, line, 100, 100], atol=0.5)  # rounded
    np.testing.assert_allclose(red[2], [100, line, tint, line, 100, 100], atol=0.5)
    cut = np.zeros((5, 6), dtype=np.uint8)
    cut[:, 3:] = 1  # the edge of the image is no outline
    np.testing.assert_allclose(show_over(small, cut)[0, :, 0], [100, 100, 100, line, tint, tint], atol=0.5)
    thin = np.zeros((50, 60), dtype=np.uint8)
    thin[:, 25] = 1  # a tenth of the pixels of one column
    thin_red = show_over(small, thin)[..., 0]
    np.testing.assert_allclose(thin_red, 5 * [[100, 100, 100 + 113 * TINT / 10, 100, 100, 100]], atol=0.5)


def test_pictures_keep_their_shape_and_are_pictures() -> None:
    small = show_small(np.arange(4000.0).reshape(40, 100), 50)
    assert small.shape == (20, 50, 3)
    assert show_small(np.arange(12.0).reshape(3, 4), 50).shape == (3, 4, 3)
    kind, content = encode_jpeg(small).split(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.size == (50, 20)


@pytest.fixture
def found(folder: Path, tmp_path: Path) -> FolderSegmentation:
    return segment_folder(folder, tmp_path / "out", "otsu")


def test_doubt_is_told(found: FolderSegmentation) -> None:
    sure = found.model_copy(update={"side": "dark", "side_share": 0.9, "num_asked": 10})
    assert describe_assumptions(sure)[0].startswith("Objects are taken to be darker than what surrounds them")
    assert "in 9 of the 10 images" in describe_assumptions(sure)[0]
    assert "give --side bright" in describe_assumptions(sure)[0]
    assert not any("no clear majority" in one for one in describe_assumptions(sure))
    assert any("no clear majority" in one for one in describe_assumptions(sure.model_copy(update={"side_share": 0.6})))
    given = found.model_copy(update={"side_share": float("nan")})
    assert describe_over_half(given) == []
    assert "turned.png" in describe_over_half(found)[0]
    assert "look at: flat.png (constant image), turned.png (nearly full)" in to_text(found)


def test_failures_are_cut(found: FolderSegmentation) -> None:
    many = found.model_copy(update={"failures": {f"{k}.png": f"{k}.png: bad." for k in range(7)}})
    told = describe_failures(many)
    assert told.startswith("7 images could not be labelled; the others have labels. 0.png: bad. ")
    assert told.endswith("4.png: bad. And 2 more.")
    assert describe_failures(found.model_copy(update={"failures": {}})) == ""
