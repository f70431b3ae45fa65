"""Loss specs: what they make, their canonical form, and what they refuse."""

import pytest
import torch

from metastructure.errors import ConfigError
from metastructure.training.losses import (
    LOSSES,
    BackwardCrossEntropy,
    DeterminantMutualInformation,
    ForwardCrossEntropy,
    GeneralisedCrossEntropy,
    IoU,
    LossSum,
    needs_transition,
    parse_loss,
    with_transition,
)
from metastructure.transition import TransitionMatrix


@pytest.mark.parametrize("name", LOSSES)
def test_the_name_alone_is_the_default(name: str) -> None:
    assert type(parse_loss(name)) is LOSSES[name]
    assert str(parse_loss(name)) == str(parse_loss({"name": name})) == name


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("gce:q=0.70", "gce"),
        ("gce : q = 0.5 ", "gce:q=0.5"),
        ("sce:beta=2,alpha=1e-5", "sce:alpha=1e-05,beta=2"),
        ("iou:background=false,per=image", "iou:per=image,background=false"),
        ("dmi+iou", "dmi + iou"),
        ("forward:transition=[[0.9, 0.1], [0.25, 0.75]]", "forward:transition=[[0.9,0.1],[0.25,0.75]]"),
    ],
)
def test_canonical_form_reads_as_itself(spec: str, canonical: str) -> None:
    assert str(parse_loss(spec)) == canonical
    assert parse_loss(canonical) == parse_loss(spec)


def test_text_and_mapping_make_the_same() -> None:
    assert parse_loss({"name": "gce", "q": 0.5}) == parse_loss("gce:q=0.5") == GeneralisedCrossEntropy(q=0.5)
    assert parse_loss("dmi:per=image + iou") == LossSum(terms=(DeterminantMutualInformation(per="image"), IoU()))
    loss = GeneralisedCrossEntropy(q=0.5)
    assert parse_loss(loss) is loss


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gc", "loss 'gc': unknown loss 'gc'; did you mean 'gce'\\? Known losses: cross_entropy, .*, dmi\\."),
        ("dmi + ", "loss 'dmi \\+ ': unknown loss ''; Known losses"),
        ({"q": 0.5}, "the key 'name' is missing; known losses: cross_entropy"),
        (3, "a loss is a text or a mapping; got int 3"),
        ("gce:0.5", "at '0.5': write a setting as field=value"),
        ("gce:", "at '': write a setting as field=value"),
        ("gce:q=0.5,q=0.6", "q is given twice"),
        ("gce:p=0.5", "gce has no field 'p'; its fields: q"),
        ("brier:p=0.5", "brier has no field 'p'; it has no fields"),
        ("gce:q=0", "q of gce: input should be greater than 0"),
        ("dmi:per=pixel", "per of dmi: input should be 'batch' or 'image'"),
        ("forward:transition=[[0.9,0.2],[0.1,0.9]]", "transition of forward: row 0 .* sums to 1.1"),
        ("backward:transition=[[0.5,0.5],[0.5,0.5]]", "transition of backward: the transition matrix is singular"),
    ],
)
def test_refusals(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_loss(spec)


def test_the_transition_may_come_later() -> None:
    matrix = TransitionMatrix([[0.9, 0.1], [0.25, 0.75]])
    rows = ((0.9, 0.1), (0.25, 0.75))
    waiting = parse_loss("forward + iou + backward")
    assert needs_transition(waiting)
    ready = with_transition(waiting, matrix)
    assert ready == LossSum(terms=(ForwardCrossEntropy(transition=rows), IoU(), BackwardCrossEntropy(transition=rows)))
    assert not needs_transition(ready)
    assert with_transition(ready, TransitionMatrix.identity(2)) == ready, "a given matrix is kept"


def test_a_transition_that_does_not_serve_is_named() -> None:
    logits, labels = torch.zeros(1, 3, 1, 1), torch.tensor([[[0]]])
    with pytest.raises(ValueError, match="forward has no transition matrix yet"):
        parse_loss("forward")(logits, labels)
    with pytest.raises(ValueError, match="has 2 classes; the logits have 3"):
        with_transition(parse_loss("backward"), TransitionMatrix.identity(2))(logits, labels)
    with pytest.raises(ConfigError, match=r"loss 'backward': .* singular"):
        with_transition(parse_loss("backward"), TransitionMatrix.symmetric(0.5, 2))
    with pytest.raises(ConfigError, match=r"loss 'forward': .* never seen"):
        with_transition(parse_loss("forward"), TransitionMatrix.from_counts([[1, 0], [0, 0]]))
