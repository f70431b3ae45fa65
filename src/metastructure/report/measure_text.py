"""A measurement in words and tables: for the terminal, and the texts of its page."""

from collections.abc import Sequence

import numpy as np

from metastructure.data.measurement import ClassMeasure, DensitySummary, Measurement
from metastructure.structure.estimate import Estimate

ABSENT = "–"
MOST_ROWS = 16
"""Classes that the terminal's table lists; all are in the JSON."""

CLASS_HEADER = ("class", "share", "labels", "density", "sd", "L - r max", "at px", "p")


def to_text(measurement: Measurement) -> str:
    """Return the measurement as plain text of at most 80 columns."""
    lines = [
        f"{describe_size(measurement)}: {measurement.folder}",
        "",
        *_align(class_table(measurement, MOST_ROWS)),
        f"density: windows of half-width {measurement.surviving_half_width_px} px. L - r: 0 for random pixels, in px.",
        f"p: random pixels, {describe_sample(measurement)}.",
    ]
    if measurement.num_classes > MOST_ROWS:
        lines.append(f"The {MOST_ROWS} most common of {measurement.num_classes} classes; --json gives all.")
    lines += ["", *_wrap(describe_surviving(measurement))]
    if measurement.comparison is not None:
        lines += ["", f"against {measurement.comparison.folder}", "", *_align(similarity_table(measurement))]
        lines += [f"{name}: {value}" for name, value in comparison_facts(measurement).items()]
    notes = [line for note in measurement.notes for line in _wrap(f"note: {note}")]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def class_table(measurement: Measurement, most: int | None = None) -> list[list[str]]:
    """Return the table of the classes, header first, the most common class first."""
    at_scale = middle_density(measurement)
    ranked = sorted(measurement.classes, key=lambda one: -np.nan_to_num(one.share))
    return [list(CLASS_HEADER), *(_class_row(one, at_scale, measurement) for one in ranked[:most])]


def similarity_table(measurement: Measurement) -> list[list[str]]:
    """Return the table of the similarity over the half-widths, header first."""
    if measurement.comparison is None:
        return []
    rows = [["half-width", "corrected", "uncorrected", "distance"]]
    for scale in measurement.comparison.similarity.scales:
        values = (scale.corrected, scale.uncorrected, scale.distance)
        rows.append([f"{scale.half_width_px} px", *map(describe_estimate, values)])
    return rows


def comparison_facts(measurement: Measurement) -> dict[str, str]:
    """Return what else is known against the clean labels, by name."""
    comparison = measurement.comparison
    if comparison is None:
        return {}
    facts = {
        "changed pixels": describe_percent(comparison.changed),
        "smallest singular value of the transition matrix": describe_estimate(comparison.sigma_min),
    }
    scored = [(klass, one) for klass, one in enumerate(comparison.dice) if not np.isnan(one.value)]
    if measurement.num_classes == 2:
        facts |= {f"Dice of class {klass}": describe_estimate(one) for klass, one in scored}
    elif scored:
        mean = float(np.mean([one.value for _, one in scored]))
        klass, worst = min(scored, key=lambda pair: pair[1].value)
        facts["Dice"] = f"mean over {len(scored)} classes {mean:.3f}; least of class {klass}, {worst.value:.3f}"
    reasons = {
        estimate.reason
        for scale in comparison.similarity.scales
        for estimate in (scale.corrected, scale.uncorrected)
        if estimate.reason
    }
    if reasons:
        facts["similarity"] = "; ".join(sorted(reasons))
    return facts


def describe_size(measurement: Measurement) -> str:
    """Return how many labels of what size and how many classes there are."""
    sizes = list(measurement.sizes)
    size = sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    noun = "label" if measurement.num_images == 1 else "labels"
    return (
        f"{measurement.num_images} {noun}, {size} px, {measurement.num_classes} classes, "
        f"{100 * measurement.ignored_share:.1f} % IGNORE"
    )


def describe_sample(measurement: Measurement) -> str:
    """Return what the test against chance was done on."""
    sample = measurement.sample
    noun = "label" if len(sample.ids) == 1 else "labels"
    return f"{sample.num_simulations} shuffles of {len(sample.ids)} {noun}, {sample.num_pixels:,} pixels"


def describe_surviving(measurement: Measurement) -> str:
    """Return the number of surviving classes with the weakest signal that counts and the edge."""
    found = measurement.surviving
    if found.reason:
        return f"Surviving classes: not known; {found.reason}."
    present = sum(one.share > 0 for one in measurement.classes)
    text = f"Surviving classes: {found.num_surviving} ({present} occur), at {measurement.surviving_half_width_px} px."
    if not found.signal_to_noise:
        return f"{text} The density does not vary."
    signals = ", ".join(f"{one.value:.3g}" for one in found.signal_to_noise[:3])
    more = " ..." if len(found.signal_to_noise) > 3 else ""
    weakest = f" (weakest {found.signal_to_noise[-1].value:.3g})" if more else ""
    return f"{text} Signal over noise {signals}{more}{weakest}; noise alone stays below {found.edge:.2g}."


def describe_estimate(estimate: Estimate) -> str:
    """Return ``0.951 [0.913, 0.982]``, or a dash.

    Examples
    --------
    >>> describe_estimate(Estimate(value=0.5, low=0.25, high=0.75))
    '0.500 [0.250, 0.750]'
    """
    if np.isnan(estimate.value):
        return ABSENT
    return f"{estimate.value:.3f}" + ("" if np.isnan(estimate.low) else f" [{estimate.low:.3f}, {estimate.high:.3f}]")


def describe_percent(estimate: Estimate) -> str:
    """Return an estimate of a share in percent."""
    if np.isnan(estimate.value):
        return f"{ABSENT} ({estimate.reason})"
    interval = "" if np.isnan(estimate.low) else f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"
    return f"{100 * estimate.value:.1f} %{interval}"


def middle_density(measurement: Measurement) -> DensitySummary:
    """Return the densities' summary at the half-width at which the surviving classes were counted."""
    return next(one for one in measurement.densities if one.half_width_px == measurement.surviving_half_width_px)


def _class_row(one: ClassMeasure, at_scale: DensitySummary, measurement: Measurement) -> list[str]:
    row = [str(one.klass), _percent(one.share), str(one.num_images)]
    curve = np.asarray(one.l_minus_r)
    if not one.num_images:
        return row + [ABSENT] * 5
    row += [f"{at_scale.mean[one.klass]:.3f}", f"{at_scale.sd[one.klass]:.3f}"]
    if np.isnan(curve).all():
        return [*row, ABSENT, ABSENT, ABSENT]
    peak = int(np.nanargmax(curve))
    p = ABSENT if np.isnan(one.test.p_value) else f"{one.test.p_value:.2f}"
    return [*row, f"{curve[peak]:.2f}", f"{measurement.radii_px[peak]:.0f}", p]


def _percent(share: float) -> str:
    return ABSENT if np.isnan(share) else f"{100 * share:.2f} %"


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _wrap(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, 80)
