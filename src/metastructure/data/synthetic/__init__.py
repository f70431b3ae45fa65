"""Labelled pictures made to order: ER, mitochondria, nuclei and streets whose labels are exact and free.

`generate` makes one picture, `write_dataset` a folder of them; `KINDS` shows what there is.
"""

from metastructure.data.synthetic.folder import write_dataset
from metastructure.data.synthetic.imaging import Microscope
from metastructure.data.synthetic.kinds import (
    CLASS_NAMES,
    GENERATOR_VERSION,
    KINDS,
    NUM_CLASSES,
    generate,
)
from metastructure.data.synthetic.scene import Scene

__all__ = [
    "CLASS_NAMES",
    "GENERATOR_VERSION",
    "KINDS",
    "NUM_CLASSES",
    "Microscope",
    "Scene",
    "generate",
    "write_dataset",
]
