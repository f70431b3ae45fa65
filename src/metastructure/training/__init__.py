"""Training and prediction: the loop, its batches, losses, checkpoints and tiled inference.

Names are loaded when they are first used, so that paths and settings are checked without waiting for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
