"""The widget that draws noise on a label layer."""

from typing import TYPE_CHECKING, final

import numpy as np
from qtpy.QtWidgets import QWidget

from metastructure.napari.layer_choice import LabelChoice, lay_out, placement, seed_box, spec_box
from metastructure.napari.noisy import COMMON, draw_noisy
from metastructure.napari.runner import Job, Runner
from metastructure.napari.stacks import Array, OnItem, label_stack
from metastructure.noise.spec import NOISE, parse_noise

if TYPE_CHECKING:
    from napari import Viewer


@final
class NoiseWidget(QWidget):
    """Noise of any family as a new label layer."""

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.labels = LabelChoice(napari_viewer)
        self.spec = spec_box(COMMON, f"family:value, joined with +. Families: {', '.join(NOISE)}.")
        self.seed = seed_box()
        self.runner = Runner("Draw noise", self._prepare)
        lay_out(self, {"Labels": self.labels, "Noise": self.spec, "Seed": self.seed}, self.runner)

    def _prepare(self) -> Job:
        layer, one_class = self.labels.layer(), self.labels.one_class.isChecked()
        name, data, where = layer.name, layer.data, placement(layer)
        spec, seed = self.spec.currentText(), self.seed.value()
        parse_noise(spec)

        def work(on_item: OnItem) -> tuple[Array, float]:
            stack = label_stack(name, data, one_class)
            noisy = draw_noisy(stack, spec, seed, on_item)
            return noisy, float(np.mean(noisy != stack.join(stack.slices)))

        def show(result: tuple[Array, float]) -> str:
            noisy, changed = result
            added = self._viewer.add_labels(noisy, name=f"{name} {spec}", **where)
            return f"{100 * changed:.2f} % of the pixels changed; see the layer '{added.name}'."

        return Job(work, show)
