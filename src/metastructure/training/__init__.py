"""Training and prediction: the loop, its batches, losses, checkpoints and tiled inference."""

from metastructure.training.batches import PixelStore
from metastructure.training.loop import History, train
from metastructure.training.predict import predict_probabilities
from metastructure.training.segmenter import Segmenter
from metastructure.training.settings import Machine, TrainingSettings

__all__ = ["History", "Machine", "PixelStore", "Segmenter", "TrainingSettings", "predict_probabilities", "train"]
