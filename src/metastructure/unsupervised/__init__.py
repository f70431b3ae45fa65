"""Segmentation without labels: iterative ground-truth training, and what it is compared with."""

from metastructure.unsupervised.base import Method, Score, Side, Work
from metastructure.unsupervised.methods import METHODS, load_method, parse_method
from metastructure.unsupervised.polarity import decide_side
from metastructure.unsupervised.segment import Fitted, Segmentation, fit_method, segment

__all__ = [
    "METHODS",
    "Fitted",
    "Method",
    "Score",
    "Segmentation",
    "Side",
    "Work",
    "decide_side",
    "fit_method",
    "load_method",
    "parse_method",
    "segment",
]
