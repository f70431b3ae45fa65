"""How far a study is, in lines of at most 80 columns: what needs a look first, then counts for each condition."""

import itertools
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import final

from metastructure.counts import count
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.status import Status
from metastructure.study.store import Store

WIDTH = 80
MOST_LISTED = 10
"""Runs that are listed by name in a summary."""


def name_states(status: Status) -> dict[str, tuple[RunSpec, ...]]:
    """Return the runs of each state under the name that people read, those that need a look first."""
    return {
        "failed": status.failed,
        "damaged": status.damaged,
        "interrupted": status.started,
        "running": tuple(run for run, _ in status.running),
        "done": status.done,
        "missing": status.missing,
    }


def list_status(status: Status, store: Store) -> dict[str, list[dict[str, str]]]:
    """Return every run of each state with its identity, as JSON holds it.

    Failed ones have their error, running ones who is at work on them (`host`, `process`) and since when.
    """
    listed = {
        name: [{"run": run.title, "identity": run.identity} for run in runs]
        for name, runs in name_states(status).items()
    }
    for entry, run in zip(listed["failed"], status.failed, strict=True):
        entry["error"] = store.failure(run) or ""
    for entry, (_, holder) in zip(listed["running"], status.running, strict=True):
        if holder is not None:
            entry |= {"host": holder.host, "process": str(holder.process), "since": holder.since}
    return listed


def status_to_text(study: StudySpec, status: Status, store: Store, every_run: bool = False) -> str:
    """Return the state of a study; with `every_run` one line a run instead of counts.

    Failed, damaged, interrupted and running ones come first, with the reason of a failure and who runs them. Then one
    line for each data set, network and recipe, and below it the counts of its kinds of labels where it is begun and not
    finished.
    """
    states = name_states(status)
    always = ("done", "interrupted", "missing")
    order = ("done", "running", "failed", "damaged", "interrupted", "missing")
    shown = [name for name in order if states[name] or name in always]
    total = sum(map(len, states.values()))
    head = f"{study.name}: {', '.join(f'{len(states[name])} {name}' for name in shown)} of {count(total, 'run')}"
    lines = [*textwrap.wrap(head, WIDTH, subsequent_indent="    ")]
    notes = _Notes(status, store)
    if every_run:
        for name, runs in states.items():
            for run in runs:
                lines += [f"  {name:<11}  {run.identity}  {run.title}", *notes.of(name, run)]
    else:
        for name in ("failed", "damaged", "interrupted", "running"):
            lines += _list_first(name, states[name], notes)
        lines += _count_conditions(study, status)
    return "\n".join(lines) + "\n"


@final
class _Notes:
    """What is said below a run: why it failed, who is at work on it."""

    def __init__(self, status: Status, store: Store) -> None:
        self.store = store
        self.holders = {run.identity: holder for run, holder in status.running}

    def of(self, state: str, run: RunSpec) -> list[str]:
        """Return the lines for a run."""
        text = ""
        if state == "failed":
            text = self.store.failure(run) or ""
        elif state == "damaged":
            text = "its record cannot be read; the next run of the study does it again"
        elif state == "running" and (holder := self.holders[run.identity]) is not None:
            text = f"{holder.title}, since {holder.since}"
        indent = " " * 6
        return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _list_first(state: str, runs: Sequence[RunSpec], notes: _Notes) -> Iterator[str]:
    for run in runs[:MOST_LISTED]:
        yield from textwrap.wrap(f"{state}: {run.title}", WIDTH, initial_indent="  ", subsequent_indent="      ")
        yield from notes.of(state, run)
    if len(runs) > MOST_LISTED:
        yield f"  {state}: and {len(runs) - MOST_LISTED} more"


def _count_conditions(study: StudySpec, status: Status) -> Iterator[str]:
    done = Counter((*_group(run), run.noise) for run in status.done)
    titles = [network.title for network in study.networks]
    num_seeds = len(study.seeds)
    for group in itertools.product(study.data, titles, study.recipes):
        counts = [done[(*group, noise)] for noise in study.noises]
        title = f"{' · '.join(group)}: {sum(counts)} of {count(num_seeds * len(counts), 'run')} done"
        yield from textwrap.wrap(title, WIDTH, initial_indent="  ", subsequent_indent="      ")
        if 0 < sum(counts) < num_seeds * len(counts):
            each = ", ".join(f"{noise} {n}/{num_seeds}" for noise, n in zip(study.noises, counts, strict=True))
            yield from textwrap.wrap(
                each, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
            )


def _group(run: RunSpec) -> tuple[str, str, str]:
    return run.data_name, run.network.title, run.recipe
