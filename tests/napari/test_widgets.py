"""Each widget in a real viewer, through its controls: what it adds, what it says of bad input, and that it stops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from metastructure import corrupt, generate, parse_noise
from metastructure.napari.audit_widget import AuditWidget
from metastructure.napari.maps_widget import DENSITY, DISTANCE, SECOND_ORDER, MapsWidget
from metastructure.napari.noise_widget import NoiseWidget
from metastructure.napari.repair_widget import SHIFT, RepairWidget
from metastructure.napari.runner import CANCELLED
from metastructure.napari.samples import make_sample
from metastructure.napari.segment_widget import SegmentWidget

Run = Callable[[Any], str]
WIDGETS = (NoiseWidget, MapsWidget, AuditWidget, SegmentWidget, RepairWidget)
OF_LABELS = (NoiseWidget, MapsWidget, AuditWidget, RepairWidget)


def set_up(widget: Any) -> Any:
    """Return a widget set to something quick that fits any label."""
    if isinstance(widget, SegmentWidget):
        widget.method.setCurrentText("otsu")
    if isinstance(widget, RepairWidget):
        widget.method.setCurrentText(SHIFT)
        widget.shift_px.setValue(-1)
    return widget


def names(viewer: Any) -> list[str]:
    """Return the names of the layers."""
    return [layer.name for layer in viewer.layers]


def test_a_viewer_without_layers_is_told(viewer: Any, run: Run) -> None:
    for kind in WIDGETS:
        message = run(set_up(kind(viewer)))
        assert message.startswith("⚠ There is no ")
        assert "Open Sample" in message
    assert names(viewer) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.full((8, 9), 0.5), "holds float64 numbers, and a label holds whole classes"),
        (np.ones((8, 9), np.uint8), "is an image. If its values are classes"),
        (np.ones((8, 9, 3), np.uint8), "is an image. If its values are classes"),
    ],
)
def test_an_image_is_no_label(data: np.ndarray, words: str, viewer: Any, run: Run) -> None:
    viewer.add_image(data, name="mask", rgb=data.ndim == 3)
    for kind in OF_LABELS:
        message = run(set_up(kind(viewer)))
        assert message.startswith("⚠ Layer 'mask' ")
        assert words in message
    assert names(viewer) == ["mask"]


def test_time_beside_depth_is_told(viewer: Any, run: Run) -> None:
    viewer.add_labels(np.zeros((2, 3, 8, 9), np.uint8), name="film")
    for kind in OF_LABELS:
        message = run(set_up(kind(viewer)))
        assert message.startswith("⚠ Layer 'film' has 4 axes, of sizes 2 x 3 x 8 x 9")
        assert "Split Stack" in message


def test_a_mask_of_255_is_told_and_the_tick_helps(viewer: Any, discs: np.ndarray, run: Run) -> None:
    mask = viewer.add_labels(np.where(discs > 0, 255, 0).astype(np.uint8), name="mask")
    for kind in OF_LABELS:
        widget = set_up(kind(viewer))
        widget.labels.choice.choose(mask)
        assert "If 255 marks objects, tick" in run(widget)
        widget.labels.one_class.setChecked(True)
        assert not run(widget).startswith("⚠")


def test_cancel_leaves_the_viewer_as_it_was(viewer: Any, discs: np.ndarray, finish: Run) -> None:
    viewer.add_image(discs * 40.0 + np.arange(64), name="image")
    viewer.add_labels(discs.copy(), name="labels")
    for kind in WIDGETS:
        widget = set_up(kind(viewer))
        widget.runner.run_button.click()
        widget.runner.cancel_button.click()
        assert finish(widget.runner) == CANCELLED
        assert names(viewer) == ["image", "labels"]
    np.testing.assert_array_equal(viewer.layers["labels"].data, discs)


def test_drop_downs_follow_the_layers(viewer: Any, discs: np.ndarray) -> None:
    widget = NoiseWidget(viewer)
    choice = widget.labels.choice
    assert choice.count() == 0
    first = viewer.add_labels(discs, name="first")
    second = viewer.add_labels(discs, name="second")
    viewer.add_image(discs, name="image")
    assert choice.layer() is first
    assert [choice.itemText(place) for place in range(3)] == ["second", "first", "image"]
    choice.choose(second)
    second.name = "renamed"
    assert (choice.currentText(), choice.layer()) == ("renamed", second)
    viewer.layers.remove(second)
    assert choice.layer() is first


def test_no_image_is_chosen_by_the_person_only(viewer: Any) -> None:
    widget = AuditWidget(viewer)
    choice = widget.images
    assert choice.layer() is None
    image = viewer.add_image(np.eye(9))
    assert choice.layer() is image
    choice.choose(None)
    viewer.add_image(np.eye(9))
    assert choice.layer() is None
    assert choice.count() == 3


def test_a_widget_that_is_gone_follows_nothing(viewer: Any, discs: np.ndarray) -> None:
    from qtpy.QtCore import QCoreApplication, QEvent

    widget = NoiseWidget(viewer)
    widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    viewer.add_labels(discs)


def test_noise_is_a_new_layer_in_the_same_place(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels(discs, name="cells", scale=(0.5, 0.25), translate=(3, 4))
    widget = NoiseWidget(viewer)
    widget.spec.setCurrentText("flip:0.4")
    widget.seed.setValue(3)
    message = run(widget)
    added = viewer.layers["cells flip:0.4"]
    expected = corrupt(discs, parse_noise("flip:0.4"), seed=3, item="cells", num_classes=3)
    np.testing.assert_array_equal(added.data, expected)
    assert tuple(added.scale) == (0.5, 0.25)
    assert tuple(added.translate) == (3, 4)
    assert message.startswith(f"{100 * np.mean(expected != discs):.2f} % of the pixels changed")


def test_a_wrong_noise_is_told_at_once(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels(discs)
    widget = NoiseWidget(viewer)
    widget.spec.setCurrentText("flipp:0.4")
    assert "did you mean 'flip'?" in run(widget)


@pytest.mark.parametrize("kind", [DENSITY, SECOND_ORDER, DISTANCE])
def test_maps_are_new_images(kind: str, viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels(np.stack([discs, discs]), name="cells", scale=(1, 2, 2))
    widget = MapsWidget(viewer)
    widget.kind.setCurrentText(kind)
    widget.klass.setValue(2)
    widget.reach.setValue(5)
    assert f"See the layer 'cells {kind} of 2'" in run(widget)
    added = viewer.layers[f"cells {kind} of 2"]
    assert added.data.shape == ((11, 11) if kind == SECOND_ORDER else (2, 48, 64))
    assert tuple(added.scale[-2:]) == (2, 2)
    assert widget.shape_of_window.isEnabled() is (kind == DENSITY)
    if kind == SECOND_ORDER:
        assert added.translate[-1] == 2 * (63 + 10 + 0.5) + 0  # beside the label, in world units


def test_a_map_of_an_absent_class_is_told(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels(discs, name="cells")
    widget = MapsWidget(viewer)
    widget.klass.setValue(9)
    assert run(widget) == "⚠ Layer 'cells' holds no pixel of class 9; its classes: 0, 1, 2."


@pytest.mark.parametrize("rgb", [False, True])
def test_segmenting_adds_labels(rgb: bool, viewer: Any, run: Run) -> None:
    image, label = generate("nuc", seed=0, index=0, height=96, width=128)
    viewer.add_image(np.stack([image] * 3, axis=-1) if rgb else image, name="nuclei", rgb=rgb)
    widget = SegmentWidget(viewer)
    widget.method.setCurrentText("otsu")
    assert "taken as bright" in run(widget)
    found = viewer.layers["nuclei otsu"].data
    assert found.shape == (96, 128)
    assert 2 * (found & label).sum() / (found.sum() + label.sum()) > 0.7


def test_a_wrong_method_is_told(viewer: Any, run: Run) -> None:
    viewer.add_image(np.eye(20))
    widget = SegmentWidget(viewer)
    widget.method.setCurrentText("otsi")
    assert "unknown method 'otsi'; did you mean 'otsu'?" in run(widget)


def test_a_constant_image_is_told(viewer: Any, run: Run) -> None:
    viewer.add_image(np.ones((20, 20)), contrast_limits=(0, 1))
    assert "constant" in run(set_up(SegmentWidget(viewer)))


@pytest.fixture
def nuclei(viewer: Any) -> Any:
    """A viewer with nuclei of which some are not labelled, in a stack of scale 2."""
    for data, settings, kind in make_sample("nuc", "omit:0.3", 4, 128):
        getattr(viewer, f"add_{kind}")(data, **settings, scale=(1, 2, 2))
    return viewer


def audited(viewer: Any, run: Run) -> AuditWidget:
    """Return an audit widget that has audited the noisy nuclei."""
    widget = AuditWidget(viewer)
    widget.labels.choice.choose(viewer.layers["nuc labels omit:0.3"])
    widget.images.choose(viewer.layers["nuc images"])
    message = run(widget)
    assert not message.startswith("⚠")
    assert f"Suspicious objects: {widget.table.rowCount()}." in message
    return widget


def test_a_row_leads_to_its_object(nuclei: Any, run: Run) -> None:
    widget = audited(nuclei, run)
    boxes = nuclei.layers["nuc labels omit:0.3 suspicious"]
    assert len(boxes.data) == widget.table.rowCount() > 1
    assert widget.details.toPlainText()
    widget.table.sortItems(5)  # by row in the image: the order of the table is no longer that of the boxes
    for row in (0, widget.table.rowCount() - 1):
        widget.table.clearSelection()
        widget.table.selectRow(row)
        place, at_row, at_column = (float(widget.table.item(row, column).text()) for column in (0, 5, 6))
        np.testing.assert_allclose(nuclei.scene.camera.center[-2:], (2 * at_row, 2 * at_column), atol=0.11)
        assert nuclei.dims.current_step[0] == place
        (chosen,) = boxes.selected_data
        corners = boxes.data[chosen]
        assert corners[0, 0] == place
        assert corners[:, 1].min() <= at_row <= corners[:, 1].max()
        assert corners[:, 2].min() <= at_column <= corners[:, 2].max()
        assert nuclei.layers.selection.active is boxes
    nuclei.layers.remove(boxes)
    nuclei.scene.camera.center = (0, 0, 0)
    widget.table.selectRow(0)
    assert tuple(nuclei.scene.camera.center[-2:]) != (0, 0)
    assert not run(widget).startswith("⚠")  # again: the boxes come back, once
    assert not run(widget).startswith("⚠")
    assert sum(name.endswith("suspicious") for name in names(nuclei)) == 1


def test_labels_without_an_image_are_audited(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels(discs, name="cells")
    widget = AuditWidget(viewer)
    assert widget.images.layer() is None
    message = run(widget)
    assert "Suspicious objects: 0." in message
    assert "Not tested" in widget.details.toPlainText()


def test_layers_of_two_sizes_are_told(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_image(np.ones((48, 63)), name="image")
    viewer.add_labels(discs, name="cells")
    widget = AuditWidget(viewer)
    assert "Layer 'image' has 48 x 63 pixels but 'cells' has 48 x 64 pixels" in run(widget)


def previewed(viewer: Any, run: Run, label: np.ndarray, shift_px: float = -1) -> RepairWidget:
    """Return a repair widget that shows a shifted label."""
    viewer.add_labels(label, name="cells")
    widget = RepairWidget(viewer)
    widget.method.setCurrentText(SHIFT)
    widget.shift_px.setValue(shift_px)
    assert "accept or discard" in run(widget)
    return widget


def test_before_and_after_are_toggled(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    before, after = viewer.layers
    assert (after.data > 0).sum() < (discs > 0).sum()
    np.testing.assert_array_equal(before.data, discs)
    assert (before.visible, after.visible) == (False, True)
    widget.toggle_button.click()
    assert (before.visible, after.visible) == (True, False)
    widget.toggle_button.click()
    assert (before.visible, after.visible) == (False, True)


def test_accept_changes_the_layer_and_can_be_undone(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    after = viewer.layers["cells repaired (preview)"].data.copy()
    widget.accept_button.click()
    assert names(viewer) == ["cells"]
    layer = viewer.layers["cells"]
    assert layer.visible
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    np.testing.assert_array_equal(layer.data, discs)
    assert not widget.decision.isEnabled()


def test_discard_changes_nothing(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    widget.discard_button.click()
    assert names(viewer) == ["cells"]
    assert viewer.layers["cells"].visible
    np.testing.assert_array_equal(viewer.layers["cells"].data, discs)


def test_a_label_that_was_painted_on_is_not_overwritten(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    viewer.layers["cells"].data_setitem((np.array([0]), np.array([0])), 2)
    widget.accept_button.click()
    assert "was changed since" in widget.runner.message.text()
    assert viewer.layers["cells"].data[0, 0] == 2


def test_a_preview_that_was_removed_is_told(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    viewer.layers.remove("cells repaired (preview)")
    widget.accept_button.click()
    assert "was removed" in widget.runner.message.text()
    np.testing.assert_array_equal(viewer.layers["cells"].data, discs)


def test_two_previews_at_once_are_refused(viewer: Any, discs: np.ndarray, run: Run) -> None:
    widget = previewed(viewer, run, discs.copy())
    assert "Accept or discard the preview first" in run(widget)
    assert len(viewer.layers) == 2


def test_arrays_in_files_are_replaced_not_written(viewer: Any, discs: np.ndarray, run: Run, tmp_path: Any) -> None:
    np.save(tmp_path / "label.npy", discs)
    mapped = np.load(tmp_path / "label.npy", mmap_mode="r+")
    widget = previewed(viewer, run, mapped)
    widget.accept_button.click()
    assert (viewer.layers["cells"].data != discs).any()
    np.testing.assert_array_equal(np.load(tmp_path / "label.npy"), discs)


def test_a_pyramid_is_read_at_its_finest_but_not_repaired(viewer: Any, discs: np.ndarray, run: Run) -> None:
    viewer.add_labels([discs, discs[::2, ::2]], name="pyramid", multiscale=True)
    assert "is a pyramid" in run(set_up(RepairWidget(viewer)))
    assert not run(NoiseWidget(viewer)).startswith("⚠")
    assert viewer.layers["pyramid flip:0.3"].data.shape == (48, 64)


def test_denoising_is_previewed(viewer: Any, run: Run) -> None:
    _, (clean, *_), (noisy, *_) = make_sample("nuc", "flip:0.2", 3, 96)
    viewer.add_labels(noisy, name="cells")
    widget = RepairWidget(viewer)
    assert "pixels changed" in run(widget)
    after = viewer.layers["cells repaired (preview)"].data
    assert (after != clean).sum() < 0.3 * (noisy != clean).sum()


def test_noise_that_cannot_be_told_is_not_repaired(viewer: Any, run: Run) -> None:
    viewer.add_labels(np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8), name="cells")
    message = run(RepairWidget(viewer))
    assert message.startswith("⚠")
    assert "/tmp" not in message
    assert names(viewer) == ["cells"]
