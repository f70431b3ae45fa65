"""Noisy labels of today must come out of tomorrow's version: these hashes are part of the manifest's promise.

Families that compare floating-point fields (jitter, rotation) may differ in a pixel between processors and are left
out.
If a hash changes, records and manifests made before cannot be confirmed any more: say so in the changelog.
"""

import hashlib

import numpy as np
import pytest

from metastructure.noise import corrupt, parse_noise

FROZEN = {
    "sample:0.3": "e580cc04ee7c1ea1",
    "sample:0.3,exact=false": "55376a65b6e50020",
    "sample:0.3,fill=ignore": "99e3e356eb900545",
    "flip:0.4": "df93eb369e123002",
    "flip:0.4,exact=true": "875b79717d16dd2e",
    "pairflip:0.3": "37cc3a092488c8fd",
    "random:[0.2,0.5,0.3]": "30a85a2cf91a5833",
    "matrix:[[0.8,0.1,0.1],[0.3,0.6,0.1],[0,0.25,0.75]]": "8a84396d97eb9cbe",
    "dilate:2": "35f74364c7f3110d",
    "erode:2": "d78ff2a5cf65a99a",
    "skeleton": "c0524e332f35de9d",
    "open:4": "3031039b8c802915",
    "close:5": "8557f4962f11cc3d",
    "markov:30": "260ecf5d7a62c7d3",
    "omit:0.4": "540013aa71e0fc4c",
    "include:0.7": "bab3bdea11323ba4",
    "points:3": "ee18cf420cc63a13",
    "(dilate:1 + flip:0.2) at 0.4 + erode:1": "46f0d22f322c04f8",
    "dilate:1..4": "35f74364c7f3110d",
}
BINARY_FLIP = "0c6756e04cfe0a80"


@pytest.mark.parametrize("spec", FROZEN)
def test_noise_is_frozen(scene, spec):
    noisy = corrupt(scene, parse_noise(spec), seed=0, item="frozen", num_classes=3)
    assert hashlib.sha256(np.ascontiguousarray(noisy).tobytes()).hexdigest()[:16] == FROZEN[spec]


def test_binary_flip_is_frozen(scene):
    binary = (scene == 1).astype(np.uint8)
    noisy = corrupt(binary, parse_noise("flip:0.45"), seed=0, item="frozen", num_classes=2)
    assert hashlib.sha256(noisy.tobytes()).hexdigest()[:16] == BINARY_FLIP
