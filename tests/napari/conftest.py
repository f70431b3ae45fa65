"""A real viewer without a window, shared by the tests of this folder and emptied after each."""

import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.gettempdir()) / "metastructure-test-napari" / "settings.yaml"))

NEED_NAPARI = ("test_widgets.py", "test_runner.py", "test_manifest.py")
TIMEOUT_MS = 60_000


def find_trouble() -> str:
    """Return why there is no viewer to test in, empty if there is one.

    PySide6 6.12.0 gives away a reference to None with every call that returns None, which ends Python 3.11 sooner or
    later, at the latest when it exits.
    """
    if find_spec("napari") is None or find_spec("qtpy") is None:
        return "napari is not installed: pip install 'metastructure[napari]'"
    from qtpy.QtCore import QObject

    thing, before = QObject(), sys.getrefcount(None)
    for _ in range(100):
        thing.setObjectName("one")
    miscounts = sys.getrefcount(None) < before - 50
    return "this PySide6 miscounts references to None: pip install 'PySide6<6.12'" if miscounts else ""


TROUBLE = find_trouble()
if not TROUBLE:
    with warnings.catch_warnings():  # npe2 and napari use what pydantic has deprecated
        warnings.simplefilter("ignore")
        import napari
        import napari.layers
        from qtpy.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer
        from qtpy.QtWidgets import QApplication


class _Untested(pytest.File):
    """A file that cannot be imported here."""

    def collect(self) -> list[pytest.Item]:
        """Say why."""
        pytest.skip(f"{self.path.name}: {TROUBLE}", allow_module_level=True)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, list[Any], list[Any]]:
    """Skip by name, tests and doctests alike, instead of failing to import the widgets."""
    found = yield
    return [_Untested.from_parent(parent, path=file_path)] if TROUBLE and file_path.name in NEED_NAPARI else found


@pytest.fixture(scope="session")
def open_viewer() -> "Iterator[napari.Viewer]":
    """A viewer for the whole session, since it takes seconds to open.

    Without a screen Qt gives it no OpenGL, and nothing is drawn; what OpenGL can do is asked for all the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari._vispy.layers.image.get_gl_extensions", str)
        for part in ("base", "image", "labels"):
            patch.setattr(f"napari._vispy.layers.{part}.get_max_texture_sizes", lambda: (4096, 2048))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            viewer = napari.Viewer(show=False)
        gc.freeze()  # napari collects garbage with each layer that goes; what is here already stays anyway
        yield viewer
        gc.unfreeze()
        viewer.close()


@pytest.fixture
def viewer(open_viewer: "napari.Viewer") -> "Iterator[napari.Viewer]":
    """The viewer, without layers; the widgets that a test opened are gone after it."""
    yield open_viewer
    for widget in QApplication.topLevelWidgets():
        if type(widget).__module__.startswith("metastructure."):
            widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    open_viewer.layers.clear()


@pytest.fixture
def finish() -> Callable[[Any], str]:
    """A function that waits for a runner to end and returns its message."""

    def wait(runner: Any) -> str:
        if runner.is_working():
            loop = QEventLoop()
            runner.finished.connect(loop.quit)
            QTimer.singleShot(TIMEOUT_MS, loop.quit)
            loop.exec()
            assert not runner.is_working(), "the work did not end in time"
        return str(runner.message.text())

    return wait


@pytest.fixture
def run(finish: Callable[[Any], str]) -> Callable[[Any], str]:
    """A function that presses a widget's button and waits; it returns the message."""

    def press(widget: Any) -> str:
        widget.runner.run_button.click()
        return finish(widget.runner)

    return press


@pytest.fixture
def discs() -> np.ndarray:
    """A label of two discs of unequal size, (48, 64) uint8: class 1 left, class 2 right."""
    rows, columns = np.mgrid[:48, :64]
    label = np.zeros((48, 64), dtype=np.uint8)
    label[(rows - 20) ** 2 + (columns - 16) ** 2 < 100] = 1
    label[(rows - 24) ** 2 + (columns - 46) ** 2 < 144] = 2
    return label
