"""Metrics from contingency tables, boundaries and score histograms, with intervals."""

from metastructure.metrics.boundary import boundary_f1
from metastructure.metrics.interval import Interval, bootstrap_interval
from metastructure.metrics.overlap import accuracy, dice, foreground_dice, iou, mean_iou, nanmean
from metastructure.metrics.ranking import ScoreHistogram

__all__ = [
    "Interval",
    "ScoreHistogram",
    "accuracy",
    "bootstrap_interval",
    "boundary_f1",
    "dice",
    "foreground_dice",
    "iou",
    "mean_iou",
    "nanmean",
]
