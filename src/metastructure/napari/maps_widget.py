"""The widget that maps the meta-structure of a class."""

from typing import TYPE_CHECKING, Any, final

import numpy as np
from qtpy.QtWidgets import QComboBox, QWidget

from metastructure.label import MAX_CLASSES
from metastructure.napari.layer_choice import LabelChoice, lay_out, number_box, placement
from metastructure.napari.maps import density_map, distance_map, second_order_map
from metastructure.napari.runner import Job, Runner
from metastructure.napari.stacks import Array, OnItem, label_stack
from metastructure.structure.windows import WINDOWS

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

DENSITY, SECOND_ORDER, DISTANCE = "density", "second order", "signed distance"
LARGEST_PX = 9999
GAP_PX = 10
"""Between a layer and the map of displacements beside it."""


@final
class MapsWidget(QWidget):
    """Density, second-order structure or signed distance of a class as a new image layer."""

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.labels = LabelChoice(napari_viewer)
        self.kind, self.shape_of_window = QComboBox(), QComboBox()
        self.kind.addItems([DENSITY, SECOND_ORDER, DISTANCE])
        self.shape_of_window.addItems(list(WINDOWS))
        self.klass = number_box(1, 0, MAX_CLASSES - 1, "The class to be mapped.")
        self.reach = number_box(8, 0, LARGEST_PX, "Half-width of the window, or the largest displacement.")
        self.runner = Runner("Make map", self._prepare)
        rows: dict[str, QWidget] = {"Labels": self.labels, "Map": self.kind, "Class": self.klass}
        lay_out(self, rows | {"Reach (px)": self.reach, "Window": self.shape_of_window}, self.runner)
        self.kind.currentTextChanged.connect(self._on_kind)

    def _on_kind(self, kind: str) -> None:
        self.shape_of_window.setEnabled(kind == DENSITY)
        self.reach.setEnabled(kind != DISTANCE)

    def _prepare(self) -> Job:
        layer, one_class = self.labels.layer(), self.labels.one_class.isChecked()
        name, data, kind = layer.name, layer.data, self.kind.currentText()
        klass, reach_px = self.klass.value(), self.reach.value()
        window: Any = self.shape_of_window.currentText()
        if kind == SECOND_ORDER and reach_px < 1:
            raise ValueError("The reach must be at least 1 px: it is the largest displacement.")
        where = _beside(layer, reach_px) if kind == SECOND_ORDER else placement(layer)

        def work(on_item: OnItem) -> Array:
            labels = label_stack(name, data, one_class)
            if kind == DENSITY:
                return density_map(labels, klass, reach_px, window, on_item)
            if kind == SECOND_ORDER:
                return second_order_map(labels, klass, reach_px, on_item)
            return distance_map(labels, klass, on_item)

        def show(values: Array) -> str:
            added = self._viewer.add_image(values, name=f"{name} {kind} of {klass}", **_colours(kind, values), **where)
            return f"See the layer '{added.name}'. {MEANINGS[kind]}"

        return Job(work, show)


MEANINGS = {
    DENSITY: "It is the share of the class among the known pixels of the window around each pixel.",
    SECOND_ORDER: "Beside the label, zero displacement in its middle: pairs of pixels of the class at each "
    "displacement, against pixels put anywhere (1).",
    DISTANCE: "It is the distance to the boundary of the class in pixels, above 0 inside.",
}


def _colours(kind: str, values: Array) -> dict[str, Any]:
    """Return colours that a colour-blind reader can tell, and what their ends stand for."""
    if kind == DENSITY:
        return {"colormap": "viridis", "contrast_limits": (0.0, 1.0)}
    finite = np.abs(values[np.isfinite(values)])
    most = float(finite.max(initial=0)) or 1.0
    if kind == SECOND_ORDER:
        return {"colormap": "viridis", "contrast_limits": (0.0, most)}
    return {"colormap": "coolwarm", "contrast_limits": (-most, most)}


def _beside(layer: "Labels", reach_px: int) -> dict[str, Any]:
    """Return where a map of displacements lies: to the right of its layer, at the layer's scale."""
    corner = np.zeros(layer.ndim)
    corner[-1] = layer.extent.data[1][-1] + GAP_PX + 0.5
    return {"scale": layer.scale[-2:], "translate": layer.data_to_world(corner)[-2:], "units": layer.units[-2:]}
