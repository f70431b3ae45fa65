"""Networks: one a file, chosen by name or by import path.

Names are loaded when they are first used, so that a wrong name is told without waiting for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
