"""What a data set holds, in numbers, and all that makes it unusable: for `metastructure data check`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metastructure.data.folder import load_dataset
from metastructure.label import IGNORE

MOST_PROBLEMS = 20
"""That the text lists; all are in the JSON."""


@dataclass(frozen=True)
class SplitSummary:
    """One split.

    Attributes
    ----------
    num_images : int
    sizes : list of str
        ``H x W`` of the smallest and the largest image, one entry if all are equal.
    dtypes : list of str
    class_shares : list of float
        Share of each class in the pixels that are not IGNORE.
    ignored_share : float
    num_empty : int
        Labels with nothing but class 0 and IGNORE.
    """

    num_images: int
    sizes: list[str]
    dtypes: list[str]
    class_shares: list[float]
    ignored_share: float
    num_empty: int


@dataclass(frozen=True)
class FolderSummary:
    """A data set, split by split.

    Attributes
    ----------
    folder : str
    num_classes, num_channels : int
        Of what can be used.
    splits : dict of str to SplitSummary
        Those that can be used, the files concerned by a problem left out.
    problems : list of str
        All that `load_dataset` refuses, in the order of the splits, missing files first.
    """

    folder: str
    num_classes: int
    num_channels: int
    splits: dict[str, SplitSummary]
    problems: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def as_text(self) -> str:
        """Return it in lines for people."""
        channels = "grey" if self.num_channels == 1 else "colour"
        content = f"{self.num_classes} classes, {channels} images" if self.splits else "no split that can be used"
        lines = [f"{self.folder}: {content}"]
        for name, split in self.splits.items():
            shares = ", ".join(f"{klass}: {100 * share:.1f} %" for klass, share in enumerate(split.class_shares))
            lines.append(
                f"  {name:<5}  {split.num_images} images, {' to '.join(split.sizes)}, {', '.join(split.dtypes)}; "
                f"classes {shares}; IGNORE {100 * split.ignored_share:.1f} %; {split.num_empty} empty labels"
            )
        lines += self.notes()
        if self.problems:
            lines.append("1 problem:" if len(self.problems) == 1 else f"{len(self.problems)} problems:")
            lines += [f"  {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        if len(self.problems) > MOST_PROBLEMS:
            lines.append(f"  and {len(self.problems) - MOST_PROBLEMS} more; --json lists all")
        return "\n".join(lines)

    def notes(self) -> list[str]:
        """Return what looks like a mistake."""
        found = []
        for klass in range(1, self.num_classes if self.splits else 1):
            if not any(split.class_shares[klass] for split in self.splits.values()):
                found.append(f"  note: no label holds class {klass}; is the number of classes right?")
        for name, split in self.splits.items():
            if split.num_empty == split.num_images:
                found.append(f"  note: no label of {name} holds anything but background and IGNORE")
        return found


def summarise_folder(
    root: Path, num_classes: int | None = None, on_item: Callable[[int, int], None] | None = None
) -> FolderSummary:
    """Return what the data set in `root` holds and what is wrong with it; every file is read and checked.

    Parameters
    ----------
    root, num_classes, on_item
        As for `metastructure.data.load_dataset`.

    Raises
    ------
    DataError
        If `root` is no folder.
    """
    problems: list[str] = []
    data = load_dataset(root, num_classes, on_item=on_item, on_problem=problems.append)
    splits = {}
    for name, split in data.splits.items():
        counts = np.zeros(256, dtype=np.int64)
        for label in split.labels:
            counts += np.bincount(label.reshape(-1).astype(np.intp), minlength=256)
        known = counts[: data.num_classes]
        sizes = sorted({label.shape for label in split.labels}, key=lambda shape: (shape[0] * shape[1], shape))
        splits[name] = SplitSummary(
            num_images=len(split),
            sizes=[f"{height} x {width}" for height, width in dict.fromkeys((sizes[0], sizes[-1]))],
            dtypes=sorted({str(image.dtype) for image in split.images}),
            class_shares=[float(share) for share in known / max(int(known.sum()), 1)],
            ignored_share=float(counts[IGNORE] / counts.sum()),
            num_empty=sum(not ((label > 0) & (label != IGNORE)).any() for label in split.labels),
        )
    return FolderSummary(str(root), data.num_classes, data.num_channels, splits, problems)
