"""Specs: text, YAML and model are the same thing; errors quote the text and mark the column."""

import pytest
import yaml

from metastructure.errors import ConfigError
from metastructure.noise import (
    NOISE,
    AtFraction,
    Chain,
    Clean,
    Dilation,
    Flipping,
    Sampling,
    Varying,
    parse_noise,
)


def test_text_round_trip(example):
    model = parse_noise(example.spec)
    assert parse_noise(str(model)) == model
    assert str(parse_noise(str(model))) == str(model)


def test_yaml_round_trip(example):
    model = parse_noise(example.spec)
    assert parse_noise(yaml.safe_load(yaml.safe_dump({"noise": str(model)}))["noise"]) == model
    if model.family not in NOISE:  # joined models are written as text
        return
    mapping = {"family": model.family, **model.model_dump(mode="json")}
    assert parse_noise(yaml.safe_load(yaml.safe_dump(mapping))) == model


def test_ranges_fractions_and_groups_mean_what_they_say():
    model = parse_noise(" ( dilate : 1 .. 4 + flip:0.25 ) at 0.5 + clean")
    ranged = Varying(model=Dilation(radius_px=1), ranges={"radius_px": (1, 4)})
    struck = AtFraction(model=Chain(steps=(ranged, Flipping(rate=0.25))), fraction=0.5)
    assert model == Chain(steps=(struck, Clean()))
    assert str(model) == "(dilate:1..4 + flip:0.25) at 0.5 + clean"
    assert str(parse_noise("markov:5,preference=0.5..0.9")) == "markov:5,preference=0.5..0.9"


def test_mappings_take_ranges_and_fractions():
    mapping = yaml.safe_load("{family: jitter, amplitude_px: 1..3, bias_px: -1, at: 0.5}")
    assert parse_noise(mapping) == parse_noise("jitter:1..3,bias_px=-1 at 0.5")


def test_groups_without_need_are_opened():
    assert parse_noise("(flip:0.1 + dilate:1) + (erode:1)") == parse_noise("flip:0.1 + dilate:1 + erode:1")
    nested = parse_noise("(flip:0.1 at 0.5) at 0.25")
    assert parse_noise(str(nested)) == nested
    assert parse_noise("flip:0.1 at 0.5 at 0.25") == nested


def test_defaults_are_not_written():
    assert str(Sampling(fraction=0.1)) == "sample:0.1"
    assert str(Sampling(fraction=0.1, fill="ignore", exact=False)) == "sample:0.1,fill=ignore,exact=false"
    assert str(Dilation(radius_px=3, classes=(1, 2))) == "dilate:3,classes=[1,2]"


def test_floats_survive_the_round_trip():
    model = Flipping(rate=0.1 + 0.2)
    assert parse_noise(str(model)).rate == 0.1 + 0.2


def test_parts_are_joined_left_to_right():
    chain = parse_noise(" sample:0.1 , fill = ignore+dilate : 2 ")
    assert chain == Chain(steps=(Sampling(fraction=0.1, fill="ignore"), Dilation(radius_px=2)))
    assert parse_noise(["sample:0.1,fill=ignore", {"family": "dilate", "radius_px": 2}]) == chain
    assert parse_noise(chain) is chain


@pytest.mark.parametrize(
    ("spec", "part", "column", "words"),
    [
        ("flop:0.3", "flop", 1, "did you mean 'flip'"),
        ("flip:0.3 + dilatee:2", "dilatee", 12, "did you mean 'dilate'"),
        ("qqq", "qqq", 1, "known families: clean, sample"),
        ("flip:0.3 + dilate:0", "0", 19, "radius_px: "),
        ("flip:0.3 +  dilate: 2.5", "2.5", 21, "radius_px: "),
        ("sample:0.1,fil=ignore", "fil=ignore", 12, "sample has no field 'fil'; its fields: fraction"),
        ("sample:0.1,0.2", "0.2", 12, "fraction is given twice"),
        ("sample:", "", 8, "a value is missing after 'sample:'"),
        ("sample:fraction=", "fraction=", 8, "a value is missing after 'fraction='"),
        ("skeleton:3", "3", 10, "skeleton takes no bare value; it has no fields"),
        ("sample:fill=ignore", "sample:fill=ignore", 1, "sample needs fraction"),
        ("flip:0.3 +", "", 11, "unknown noise"),
        ("flip:nan", "nan", 6, "rate: "),
        ("dilate:0..3", "0..3", 8, "radius_px: "),
        ("dilate:2..2.5", "2..2.5", 8, "radius_px: "),
        ("flip:0.1..1.4", "0.1..1.4", 6, "rate: "),
        ("flip:0.4..0.1", "0.4..0.1", 6, "a range runs from low to high; got 0.4..0.1"),
        ("sample:0.1,exact=0..1", "exact=0..1", 12, "exact is not a number"),
        ("flip:0.1 at", "", 12, "a fraction is missing after 'at'"),
        ("clean + flip:0.1 at 2", "2", 21, "fraction: "),
        ("(flip:0.1 + dilate:1", "(", 1, "never closed"),
        ("flip:0.1)", ")", 9, "closes none"),
        ("clean + (flip:0.1 + dilat:1) at 0.5", "dilat", 21, "did you mean 'dilate'"),
        ("shift:0.5", "0.5", 7, "distance_px: must be at least 1 or at most -1"),
        ("scribbles:2", "2", 11, "odd width; got 2"),
        ("merge:-1", "-1", 7, "gap_px: "),
        ("swap:[[0.9,0.1],[0,1]]", "[[0.9,0.1],[0,1]]", 6, "background is no object"),
        ('consensus:[{"bias_px":1}]', '[{"bias_px":1}]', 11, "annotators: "),
        ('consensus:[{"bias":1},{}]', '[{"bias":1},{}]', 11, "annotators.0.bias: "),
    ],
)
def test_errors_quote_the_spec_and_the_column(spec, part, column, words):
    with pytest.raises(ConfigError) as caught:
        parse_noise(spec)
    message = str(caught.value)
    assert message.startswith(f"noise {spec!r}, at {part!r} (column {column}): ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"fraction": 0.1}, "the key 'family' is missing"),
        ({"family": "sampel", "fraction": 0.1}, "did you mean 'sample'"),
        ({"family": "sample", "fraction": 2}, "{'family': 'sample', 'fraction': 2}: fraction: "),
        ([], "must not be empty"),
        (3, "got int 3"),
    ],
)
def test_errors_of_mappings_and_lists(spec, words):
    with pytest.raises(ConfigError) as caught:
        parse_noise(spec)
    assert words in str(caught.value)


def test_every_family_has_a_docstring_with_an_example():
    for model in NOISE.values():
        assert ">>>" in (model.__doc__ or ""), model.family
