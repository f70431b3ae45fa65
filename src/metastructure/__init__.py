"""metastructure: what segmentation labels still say when they are noisy, few or missing.

Names are loaded when they are first used, so that importing the package waits for nothing, least of all for torch.
"""

import logging

import lazy_loader

from metastructure._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

logging.getLogger(__name__).addHandler(logging.NullHandler())
