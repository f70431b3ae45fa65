"""The widget that segments images without any label."""

from typing import TYPE_CHECKING, Any, final

import numpy as np
from qtpy.QtWidgets import QComboBox, QWidget

from metastructure.napari.layer_choice import LayerChoice, image_layer, lay_out, placement, seed_box, spec_box
from metastructure.napari.runner import Job, Runner
from metastructure.napari.segmenting import segment_stack
from metastructure.napari.stacks import Array, OnItem, image_stack
from metastructure.unsupervised.base import Side
from metastructure.unsupervised.methods import DEFAULT_METHOD, METHODS

if TYPE_CHECKING:
    from napari import Viewer


@final
class SegmentWidget(QWidget):
    """Labels told from the images alone as a new label layer."""

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.images = LayerChoice(napari_viewer, ("Image",))
        self.method = spec_box(list(METHODS), "A method, or one with settings: adaptive:window_px=31.")
        self.method.setCurrentText(DEFAULT_METHOD)
        self.side = QComboBox()
        self.side.addItems(["auto", "bright", "dark"])
        self.side.setToolTip("Whether objects are brighter or darker than what surrounds them.")
        self.seed = seed_box()
        self.runner = Runner("Segment", self._prepare)
        rows: dict[str, QWidget] = {"Images": self.images, "Method": self.method, "Objects": self.side}
        lay_out(self, rows | {"Seed": self.seed}, self.runner)

    def _prepare(self) -> Job:
        layer = image_layer(self.images)
        name, data, is_rgb, where = layer.name, layer.data, layer.rgb, placement(layer)
        method, seed = self.method.currentText(), self.seed.value()
        side: Any = self.side.currentText()

        def work(on_item: OnItem) -> tuple[Array, Side]:
            return segment_stack(image_stack(name, data, is_rgb), method, side, seed, on_item)

        def show(result: tuple[Array, Side]) -> str:
            labels, taken = result
            added = self._viewer.add_labels(labels, name=f"{name} {method}", **where)
            share = 100 * float(np.mean(labels))
            return f"{share:.1f} % of the pixels are objects, taken as {taken}; see the layer '{added.name}'."

        return Job(work, show)
