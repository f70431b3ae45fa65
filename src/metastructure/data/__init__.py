"""Images and labels on disk: files, folders, generated data sets."""

from metastructure.data.files import load_image, load_label, save_image
from metastructure.data.folder import Dataset, Item, Split, find_items, load_dataset, zscore

__all__ = [
    "Dataset",
    "Item",
    "Split",
    "find_items",
    "load_dataset",
    "load_image",
    "load_label",
    "save_image",
    "zscore",
]
