"""What napari is told of the plugin holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QWidget

import metastructure.napari

MANIFEST = Path(metastructure.napari.__file__).with_name("napari.yaml")


@pytest.fixture
def manifest() -> Iterator[PluginManifest]:
    """The manifest, read by npe2 and known to its manager."""
    manager, found = PluginManager.instance(), PluginManifest.from_file(MANIFEST)
    is_installed = found.name in manager
    if not is_installed:
        manager.register(found)
    yield found
    if not is_installed:
        manager.unregister(found.name)


def test_every_name_in_it_can_be_imported(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    assert len(manifest.contributions.commands) == 8


def test_every_command_is_contributed(manifest: PluginManifest) -> None:
    parts = manifest.contributions
    used = {one.command for one in (*parts.widgets, *parts.sample_data)}
    assert used == {one.id for one in parts.commands}


def test_every_widget_opens_on_an_empty_viewer(manifest: PluginManifest, viewer: Any) -> None:
    for widget in manifest.contributions.widgets:
        panel = widget.get_callable()(viewer)
        assert isinstance(panel, QWidget)
        panel.deleteLater()


def test_samples_open_in_the_viewer(manifest: PluginManifest, viewer: Any) -> None:
    viewer.open_sample(manifest.name, "mito")
    assert [layer.name for layer in viewer.layers] == ["mito images", "mito labels", "mito labels dilate:2"]
    assert [layer.ndim for layer in viewer.layers] == [3, 3, 3]
