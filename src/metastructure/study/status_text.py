"""How far a study is, in lines of at most 80 columns: what needs a look first, then counts for each condition."""

import textwrap
from collections.abc import Iterator, Sequence

from metastructure.study.counts import count
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store import Store
from metastructure.study.study import Status

WIDTH = 80
MOST_LISTED = 10
"""Runs that are listed by name in a summary."""


def name_states(status: Status) -> dict[str, tuple[RunSpec, ...]]:
    """Return the runs of each state under the name that people read, those that need a look first."""
    return {
        "failed": status.failed,
        "interrupted": status.started,
        "done": status.done,
        "missing": status.missing,
    }


def list_status(status: Status, store: Store) -> dict[str, list[dict[str, str]]]:
    """Return every run of each state with its identity, failed ones with their error, as JSON holds it."""
    return {name: [_describe(run, store) for run in runs] for name, runs in name_states(status).items()}


def _describe(run: RunSpec, store: Store) -> dict[str, str]:
    error = store.failure(run)
    return {"run": run.title, "identity": run.identity, **({} if error is None else {"error": error})}


def status_to_text(study: StudySpec, status: Status, store: Store, every_run: bool = False) -> str:
    """Return the state of a study; with `every_run` one line a run instead of counts.

    Failed and interrupted runs come first, with the reason of a failure. Then one line for each data set, network and
    recipe, and below it the counts of its kinds of labels where it is begun and not finished.
    """
    states = name_states(status)
    shown = ["done", *(["failed"] if status.failed else []), "interrupted", "missing"]
    total = sum(map(len, states.values()))
    head = f"{study.name}: {', '.join(f'{len(states[name])} {name}' for name in shown)} of {count(total, 'run')}"
    lines = [*textwrap.wrap(head, WIDTH, subsequent_indent="    ")]
    if every_run:
        for name, runs in states.items():
            for run in runs:
                lines.append(f"  {name:<11}  {run.identity}  {run.title}")
                lines += _reason(store, run)
    else:
        for name in ("failed", "interrupted"):
            lines += _list_first(name, states[name], store)
        lines += _count_conditions(study, status)
    return "\n".join(lines) + "\n"


def _list_first(state: str, runs: Sequence[RunSpec], store: Store) -> Iterator[str]:
    for run in runs[:MOST_LISTED]:
        yield from textwrap.wrap(f"{state}: {run.title}", WIDTH, initial_indent="  ", subsequent_indent="      ")
        yield from _reason(store, run)
    if len(runs) > MOST_LISTED:
        yield f"  {state}: and {len(runs) - MOST_LISTED} more"


def _reason(store: Store, run: RunSpec) -> list[str]:
    indent = " " * 6
    return textwrap.wrap(store.failure(run) or "", WIDTH, initial_indent=indent, subsequent_indent=indent)


def _count_conditions(study: StudySpec, status: Status) -> Iterator[str]:
    done = [(*_group(run), run.noise) for run in status.done]
    groups = dict.fromkeys(_group(run) for run in study.runs())
    num_seeds = len(study.seeds)
    for group in groups:
        counts = [done.count((*group, noise)) for noise in study.noises]
        title = f"{' · '.join(group)}: {sum(counts)} of {count(num_seeds * len(counts), 'run')} done"
        yield from textwrap.wrap(title, WIDTH, initial_indent="  ", subsequent_indent="      ")
        if 0 < sum(counts) < num_seeds * len(counts):
            each = ", ".join(f"{noise} {n}/{num_seeds}" for noise, n in zip(study.noises, counts, strict=True))
            yield from textwrap.wrap(
                each, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
            )


def _group(run: RunSpec) -> tuple[str, str, str]:
    return run.data_name, run.network.title, run.recipe
