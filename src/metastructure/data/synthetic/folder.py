"""A folder of generated pictures, in splits, that can be stopped and continued at any file.

Layout: ``OUT/SPLIT/{images,labels}/KIND_INDEX.png`` (``.tif`` for 16-bit colour images) and ``OUT/dataset.json``.
Indices run on over the splits, so no two splits share a picture. While the folder is being filled its settings lie in
``OUT/dataset.partial.json``, which becomes ``dataset.json`` at the end: a folder with neither file that is
not empty is somebody else's, and is left alone.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metastructure.data.files import save_image, write_text
from metastructure.data.synthetic.kinds import CLASS_NAMES, GENERATOR_VERSION, check_request, generate
from metastructure.errors import DataError

DATASET_FILE = "dataset.json"
PARTIAL_FILE = "dataset.partial.json"

_SPLIT_NAME = re.compile(r"[A-Za-z0-9_-]+")


def write_dataset(
    kind: str,
    out: str | os.PathLike[str],
    *,
    counts: Mapping[str, int],
    height: int = 256,
    width: int = 256,
    bit_depth: int = 8,
    seed: int = 0,
    on_item: Callable[[int, int], None] | None = None,
) -> Path:
    """Return the path of ``dataset.json`` once the folder holds every picture and label.

    Parameters
    ----------
    kind, height, width, bit_depth, seed
        As for `generate`. Images are PNG, but 16-bit colour is TIFF.
    out : path
        The folder: new, empty, or begun or finished by an earlier call with the same settings. Files that
        exist are kept as they are.
    counts : mapping of str to int
        Number of pictures in each split, such as ``{"train": 32, "val": 8, "test": 16}``. The order matters:
        the first split gets the first indices.
    on_item : callable, optional
        Called as ``on_item(done, total)`` after each picture, whether it was written or was there already.

    Raises
    ------
    ValueError
        If a setting is impossible: see `generate`; or a split has a name unfit for a folder or a negative
        count.
    DataError
        If `out` holds pictures of other settings, files that are not ours, or a settings file that cannot be
        read.

    Notes
    -----
    Every file is written under a temporary name in its folder and then renamed, so a reader or a later call
    never meets half a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_dataset("nuc", folder, counts={"train": 2, "test": 1}, height=16, width=16)
    ...     sorted(p.relative_to(folder).as_posix() for p in path.parent.rglob("images/*.png"))
    ['test/images/nuc_00002.png', 'train/images/nuc_00000.png', 'train/images/nuc_00001.png']
    """
    check_request(kind, height, width, bit_depth)
    _check_counts(counts)
    if seed < 0:
        raise ValueError(f"seed must be at least 0; got {seed}.")

    folder = Path(out)
    settings = _describe(kind, counts, height, width, bit_depth, seed)
    _claim(folder, settings)
    # PNG readers in Python hold colour at 8 bits
    suffix = ".tif" if kind == "street" and bit_depth == 16 else ".png"
    total, index = sum(counts.values()), 0
    for split, count in counts.items():
        images, labels = folder / split / "images", folder / split / "labels"
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            name = f"{kind}_{index:05d}"
            image_path, label_path = images / f"{name}{suffix}", labels / f"{name}.png"
            if not (image_path.exists() and label_path.exists()):
                image, label = generate(kind, seed=seed, index=index, height=height, width=width, bit_depth=bit_depth)
                save_image(image_path, image)
                save_image(label_path, label)
            index += 1
            if on_item is not None:
                on_item(index, total)
    if (folder / PARTIAL_FILE).exists():
        os.replace(folder / PARTIAL_FILE, folder / DATASET_FILE)
    return folder / DATASET_FILE


def _check_counts(counts: Mapping[str, int]) -> None:
    for split, count in counts.items():
        if not _SPLIT_NAME.fullmatch(split):
            raise ValueError(f"a split's name must be letters, digits, _ or -; got {split!r}.")
        if not isinstance(count, int | np.integer) or count < 0:
            raise ValueError(f"counts must be integers of at least 0; got {count!r} for {split!r}.")
    if sum(counts.values()) == 0:
        raise ValueError(f"counts must ask for at least one picture; got {dict(counts)}.")


def _describe(
    kind: str, counts: Mapping[str, int], height: int, width: int, bit_depth: int, seed: int
) -> dict[str, Any]:
    """Return what identifies the folder, as JSON will give it back."""
    splits, first = {}, 0
    for split, count in counts.items():
        splits[split] = {"first_index": first, "count": int(count)}
        first += int(count)
    return {
        "kind": kind,
        "generator_version": GENERATOR_VERSION,
        "seed": int(seed),
        "height": int(height),
        "width": int(width),
        "bit_depth": int(bit_depth),
        "class_names": list(CLASS_NAMES[kind]),
        "splits": splits,
    }


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Make sure that `folder` is ours and of these settings; a new one gets its partial file."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; give a folder to write the pictures to.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DATASET_FILE, PARTIAL_FILE):
        if (folder / name).exists():
            _compare(folder / name, settings)
    if not (folder / DATASET_FILE).exists() and not (folder / PARTIAL_FILE).exists():
        if any(folder.iterdir()):
            raise DataError(
                f"{folder} is not empty and holds no {DATASET_FILE} or {PARTIAL_FILE} of ours; "
                "give a new or empty folder."
            )
        text = json.dumps(settings, indent=2) + "\n"
        write_text(folder / PARTIAL_FILE, text)


def _compare(path: Path, settings: dict[str, Any]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as settings ({error}); delete the folder or give another.") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} does not hold settings of ours; delete the folder or give another.")
    different = [key for key in settings if found.get(key) != settings[key]]
    if different:
        key = different[0]
        raise DataError(
            f"{path} was written with {key} {json.dumps(found.get(key))}, not {json.dumps(settings[key])}; "
            "ask for the same settings to continue it, or give another folder."
        )
