from .batches import PixelStore as PixelStore
from .loop import History as History
from .loop import train as train
from .predict import predict_probabilities as predict_probabilities
from .segmenter import Segmenter as Segmenter
from .settings import Machine as Machine
from .settings import TrainingSettings as TrainingSettings
