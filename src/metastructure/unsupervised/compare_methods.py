"""Several methods on one folder of images, so that somebody without labels can choose among them by eye."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from metastructure.counts import count
from metastructure.data.files import load_label, write_text
from metastructure.data.strict_json import to_json
from metastructure.errors import RunError
from metastructure.unsupervised.base import Method, Side
from metastructure.unsupervised.folder_look import OnPhase, join_failures
from metastructure.unsupervised.folder_result import (
    ComparedMethod,
    Comparison,
    FolderSegmentation,
    method_title,
    spread_evenly,
)
from metastructure.unsupervised.label_journal import JOURNAL_NAME
from metastructure.unsupervised.methods import METHODS, MethodSpec, parse_method
from metastructure.unsupervised.segment_folder import check_out, look_to_fit, segment_looked

logger = logging.getLogger(__name__)

COMPARISON_NAME = "comparison.json"
PAGE_NAME = "page.html"
MOST_COMPARED = 100
"""Images whose labels enter the agreement of two methods."""


def compare_methods(
    images: Path | str,
    out: Path | str,
    methods: Sequence[MethodSpec] = tuple(METHODS),
    *,
    side: Side | Literal["auto"] = "auto",
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    probabilities: bool = False,
    on_phase: OnPhase | None = None,
) -> Comparison:
    """Segment a folder with several methods, each into ``OUT/METHOD``; one that fails does not stop the others.

    Parameters
    ----------
    images : Path or str
    out : Path or str
        New, empty, or holding such a comparison, to which methods may be added.
    methods : sequence of str, mapping or Method
        By default all. The second of a name gets the folder ``NAME-2``, and so on.
    side, seed, device, threads, probabilities, on_phase
        See `segment_folder`.

    Raises
    ------
    DataError, ConfigError
        As `segment_folder`.
    RunError
        If no image can be used, or every method fails.
    """
    images, out = Path(images), Path(out)
    check_out(images, out, _holds_comparison(out))
    parsed = list(dict.fromkeys(map(parse_method, methods)))
    look = look_to_fit(images, side, on_phase)
    found, failed = list[ComparedMethod](), dict[str, str]()
    for method, folder in zip(parsed, _name_folders(parsed), strict=True):
        title = method_title(method)
        report = None if on_phase is None else partial(_report_with, on_phase, title)
        try:
            result = segment_looked(
                look,
                out / folder,
                method,
                seed=seed,
                device=device,
                threads=threads,
                probabilities=probabilities,
                on_phase=report,
            )
        except Exception as error:  # each library a method is made of raises kinds of its own
            failed[title] = str(error) or type(error).__name__
            logger.info("%s failed: %s", title, failed[title])
        else:
            logger.info("%s: %s labelled", title, count(len(result.items), "image"))
            found.append(ComparedMethod(title=title, result=result))
    if not found:
        raise RunError(f"Every method failed on {images}. {join_failures(failed)}")
    num_compared, agreement = _agreement([one.result for one in found])
    comparison = Comparison(
        images=str(images),
        out=str(out),
        methods=tuple(found),
        failed=failed,
        agreement=agreement,
        num_compared=num_compared,
    )
    write_text(out / COMPARISON_NAME, to_json(comparison) + "\n")
    return comparison


def _holds_comparison(out: Path) -> bool:
    return out.is_dir() and all(
        entry.name in (COMPARISON_NAME, PAGE_NAME) or (entry / JOURNAL_NAME).is_file() for entry in out.iterdir()
    )


def _report_with(on_phase: OnPhase, title: str, what: str, done: int, total: int) -> None:
    on_phase(f"{title}: {what}", done, total)


def _name_folders(methods: Sequence[Method]) -> list[str]:
    names = [method.name for method in methods]
    seconds = [names[:index].count(name) + 1 for index, name in enumerate(names)]
    return [f"{name}-{second}" if second > 1 else name for name, second in zip(names, seconds, strict=True)]


def _agreement(results: Sequence[FolderSegmentation]) -> tuple[int, tuple[tuple[float, ...], ...]]:
    """Return how many images were compared, and the Dice of each two methods over all their pixels."""
    labels = [{item.file: result.labels / item.label for item in result.items} for result in results]
    files = sorted(set().union(*labels))
    chosen = [files[index] for index in spread_evenly(len(files), MOST_COMPARED)]
    both = np.zeros((len(results), len(results)))
    sizes = np.zeros_like(both)
    for file in chosen:
        inside = {index: load_label(paths[file], 2) == 1 for index, paths in enumerate(labels) if file in paths}
        for i, one in inside.items():
            for j, other in inside.items():
                both[i, j] += np.count_nonzero(one & other)
                sizes[i, j] += np.count_nonzero(one) + np.count_nonzero(other)
    dice = np.divide(2 * both, sizes, out=np.full_like(both, np.nan), where=sizes > 0)
    return len(chosen), tuple(map(tuple, dice.tolist()))
