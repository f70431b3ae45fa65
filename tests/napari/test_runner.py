"""Work in a thread: what it gives, what it says, and that it stops."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from metastructure.errors import DataError
from metastructure.napari.runner import CANCELLED, Job, Runner, _Reports, attempt
from metastructure.napari.stacks import OnItem


@pytest.fixture
def make_runner(open_viewer: Any) -> Callable[[Callable[[OnItem], Any]], Runner]:
    """A function from work to a runner of it, which says what the work gives."""
    return lambda work: Runner("Go", lambda: Job(work, lambda result: f"got {result}"))


def test_work_is_done_in_another_thread(make_runner: Callable[..., Runner], finish: Callable[[Runner], str]) -> None:
    seen = []

    def work(on_item: OnItem) -> int:
        seen.append(threading.current_thread() is threading.main_thread())
        on_item(3, 4)
        return 7

    runner = make_runner(work)
    runner.run_button.click()
    assert runner.is_working()
    assert not runner.run_button.isEnabled()
    assert finish(runner) == "got 7"
    assert seen == [False]
    assert runner.run_button.isEnabled()


def test_progress_reaches_the_bar(make_runner: Callable[..., Runner], finish: Callable[[Runner], str]) -> None:
    shown: list[tuple[int, int]] = []
    runner = make_runner(lambda on_item: [on_item(done, 5) for done in (1, 2, 5)] and None)
    runner.bar.valueChanged.connect(lambda value: shown.append((value, runner.bar.maximum())))
    runner.start()
    finish(runner)
    assert [pair for pair in shown if pair[1] == 5] == [(1, 5), (2, 5), (5, 5)]


def test_cancel_stops_the_thread(make_runner: Callable[..., Runner], finish: Callable[[Runner], str]) -> None:
    ended = threading.Event()

    def endless(on_item: OnItem) -> None:
        try:
            while True:
                on_item(1, 2)
                time.sleep(0.001)
        finally:
            ended.set()

    runner = make_runner(endless)
    runner.start()
    runner.cancel_button.click()
    assert not runner.cancel_button.isEnabled()
    assert finish(runner) == CANCELLED
    assert ended.is_set()


def test_a_result_that_comes_after_cancel_is_dropped() -> None:
    stop = threading.Event()
    stop.set()
    assert attempt(lambda on_item: 7, stop, _Reports()) == (None, CANCELLED)


def test_the_same_runner_works_again_after_cancel(
    make_runner: Callable[..., Runner], finish: Callable[[Runner], str]
) -> None:
    runner = make_runner(lambda on_item: 7)
    runner.start()
    runner.cancel()
    assert finish(runner) == CANCELLED
    runner.start()
    assert finish(runner) == "got 7"


@pytest.mark.parametrize("error", [DataError("no such thing"), ValueError("no such thing"), TypeError("no such thing")])
def test_what_is_wrong_is_said(
    error: Exception, make_runner: Callable[..., Runner], finish: Callable[[Runner], str]
) -> None:
    def work(on_item: OnItem) -> None:
        raise error

    runner = make_runner(work)
    runner.start()
    assert finish(runner) == "⚠ no such thing"


def test_what_is_wrong_at_the_start_is_said(open_viewer: Any) -> None:
    def refuse() -> Job:
        raise ValueError("There is no layer.")

    runner = Runner("Go", refuse)
    runner.run_button.click()
    assert runner.message.text() == "⚠ There is no layer."
    assert not runner.is_working()


def test_work_ends_with_the_widget(make_runner: Callable[..., Runner]) -> None:
    from qtpy.QtCore import QCoreApplication, QEvent

    ended = threading.Event()

    def endless(on_item: OnItem) -> None:
        try:
            while True:
                on_item(1, 2)
                time.sleep(0.001)
        finally:
            ended.set()

    runner = make_runner(endless)
    runner.start()
    runner.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert ended.wait(30)
