"""Studies: data x noises x networks x seeds, resumable, with tables.

Names are loaded when they are first used, so that a wrong study file is told without waiting for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
