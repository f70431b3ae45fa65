"""Names of classes, which other programs write instead of numbers."""

import re
from collections.abc import Iterable, Sequence

from metastructure.errors import DataError
from metastructure.label import IGNORE, MAX_CLASSES

BACKGROUND_NAME, IGNORE_NAME = "background", "ignore"
_NUMBERED = re.compile(r"class (\d{1,3})")


def number_classes(found: Iterable[str], classes: Sequence[str] | None, where: str) -> dict[str, int]:
    """Return the class of each name.

    Parameters
    ----------
    found : iterable of str
        Names in the annotations.
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order. Without it ``class 7``, as `name_class` writes, is class 7 if all names
        are of that kind, else the names are numbered from 1 in alphabetical order.
    where : str
        What errors call the annotations.

    Notes
    -----
    ``background`` is class 0 and ``ignore`` IGNORE, whatever the others are; both may be left out of `classes`.

    Raises
    ------
    DataError
        If a name is not among `classes`, or there are too many.

    Examples
    --------
    >>> number_classes(["nucleus", "cell", "ignore"], None, "a.json")
    {'background': 0, 'ignore': 255, 'cell': 1, 'nucleus': 2}
    """
    fixed = {BACKGROUND_NAME: 0, IGNORE_NAME: IGNORE}
    names = [name for name in dict.fromkeys(found) if name not in fixed]
    if classes is None:
        numbers = [_NUMBERED.fullmatch(name) for name in names]
        if names and all(match and 0 < int(match[1]) < MAX_CLASSES for match in numbers):
            return fixed | {name: int(match[1]) for name, match in zip(names, numbers, strict=True) if match}
        ordered = sorted(names)
    else:
        ordered = [name for name in classes if name not in fixed]
        if missing := [name for name in names if name not in ordered]:
            raise DataError(
                f"{where}: the class {missing[0]!r} is not among the classes that were named ({', '.join(ordered)}); "
                "add it, or leave the names out to take those of the file."
            )
    if len(ordered) >= MAX_CLASSES:
        raise DataError(f"{where}: a label holds {MAX_CLASSES - 1} classes at most beside 0; got {len(ordered)}.")
    return fixed | {name: number for number, name in enumerate(ordered, start=1)}


def name_class(klass: int, classes: Sequence[str] | None) -> str:
    """Return the name of a class: that in `classes` (of the classes 1, 2, ...), ``class 7``, or ``ignore``.

    Raises
    ------
    DataError
        If `classes` has no name for it.

    Examples
    --------
    >>> name_class(2, ["cell", "nucleus"]), name_class(2, None), name_class(255, None)
    ('nucleus', 'class 2', 'ignore')
    """
    if klass == IGNORE:
        return IGNORE_NAME
    if classes is None:
        return f"class {klass}"
    named = [name for name in classes if name not in (BACKGROUND_NAME, IGNORE_NAME)]
    if klass > len(named):
        raise DataError(
            f"the labels hold class {klass}, but {len(named)} classes were named ({', '.join(named)}); name all of "
            "them from class 1 on."
        )
    return named[klass - 1]
