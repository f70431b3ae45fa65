"""The widget that audits labels, and leads to the objects that are suspicious."""

from typing import TYPE_CHECKING, final

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QPlainTextEdit, QTableWidget, QTableWidgetItem, QWidget

from metastructure.napari.auditing import LayerAudit, Suspect, audit_stacks
from metastructure.napari.layer_choice import LabelChoice, LayerChoice, lay_out, placement, seed_box
from metastructure.napari.runner import Job, Runner
from metastructure.napari.stacks import Array, OnItem, image_stack, label_stack

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Shapes

COLUMNS = ("Slice", "Why", "Class", "Score", "Area (px)", "Row", "Column")
MOST_SHOWN = 500
"""Boxes are slow to draw; the most suspicious are shown."""

NO_IMAGE = "(no image: what labels alone can tell)"


@final
class AuditWidget(QWidget):
    """The verdict on a label layer, and a table of its suspicious objects; a row centres the camera on its object."""

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._labels: Labels | None = None
        self._boxes: Shapes | None = None
        self._suspects: list[Suspect] = []
        self.images = LayerChoice(napari_viewer, ("Image",), NO_IMAGE)
        self.labels = LabelChoice(napari_viewer)
        self.seed = seed_box()
        self.runner = Runner("Audit", self._prepare)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Findings")
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName("Suspicious objects")
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSortIndicator(COLUMNS.index("Score"), Qt.SortOrder.DescendingOrder)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.itemSelectionChanged.connect(self._on_row)
        rows: dict[str, QWidget] = {"Images": self.images, "Labels": self.labels, "Seed": self.seed}
        lay_out(self, rows, self.runner, self.details, self.table)

    def _prepare(self) -> Job:
        layer, one_class, seed = self.labels.layer(), self.labels.one_class.isChecked(), self.seed.value()
        name, data, image = layer.name, layer.data, self.images.layer()
        seen = None if image is None else (image.name, image.data, image.rgb)

        def work(on_item: OnItem) -> LayerAudit:
            images = None if seen is None else image_stack(*seen)
            return audit_stacks(images, label_stack(name, data, one_class), seed, on_item)

        def show(audit: LayerAudit) -> str:
            self._labels = layer
            self._suspects = audit.suspects[:MOST_SHOWN]
            self.details.setPlainText(audit.sentences)
            self._draw_boxes(layer)
            self._fill_table()
            num = len(audit.suspects)
            more = f" The {MOST_SHOWN} most suspicious are listed." if num > MOST_SHOWN else ""
            return f"{audit.headline} Suspicious objects: {num}.{more}"

        return Job(work, show)

    def _draw_boxes(self, layer: "Labels") -> None:
        if self._boxes in self._viewer.layers:
            self._viewer.layers.remove(self._boxes)
        self._boxes = None
        if self._suspects:
            corners = [_corners(suspect, layer.ndim) for suspect in self._suspects]
            style = {"edge_color": "#e69f00", "face_color": "transparent", "edge_width": 1}
            self._boxes = self._viewer.add_shapes(
                corners, shape_type="rectangle", name=f"{layer.name} suspicious", **style, **placement(layer)
            )

    def _fill_table(self) -> None:
        self.table.setSortingEnabled(False)
        self.table.setRowCount(0)
        self.table.setRowCount(len(self._suspects))
        for row, (place, one) in enumerate(self._suspects):
            why = one.why if one.suggested is None else f"{one.why}: {one.suggested}"
            cells = (place, why, one.klass, round(one.score, 3), one.area_px, round(one.row, 1), round(one.column, 1))
            for column, value in enumerate(cells):
                item = QTableWidgetItem()
                item.setData(Qt.ItemDataRole.DisplayRole, value)
                item.setData(Qt.ItemDataRole.UserRole, row)
                self.table.setItem(row, column, item)
        self.table.setSortingEnabled(True)
        self.table.resizeColumnsToContents()

    def _on_row(self) -> None:
        items = self.table.selectedItems()
        if not items or self._labels is None:
            return
        number = items[0].data(Qt.ItemDataRole.UserRole)
        suspect, layer = self._suspects[number], self._labels
        at = layer.data_to_world((suspect.slice, suspect.found.row, suspect.found.column)[-layer.ndim :])
        if layer.ndim == 3:
            self._viewer.dims.set_point(self._viewer.dims.ndim - 3, at[0])
        self._viewer.scene.camera.center = tuple(at[-2:])
        if self._boxes is not None and self._boxes in self._viewer.layers:
            self._viewer.layers.selection.active = self._boxes
            self._boxes.mode = "select"
            self._boxes.selected_data = {number}


def _corners(suspect: Suspect, num_axes: int) -> Array:
    """Return the corners of an object's box around its pixels, (4, `num_axes`)."""
    top, left, bottom, right = np.array(suspect.found.box) - 0.5
    corners = np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
    return corners if num_axes == 2 else np.insert(corners, 0, suspect.slice, axis=1)
