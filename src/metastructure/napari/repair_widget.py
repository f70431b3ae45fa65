"""The widget that shows a repair of labels before it is taken over."""

from typing import TYPE_CHECKING, Any, final

import numpy as np
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QWidget

from metastructure.napari.layer_choice import LabelChoice, lay_out, placement
from metastructure.napari.repairing import LayerRepair, repair_stack, values_after
from metastructure.napari.runner import Job, Runner
from metastructure.napari.stacks import Array, OnItem, label_stack

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

DENOISE, SHIFT = "denoise (random pixels)", "shift boundaries"
CONVENTIONS = ("undecided", "background", "diagonal")
LARGEST_SHIFT_PX = 50.0
SHOW_BEFORE, SHOW_AFTER = "Show before", "Show after"


@final
class RepairWidget(QWidget):
    """A repaired label layer beside the one it came from: one of the two is shown, until it is accepted or not."""

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._layer: Labels | None = None
        self._preview: Labels | None = None
        self._before: Array | None = None
        self.labels = LabelChoice(napari_viewer)
        self.method, self.convention, self.shift_px = QComboBox(), QComboBox(), QDoubleSpinBox()
        self.method.addItems([DENOISE, SHIFT])
        self.convention.addItems(CONVENTIONS)
        self.convention.setToolTip(
            "Where noise fits two readings: class 0 is the largest (background), or labels are more often right than "
            "wrong (diagonal)."
        )
        self.shift_px.setRange(-LARGEST_SHIFT_PX, LARGEST_SHIFT_PX)
        self.shift_px.setSingleStep(0.5)
        self.shift_px.setToolTip("Above 0 objects grow, below they shrink: -2 for objects drawn 2 px too large.")
        self.runner = Runner("Preview", self._prepare)
        self.toggle_button, self.accept_button = QPushButton(SHOW_BEFORE), QPushButton("Accept")
        self.discard_button = QPushButton("Discard")
        self.decision, buttons = QWidget(), QHBoxLayout()
        for button in (self.toggle_button, self.accept_button, self.discard_button):
            buttons.addWidget(button)
        buttons.setContentsMargins(0, 0, 0, 0)
        self.decision.setLayout(buttons)
        rows: dict[str, QWidget] = {"Labels": self.labels, "Method": self.method, "Shift (px)": self.shift_px}
        lay_out(self, rows | {"Reading": self.convention}, self.runner, self.decision)
        self.method.currentTextChanged.connect(self._on_method)
        self.toggle_button.clicked.connect(self.toggle)
        self.accept_button.clicked.connect(self.accept)
        self.discard_button.clicked.connect(self.discard)
        self._on_method(DENOISE)
        self._forget()

    def toggle(self) -> None:
        """Show the label before the repair instead of that after it, or the other way round."""
        if self._check_preview() and self._preview is not None:
            self._show(after=not self._preview.visible)

    def accept(self) -> None:
        """Put the repaired values into the layer; Ctrl+Z takes them back."""
        if not self._check_preview() or self._layer is None or self._preview is None:
            return
        if not np.array_equal(np.asarray(self._layer.data), np.asarray(self._before)):
            self.runner.complain(f"Layer '{self._layer.name}' was changed since; make the preview again.")
            return
        layer = self._layer
        set_values(layer, np.asarray(self._preview.data))
        self.discard()
        self.runner.say(f"Layer '{layer.name}' holds the repaired label. Ctrl+Z takes it back; save it to keep it.")

    def discard(self) -> None:
        """Take the preview away; the label is as it was."""
        if self._preview in self._viewer.layers:
            self._viewer.layers.remove(self._preview)
        if self._layer is not None:
            self._layer.visible = True
        self._forget()
        self.runner.say("The preview is gone; nothing was changed.")

    def _prepare(self) -> Job:
        if self._preview in self._viewer.layers:
            raise ValueError("Accept or discard the preview first.")
        layer, one_class = self.labels.layer(), self.labels.one_class.isChecked()
        if layer.multiscale:
            raise TypeError(f"Layer '{layer.name}' is a pyramid of several sizes; open its finest level alone.")
        name, data, where = layer.name, layer.data, placement(layer)
        chosen = self.convention.currentText()
        convention: Any = None if chosen == CONVENTIONS[0] else chosen
        shift_px = self.shift_px.value()
        is_shift = self.method.currentText() == SHIFT
        if is_shift and not shift_px:
            raise ValueError("The shift is 0 px: give how far boundaries are to move, above 0 outwards.")
        method = f"shift:{shift_px:g}" if is_shift else "denoise"

        def work(on_item: OnItem) -> tuple[Array, Array, LayerRepair]:
            before = np.array(data)
            stack = label_stack(name, before, one_class)
            found = repair_stack(stack, method, convention, on_item)
            return before, values_after(before, found.labels, one_class), found

        def show(result: tuple[Array, Array, LayerRepair]) -> str:
            before, after, found = result
            if np.array_equal(before, after):
                return found.text
            self._before, self._layer = before, layer
            self._preview = self._viewer.add_labels(after, name=f"{name} repaired (preview)", **where)
            self.decision.setEnabled(True)
            self._show(after=True)
            return f"{found.text} Compare, then accept or discard."

        return Job(work, show)

    def _on_method(self, method: str) -> None:
        self.shift_px.setEnabled(method == SHIFT)
        self.convention.setEnabled(method == DENOISE)

    def _show(self, *, after: bool) -> None:
        if self._layer is not None and self._preview is not None:
            self._layer.visible, self._preview.visible = not after, after
            self.toggle_button.setText(SHOW_BEFORE if after else SHOW_AFTER)

    def _check_preview(self) -> bool:
        """Return whether both layers are still there; say so if not."""
        if self._preview in self._viewer.layers and self._layer in self._viewer.layers:
            return True
        self._forget()
        self.runner.complain("A layer of the preview was removed; make the preview again.")
        return False

    def _forget(self) -> None:
        self._layer = self._preview = self._before = None
        self.toggle_button.setText(SHOW_BEFORE)
        self.decision.setEnabled(False)


def set_values(layer: Any, values: Array) -> None:
    """Give a label layer new values, as one stroke that can be undone where its pixels lie in memory.

    Arrays of other kinds may lie in a file, which is never written to; they are replaced.
    """
    if type(layer.data) is not np.ndarray:
        layer.data = values
        return
    places = np.nonzero(layer.data != values)
    layer.data_setitem(places, values[places])
