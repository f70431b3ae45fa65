"""Work in a thread, with a bar, a button that stops it, and a line that says what came of it or what was wrong."""

from collections.abc import Callable
from threading import Event
from typing import Any, NamedTuple, final

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from metastructure.errors import MetastructureError
from metastructure.napari.stacks import OnItem

EXPECTED = (MetastructureError, ValueError, TypeError, MemoryError, OSError)
"""What is told in the widget; anything else is a fault of ours, and told by napari as well."""

CANCELLED = "Cancelled; nothing was changed."
WARNING_SIGN = "\N{WARNING SIGN} "


class Job(NamedTuple):
    """Something to be done.

    Attributes
    ----------
    work : callable
        ``work(on_item)`` in a thread; it touches no layer and no widget.
    show : callable
        ``show(result)`` afterwards, among the widgets; returns what to say.
    """

    work: Callable[[OnItem], Any]
    show: Callable[[Any], str]


class Cancelled(Exception):
    """Raised in the thread by `on_item` once the person wants no more of it."""


@final
class _Reports(QObject):
    """Carries progress out of the thread; it outlives a widget that is closed while the thread still reports."""

    progressed = Signal(int, int)


@final
class Runner(QWidget):
    """Two buttons, a bar and a message.

    Parameters
    ----------
    verb : str
        On the button that starts.
    prepare : callable
        Called among the widgets at the start; returns a `Job`, or raises what is then told.
    """

    finished = Signal()
    """After work of any end, its message in place."""

    def __init__(self, verb: str, prepare: Callable[[], Job]) -> None:
        super().__init__()
        self._prepare = prepare
        self._job: Job | None = None
        self._stop = Event()
        self.run_button, self.cancel_button = QPushButton(verb), QPushButton("Cancel")
        self.bar, self.message = QProgressBar(), QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar.setFormat("%v of %m")
        buttons, rows = QHBoxLayout(), QVBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        rows.addLayout(buttons)
        rows.addWidget(self.bar)
        rows.addWidget(self.message)
        rows.setContentsMargins(0, 0, 0, 0)
        self.setLayout(rows)
        self._set_working(False)
        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)

    def start(self) -> None:
        """Begin, or say why not."""
        from napari.qt.threading import create_worker

        try:
            self._job = self._prepare()
        except EXPECTED as error:
            self.complain(str(error))
            return
        self._stop, reports = Event(), _Reports()
        self.destroyed.connect(self._stop.set)
        reports.progressed.connect(self._on_progressed)
        self.say("Working ...")
        self._set_working(True)
        create_worker(
            attempt,
            self._job.work,
            self._stop,
            reports,
            _ignore_errors=True,
            _connect={"returned": self._on_returned, "errored": self._on_errored},
        )

    def cancel(self) -> None:
        """Stop at the next step."""
        self._stop.set()
        self.cancel_button.setEnabled(False)
        self.say("Stopping after this step ...")

    def say(self, text: str) -> None:
        """Show what came of it."""
        self.message.setText(text)

    def complain(self, text: str) -> None:
        """Show what is wrong, with a sign before it."""
        self.message.setText(WARNING_SIGN + text)

    def is_working(self) -> bool:
        """Return whether something is being done."""
        return bool(self.cancel_button.isVisibleTo(self))

    def _set_working(self, working: bool) -> None:
        self.run_button.setEnabled(not working)
        self.cancel_button.setEnabled(working)
        self.cancel_button.setVisible(working)
        self.bar.setVisible(working)
        self.bar.setRange(0, 0)

    def _on_progressed(self, done: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def _on_returned(self, outcome: tuple[Any, str]) -> None:
        result, problem = (None, CANCELLED) if self._stop.is_set() else outcome
        self._set_working(False)
        try:
            if problem == CANCELLED:
                self.say(problem)
            elif problem or self._job is None:
                self.complain(problem)
            else:
                self.say(self._job.show(result))
        except EXPECTED as error:
            self.complain(str(error))
        self._job = None
        self.finished.emit()

    def _on_errored(self, error: BaseException) -> None:
        self._job = None
        self._set_working(False)
        self.complain(f"This should not happen, please report it: {type(error).__name__}: {error}")
        self.finished.emit()


def attempt(work: Callable[[OnItem], Any], stop: Event, reports: _Reports) -> tuple[Any, str]:
    """Return what the work gives, and an empty text; or None, and why it gives nothing.

    Examples
    --------
    >>> attempt(lambda on_item: 7, Event(), _Reports())
    (7, '')
    >>> attempt(lambda on_item: int("seven"), Event(), _Reports())
    (None, "invalid literal for int() with base 10: 'seven'")
    """

    def on_item(done: int, total: int) -> None:
        if stop.is_set():
            raise Cancelled
        reports.progressed.emit(done, total)

    try:
        result = work(on_item)
    except Cancelled:
        return None, CANCELLED
    except EXPECTED as error:
        return None, str(error) or type(error).__name__
    return (None, CANCELLED) if stop.is_set() else (result, "")
