"""From a store to the page of its study: collects records and samples and hands them to `metastructure.report`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from metastructure.counts import count
from metastructure.errors import RunError
from metastructure.noise import parse_noise
from metastructure.report import Bar, Example, Page, Section, write_page
from metastructure.study.claims_text import describe_tests, format_claims
from metastructure.study.hypotheses import check_claims
from metastructure.study.learning import make_learning
from metastructure.study.record import RunRecord
from metastructure.study.spec import StudySpec
from metastructure.study.store import Store
from metastructure.study.table import METRIC_NAMES, REFERENCE_NOISE, format_table, make_table

SINGULAR = 1e-6
"""A smallest singular value below this is a singular matrix written with finite digits."""


def write_study_page(study: StudySpec, store: Store, path: Path, command: str = "") -> pd.DataFrame:
    """Write the HTML page of a study's finished runs to `path` and return its table.

    Parameters
    ----------
    study : StudySpec
    store : Store
    path : Path
    command : str
        The command that made the results, shown on the page.

    Raises
    ------
    RunError
        If no run is done.
    """
    records = store.load_done(study)
    if not records:
        raise RunError(f"{store.root}: no run of study {study.name!r} is done; run it first.")
    table = make_table(records)
    header, *rows = format_table(table)
    num_runs = sum(1 for _ in study.runs())
    notes = ["Scores in points (0-100) on clean test labels. " + _explain_score(table)]
    if len(records) < num_runs:
        notes.insert(0, f"Only {len(records)} of {count(num_runs, 'run')} done; the others are missing from this page.")
    claims = check_claims(study, records)
    page = Page(
        title=study.name,
        description=study.description,
        header=header,
        rows=rows,
        sections=_make_sections(study, records, table, store),
        facts=_collect_facts(study, records, command),
        notes=notes,
        claims=[] if claims.empty else format_claims(claims),
        claims_note=describe_tests(claims),
    )
    write_page(page, path)
    return table


def noise_family(noise: str, num_classes: int) -> str:
    """Return the paper's family of a noise: clean, randomised, perturbed or random.

    Decided by the transition matrix: none means perturbed, a singular one random, any other randomised.

    Examples
    --------
    >>> [noise_family(spec, 2) for spec in ("clean", "flip:0.45", "flip:0.5", "dilate:3")]
    ['clean', 'randomised', 'random', 'perturbed']
    """
    if noise == REFERENCE_NOISE:
        return "clean"
    matrix = parse_noise(noise).transition(num_classes)
    if matrix is None:
        return "perturbed"
    return "random" if matrix.sigma_min() < SINGULAR else "randomised"


def _explain_score(table: pd.DataFrame) -> str:
    dice = (
        "Dice: mean over test images at the threshold chosen for it on the clean labels of the validation split; "
        "beside it at the fixed threshold 0.5."
    )
    miou = "mIoU: mean over classes of the IoU of all test pixels."
    used = [text for name, text in (("dice", dice), ("miou", miou)) if (table["metric"] == name).any()]
    many = table["seeds"].max() > 1
    return " ".join(used) + (
        f" Intervals: 95 %, bootstrap over test images{' and seeds' if many else '; one seed, so they do not '}"
        f"{'' if many else 'speak of other seeds'}; differences are paired."
    )


def _make_sections(study: StudySpec, records: Sequence[RunRecord], table: pd.DataFrame, store: Store) -> list[Section]:
    sections = []
    for (data, network, recipe), rows in table.groupby(["data", "network", "recipe"], sort=False):
        key = (data, network, recipe)
        members = [r for r in records if (r.spec.data_name, r.spec.network.title, r.spec.recipe) == key]
        C = members[0].num_classes
        bars = [
            Bar(row["noise"], noise_family(row["noise"], C), row["score"], row["low"], row["high"])
            for row in rows.to_dict("records")
        ]
        metric = METRIC_NAMES[rows["metric"].iloc[0]]
        sections.append(
            Section(
                title=f"{data}, {network}" + (f", {recipe}" if len(study.recipes) > 1 else ""),
                axis_title=f"test {metric} in points (line: 95 % interval)",
                bars=bars,
                examples=_make_examples(members, store),
                num_classes=C,
                learning=[make_learning(r) for r in members if r.dynamics and r.spec.seed == members[0].spec.seed],
            )
        )
    return sections


def _make_examples(members: Sequence[RunRecord], store: Store) -> list[Example]:
    """Return the sample images of the first seed, one example an image with all noises in it."""
    first_seed = members[0].spec.seed
    samples = {
        record.spec.noise: store.load_samples(record.spec) for record in members if record.spec.seed == first_seed
    }
    samples = {noise: kept for noise, kept in samples.items() if kept}
    if not samples:
        return []
    first = next(iter(samples.values()))
    return [
        Example(
            id=str(item),
            image=first[f"image_{place}"],
            truth=first[f"truth_{place}"],  # type: ignore[arg-type]
            answers={
                noise: (kept[f"noisy_{place}"], kept[f"prediction_{place}"])  # type: ignore[misc]
                for noise, kept in samples.items()
            },
        )
        for place, item in enumerate(first["ids"])
    ]


def _collect_facts(study: StudySpec, records: Sequence[RunRecord], command: str) -> dict[str, str]:
    def distinct(values: Sequence[str]) -> str:
        return ", ".join(dict.fromkeys(values))

    facts = {"command": command} if command else {}
    seeds = dict.fromkeys(str(r.spec.seed) for r in records)
    facts["runs"] = f"{len(records)} ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)})"
    facts["training"] = ", ".join(f"{name} {value}" for name, value in study.training.model_dump().items())
    for name, changes in study.recipes.items():
        if len(study.recipes) > 1 or changes:
            text = ", ".join(f"{key} {value}" for key, value in changes.items())
            facts[f"recipe {name}"] = text or "nothing changed"
    facts["network parameters"] = distinct([f"{r.spec.network.title} {r.num_parameters:,}" for r in records])
    facts["machine"] = distinct([f"{r.device}, {count(r.threads, 'thread')}" for r in records])
    facts["versions"] = distinct([" ".join(f"{k} {v}" for k, v in r.versions.items()) for r in records])
    facts["computing time"] = f"{sum(r.seconds for r in records) / 60:.1f} min"
    facts["finished"] = max(r.finished for r in records)
    return facts
