"""Draw docs/napari.png: the audit widget in napari, with the sample of nuclei and a suspicious object chosen.

Run:  .venv/bin/python docs/scripts/napari_picture.py
It needs the extra napari, and Mesa's EGL in place of a screen: the windows of Qt are drawn off screen, which gives them
no OpenGL, so that the canvas is drawn into a buffer of EGL and laid over its place in the window.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ |= {"QT_QPA_PLATFORM": "offscreen", "EGL_PLATFORM": "surfaceless", "PYOPENGL_PLATFORM": "egl"}
PICTURE = Path(__file__).parents[1] / "napari.png"
SIZE_PX = (1500, 820)
ZOOM = 4.0
TIMEOUT_MS = 120_000

EGL_OPENGL_API = 0x30A2
EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_NONE = 0x3033, 0x0001, 0x3038
EGL_WIDTH, EGL_HEIGHT = 0x3057, 0x3056


def make_opengl_current() -> Callable[[], object]:
    """Give this thread an OpenGL context without a screen, and return what gives it again.

    EGL 1.5 specification, sections 3.2 to 3.7.
    """
    egl = ctypes.CDLL("libEGL.so.1")
    pointer, integers = ctypes.c_void_p, lambda *values: (ctypes.c_int * len(values))(*values)
    for name in ("eglGetDisplay", "eglCreateContext", "eglCreatePbufferSurface"):
        getattr(egl, name).restype = pointer
    display, config, found = pointer(egl.eglGetDisplay(None)), pointer(), ctypes.c_int()
    egl.eglInitialize(display, None, None)
    egl.eglBindAPI(EGL_OPENGL_API)
    wanted = integers(EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_NONE)
    egl.eglChooseConfig(display, wanted, ctypes.byref(config), 1, ctypes.byref(found))
    size = integers(EGL_WIDTH, SIZE_PX[0], EGL_HEIGHT, SIZE_PX[1], EGL_NONE)
    surface = pointer(egl.eglCreatePbufferSurface(display, config, size))
    context = pointer(egl.eglCreateContext(display, config, None, integers(EGL_NONE)))
    if not egl.eglMakeCurrent(display, surface, surface, context):
        raise SystemExit("EGL gives no OpenGL here; install Mesa (libegl1, libgl1-mesa-dri).")
    return lambda: egl.eglMakeCurrent(display, surface, surface, context)


def main() -> None:
    """Open the sample, audit it, choose an object and save what the window shows."""
    make_current = make_opengl_current()
    import napari
    from qtpy.QtCore import QEventLoop, QTimer
    from qtpy.QtGui import QImage, QPainter
    from qtpy.QtWidgets import QApplication

    from metastructure.napari.audit_widget import AuditWidget
    from metastructure.napari.samples import make_nuc

    viewer = napari.Viewer(show=False)
    window = viewer.window._qt_window
    window.resize(*SIZE_PX)
    for data, settings, kind in make_nuc():
        getattr(viewer, f"add_{kind}")(data, **settings)
    viewer.layers[-1].contour = 2
    widget = AuditWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Audit labels (Metastructure)", area="right")
    widget.labels.choice.choose(viewer.layers[2])
    widget.images.choose(viewer.layers[0])
    widget.runner.start()
    loop = QEventLoop()
    widget.runner.finished.connect(loop.quit)
    QTimer.singleShot(TIMEOUT_MS, loop.quit)
    loop.exec()
    window.ensurePolished()
    for _ in range(20):
        QApplication.processEvents()
    canvas = viewer.window._qt_viewer.canvas
    native = canvas.native
    window.grab()  # puts all parts in their places, and takes the context away
    make_current()
    canvas._scene_canvas._backend.resizeGL(native.width(), native.height())
    viewer.scene.camera.zoom = ZOOM
    whys = [widget.table.item(row, 1).text() for row in range(widget.table.rowCount())]
    widget.table.selectRow(whys.index("missing"))
    pixels = np.ascontiguousarray(canvas._scene_canvas.render(alpha=False))
    drawn = QImage(pixels.data, pixels.shape[1], pixels.shape[0], 3 * pixels.shape[1], QImage.Format.Format_RGB888)
    picture = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    place = native.mapTo(window, native.rect().topLeft())
    painter = QPainter(picture)
    painter.drawImage(place, drawn)
    painter.end()
    picture.save(str(PICTURE))
    viewer.close()


if __name__ == "__main__":
    main()
