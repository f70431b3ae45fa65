"""One example of every noise family; tests that ask for `example` run once for each."""

from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Example:
    """A spec for labels of three classes, and what its family is meant to do."""

    spec: str
    random: bool = True
    writes_ignore: bool = False
    shared_draws: bool = False
    """The pixels of an object or an image share a draw: no binomial convergence over pixels."""


def fixed(spec: str) -> Example:
    return Example(spec, random=False)


def shared(spec: str, **how: bool) -> Example:
    return Example(spec, shared_draws=True, **how)


ROWS = "[[0.8,0.1,0.1],[0.3,0.6,0.1],[0,0.25,0.75]]"
OBJECT_ROWS = "[[1,0,0],[0.3,0.6,0.1],[0,0.25,0.75]]"

EXAMPLES = (
    fixed("clean"),
    Example("sample:0.3"),
    Example("sample:0.3,exact=false"),
    Example("sample:0.3,fill=ignore", writes_ignore=True),
    Example("flip:0.4"),
    Example("flip:0.4,exact=true"),
    Example("pairflip:0.3"),
    Example("pairflip:0.3,exact=true"),
    Example("classflip:[0.1,0,0.4]"),
    Example(f"matrix:{ROWS}"),
    Example(f"matrix:{ROWS},exact=true"),
    Example("random"),
    Example("random:[0.2,0.5,0.3]"),
    fixed("dilate:2"),
    fixed("dilate:2,classes=[2,0]"),
    fixed("erode:2"),
    fixed("skeleton"),
    fixed("open:4"),
    fixed("close:5"),
    fixed("shift:1.5"),
    fixed("shift:-2.3"),
    Example("jitter:2"),
    Example("jitter:1.5,correlation_px=5,bias_px=-1"),
    Example("markov:30"),
    Example("markov:10,preference=0.9,rate=0.4,flip_rate=0.1"),
    fixed("polygon:2"),
    Example("move:2"),
    Example("rotate:20"),
    shared("omit:0.4"),
    Example("include:0.7"),
    Example("merge:6,rate=0.5"),
    shared("swap:0.5"),
    shared(f"swap:{OBJECT_ROWS}"),
    Example("points", writes_ignore=True),
    Example("points:3,fill=background"),
    Example("scribbles", random=False, writes_ignore=True),
    fixed("scribbles:5,fill=background"),
    fixed("boxes"),
    fixed("discs:3"),
    Example("unlabelled:0.4", writes_ignore=True),
    Example("unlabelled:0.4,unit=slice", writes_ignore=True),
    Example("annotator:jitter_px=1,omission=0.3"),
    Example('consensus:[{"bias_px":1,"jitter_px":1},{"omission":0.3},{"jitter_px":2,"correlation_px":8}]'),
    Example("sample:0.5 + dilate:2"),
    shared("omit:0.3 + unlabelled:0.2", writes_ignore=True),
    shared("flip:0.4 at 0.5"),
    Example("(dilate:1 + flip:0.2) at 0.4 + erode:1"),
    Example("dilate:1..4"),
    shared("flip:0.1..0.4"),
    Example("jitter:1..3,correlation_px=8..16 at 0.5"),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "example" in metafunc.fixturenames:
        metafunc.parametrize("example", EXAMPLES, ids=lambda example: example.spec)


@pytest.fixture
def examples() -> tuple[Example, ...]:
    return EXAMPLES


@pytest.fixture
def scene() -> np.ndarray:
    """A label (60, 52) of three classes: five objects, two of which touch, and two patches of IGNORE."""
    label = np.zeros((60, 52), dtype=np.uint8)
    rows, columns = np.mgrid[:60, :52]
    label[(rows - 14) ** 2 + (columns - 13) ** 2 <= 81] = 1
    label[5:25, 30:42] = 2
    label[(rows - 42) ** 2 / 4 + (columns - 16) ** 2 <= 40] = 2
    label[34:52, 23:36] = 1
    label[55:58, 40:50] = 1
    label[10:14, 8:36] = 255
    label[48:60, 0:4] = 255
    return label
