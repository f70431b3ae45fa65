"""The mean of what several methods say, which is seldom the best of them and seldom far from it."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, field_validator

from metastructure.data.files import ImageArray
from metastructure.unsupervised.base import Method, Predictor, Score, Work
from metastructure.unsupervised.methods import parse_method, parse_untrained

SUREST = 0.85
"""A score above it, or below 1 - SUREST, counts as that much, so that no method outweighs two others."""


class Consensus(Method):
    """The mean score of several methods that need no training.

    Parameters
    ----------
    members : sequence of str
        Methods with their settings. By default one that follows the light of the surroundings, one that sees a scale,
        and one threshold for the whole image: they err in different images.

    References
    ----------
    Warfield, Zou and Wells, "Simultaneous truth and performance level estimation (STAPLE)", IEEE Transactions on
    Medical Imaging 23 (2004), on consensus of segmentations; this is its simplest form, all members trusted alike.
    """

    name: ClassVar[str] = "consensus"

    members: Annotated[tuple[str, ...], Field(min_length=1)] = ("local_fitting", "contrast", "li")

    @field_validator("members", mode="before")
    @classmethod
    def _split(cls, members: object) -> object:
        return [part.strip() for part in members.split("+")] if isinstance(members, str) else members

    @field_validator("members")
    @classmethod
    def _check(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        for member in members:
            if isinstance(parse_untrained("each of members", member), Consensus):
                raise ValueError(f"members must be other methods than consensus; got {member!r}")
        return members

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the members' mean: none learns anything from other images."""
        fitted = [parse_method(member).fit(images, work) for member in self.members]

        def predict(image: ImageArray) -> Score:
            scores = [np.clip(member(image), 1 - SUREST, SUREST) for member in fitted]
            return np.asarray(np.mean(scores, axis=0), dtype=np.float32)

        return predict
