"""Runs of COCO against pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metastructure.data.formats.runs import decode_runs, encode_runs, parse_runs

coco = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools 2.0.11


def test_columns_come_first():
    mask = np.array([[0, 1, 1], [0, 0, 1]], bool)  # columns 00, 10, 11
    assert encode_runs(mask) == [2, 1, 1, 2]
    np.testing.assert_array_equal(decode_runs([2, 1, 1, 2], (2, 3)), mask)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 50))))
def test_both_forms_agree_with_the_reference(mask):
    reference = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    lengths = encode_runs(mask)
    assert parse_runs(reference["counts"].decode()) == lengths
    ours = coco.frPyObjects({"size": list(mask.shape), "counts": lengths}, *mask.shape)
    np.testing.assert_array_equal(coco.decode(ours), mask)
    np.testing.assert_array_equal(decode_runs(lengths, mask.shape), mask)


@pytest.mark.parametrize("lengths", [[3, 2], [7, -1], []])
def test_runs_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ValueError, match="sum to 2 x 3 = 6"):
        decode_runs(lengths, (2, 3))


@pytest.mark.parametrize(("text", "complaint"), [("0 1", "character ' '"), ("01P", "cut"), ("é", "character")])
def test_a_text_that_is_no_run_is_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_runs(text)
