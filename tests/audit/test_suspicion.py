"""From chances to one suspicion: all looks count, and the worst displacement is no less suspect than a small one."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from metastructure.audit import suspicion
from metastructure.audit.audit_folder import audit_folder
from metastructure.data.files import save_image
from metastructure.rng import generator


def test_the_smallest_chance_is_corrected_for_the_looks_taken(monkeypatch):
    chances = ([0.01, 1.0, 0.5], [1.0, 0.2, 0.3], [1.0, 1.0, 1.0])  # nobody looked a third time
    rows = [suspicion._Row(np.array(row), lambda i, k=k: f"look {k} of {i}") for k, row in enumerate(chances)]
    monkeypatch.setattr(suspicion, "_rows", lambda *_: rows)
    monkeypatch.setattr(suspicion, "wander_px", lambda _: np.zeros(3))
    monkeypatch.setattr(suspicion, "_record", lambda _, i, value, strongest, *__: (value, strongest))
    found = suspicion.score_images(SimpleNamespace(), np.zeros(3))
    assert [value for value, _ in found] == pytest.approx([0.99**2, 0.8**2, 0.7**2])
    assert [strongest for _, strongest in found] == ["look 0 of 0", "", ""]


@pytest.mark.parametrize("too_far_px", [8, 5])
def test_labels_far_too_large_come_first_even_past_what_can_be_seen(tmp_path, too_far_px):
    away = np.hypot(*(np.indices((96, 96)) - 47.5))
    for index in range(12):
        noise = generator(0, str(index), "suspicion").normal(0, 3, away.shape)
        image = 40 + 100 * ndimage.gaussian_filter(np.clip(18 + index % 5 - away + 0.5, 0, 1), 1.2) + noise
        label = away < 18 + index % 5 + (too_far_px if index in (3, 8) else 0)
        save_image(tmp_path / "images" / f"{index:02}.png", image.round().astype(np.uint8))
        save_image(tmp_path / "labels" / f"{index:02}.png", label.astype(np.uint8))
    ranked = sorted(audit_folder(tmp_path / "images", tmp_path / "labels").images, key=lambda one: -one.suspicion)
    assert {one.name for one in ranked[:2]} == {"03", "08"}
    assert all("edge" in one.strongest for one in ranked[:2])
