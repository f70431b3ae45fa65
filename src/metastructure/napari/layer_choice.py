"""Drop-downs that list the layers of a viewer as they come and go, and other parts that the widgets share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSpinBox, QVBoxLayout, QWidget

from metastructure.napari.stacks import ONE_CLASS, label_stack

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels, Layer

LARGEST_SEED = 2**31 - 1


@final
class LayerChoice(QComboBox):
    """A drop-down of the layers of some types, those of the first type first; the topmost is chosen until one is.

    Parameters
    ----------
    viewer : napari.Viewer
    type_names : sequence of str
        Such as ``"Labels"``.
    none_text : str
        What to offer for no layer; nothing if empty.
    """

    def __init__(self, viewer: "Viewer", type_names: Sequence[str], none_text: str = "") -> None:
        super().__init__()
        self._viewer, self._type_names, self._none_text = viewer, type_names, none_text
        self._layers: list[Layer | None] = []
        self.setPlaceholderText(f"no {type_names[0]} layer is open")
        events = viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
            emitter.connect(self.fill)  # held weakly, and dropped once this widget is gone
        self.fill()

    def fill(self) -> None:
        """List the layers that are there; one that was chosen stays so."""
        chosen, had_choice = self.layer(), any(layer is not None for layer in self._layers)
        layers = [
            layer
            for name in self._type_names
            for layer in reversed(self._viewer.layers)
            if type(layer).__name__ == name
        ]
        self._layers = [*layers, None] if self._none_text else [*layers]
        self.clear()
        self.addItems([layer.name for layer in layers])
        if self._none_text:
            self.addItem(self._none_text)
        if self._layers:  # with a placeholder Qt would choose none of them
            is_kept = chosen in self._layers and (chosen is not None or had_choice)
            self.setCurrentIndex(self._layers.index(chosen) if is_kept else 0)

    def layer(self) -> "Layer | None":
        """Return the layer that is chosen, None if there is none."""
        place = self.currentIndex()
        return self._layers[place] if 0 <= place < len(self._layers) else None

    def choose(self, layer: "Layer | None") -> None:
        """Choose a layer that is listed."""
        self.setCurrentIndex(self._layers.index(layer))


@final
class LabelChoice(QWidget):
    """A drop-down of the label layers, and a tick box for those whose values are not classes.

    Images are listed too, since files of labels are opened as such: choosing one is answered by what to do.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__()
        self.choice = LayerChoice(viewer, ("Labels", "Image"))
        self.one_class = QCheckBox(ONE_CLASS)
        self.one_class.setToolTip("For numbered objects, and for masks of 0 and 255.")
        rows = QVBoxLayout()
        rows.addWidget(self.choice)
        rows.addWidget(self.one_class)
        rows.setContentsMargins(0, 0, 0, 0)
        self.setLayout(rows)

    def layer(self) -> "Labels":
        """Return the label layer that is chosen.

        Raises
        ------
        TypeError, ValueError
            If there is none, or it is an image.
        """
        layer = self.choice.layer()
        if layer is None:
            raise ValueError("There is no Labels layer. Open a label, or try File > Open Sample > Metastructure.")
        if type(layer).__name__ != "Labels":
            if not layer.rgb and layer.dtype.kind not in "uib":
                label_stack(layer.name, layer.data)
            raise TypeError(
                f"Layer '{layer.name}' is an image. If its values are classes, right-click it in the list of layers "
                "and choose Convert to Labels."
            )
        return layer


def image_layer(choice: LayerChoice) -> "Image":
    """Return the image that is chosen.

    Raises
    ------
    ValueError
        If there is none.
    """
    layer = choice.layer()
    if layer is None:
        raise ValueError("There is no Image layer. Open an image, or try File > Open Sample > Metastructure.")
    return layer


def placement(layer: "Layer") -> dict[str, Any]:
    """Return how a layer lies in the world, for one of the same axes."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(layer, name) for name in names}


def spec_box(specs: Sequence[str], tip: str) -> QComboBox:
    """Return a drop-down of texts into which others can be typed."""
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems(list(specs))
    box.setToolTip(tip)
    return box


def number_box(value: int, least: int, most: int, tip: str) -> QSpinBox:
    """Return a box for a whole number."""
    box = QSpinBox()
    box.setRange(least, most)
    box.setValue(value)
    box.setToolTip(tip)
    return box


def seed_box() -> QSpinBox:
    """Return a box for a seed."""
    return number_box(0, 0, LARGEST_SEED, "The same seed gives the same result.")


def lay_out(panel: QWidget, rows: Mapping[str, QWidget], *below: QWidget) -> None:
    """Put named rows into a panel, and other parts below them."""
    form, column = QFormLayout(), QVBoxLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for name, field in rows.items():
        field.setAccessibleName(name)
        form.addRow(name, field)
    column.addLayout(form)
    for part in below:
        column.addWidget(part)
    column.addStretch()
    panel.setLayout(column)
