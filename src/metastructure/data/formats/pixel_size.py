"""How large a pixel is, in the units that microscopes and file formats use."""

from dataclasses import dataclass
from typing import NamedTuple

from metastructure.errors import DataError


class Unit(NamedTuple):
    """A unit of length: its name in OME-Zarr, and how many metres it is."""

    name: str
    metres: float


UNITS = {
    "pm": Unit("picometer", 1e-12),
    "Å": Unit("angstrom", 1e-10),
    "nm": Unit("nanometer", 1e-9),
    "µm": Unit("micrometer", 1e-6),
    "mm": Unit("millimeter", 1e-3),
    "cm": Unit("centimeter", 1e-2),
    "m": Unit("meter", 1.0),
    "in": Unit("inch", 0.0254),
}
"""By symbol, as OME-TIFF spells it."""

_SPELLINGS = {
    **{unit.name: symbol for symbol, unit in UNITS.items()},
    **{unit.name.replace("meter", "metre"): symbol for symbol, unit in UNITS.items()},
    **{"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm", "\\u00b5m": "µm", "\\u00B5m": "µm"},  # ImageJ's
}


@dataclass(frozen=True)
class PixelSize:
    """Distances between neighbouring pixels, all in one unit.

    Attributes
    ----------
    row, column : float
        From one row (column) to the next, above 0.
    unit : str
        A key of `UNITS`.
    slice : float or None
        From one plane of a volume (Z) to the next.
    frame_s : float or None
        Seconds from one plane of a film (T) to the next.
    """

    row: float
    column: float
    unit: str = "µm"
    slice: float | None = None
    frame_s: float | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}; got {self.unit!r}.")
        lengths = (self.row, self.column, *(x for x in (self.slice, self.frame_s) if x is not None))
        if not all(0 < length < float("inf") for length in lengths):
            raise ValueError(f"the size of a pixel must be above 0 and finite; got {lengths}.")

    def to(self, unit: str) -> "PixelSize":
        """Return the same size in another unit.

        Examples
        --------
        >>> PixelSize(250, 500, "nm", slice=2000).to("µm")
        PixelSize(row=0.25, column=0.5, unit='µm', slice=2.0, frame_s=None)
        """
        if unit == self.unit:
            return self
        row, column, depth = (
            None if length is None else to_unit(length, self.unit, unit)
            for length in (self.row, self.column, self.slice)
        )
        assert row is not None
        assert column is not None
        return PixelSize(row, column, unit, depth, self.frame_s)


def to_unit(length: float, unit: str, other: str) -> float:
    """Return a length in another unit, to 12 digits, which hides the rounding of the factors.

    Examples
    --------
    >>> to_unit(2.54, "cm", "in")
    1.0
    """
    return float(f"{length * UNITS[unit].metres / UNITS[other].metres:.12g}")


def find_unit(name: str) -> str | None:
    """Return the symbol of a unit as any format spells it, None for pixels and units that are no length.

    Examples
    --------
    >>> find_unit("um"), find_unit("micrometer"), find_unit("pixel")
    ('µm', 'µm', None)
    """
    return name if name in UNITS else _SPELLINGS.get(name.strip())


def make_pixel_size(
    row: tuple[float, str],
    column: tuple[float, str],
    depth: tuple[float, str] | None = None,
    frame_s: float | None = None,
    where: str = "file",
) -> PixelSize | None:
    """Return the size from lengths and the names of their units, in the unit of the column.

    None where rows or columns have no unit of length. A depth or time of 0, or without a unit, counts as not given.

    Raises
    ------
    DataError
        If a pixel would have no height or no width.
    """
    units = find_unit(row[1]), find_unit(column[1])
    if units[0] is None or units[1] is None:
        return None
    unit = units[1]
    if not (0 < row[0] < float("inf") and 0 < column[0] < float("inf")):
        raise DataError(f"{where}: a pixel of {row[0]:g} x {column[0]:g} {unit} makes no sense; set the pixel size.")
    step = None
    if depth is not None and (found := find_unit(depth[1])) is not None and depth[0] > 0:
        step = depth[0] if found == unit else to_unit(depth[0], found, unit)
    height = row[0] if units[0] == unit else to_unit(row[0], units[0], unit)
    return PixelSize(height, column[0], unit, step, frame_s if frame_s and frame_s > 0 else None)
