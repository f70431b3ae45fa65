"""The plugin for napari: one widget per file, above plain functions that need neither Qt nor a viewer.

`stacks` reads what layers hold; `noisy`, `maps`, `auditing`, `segmenting` and `repairing` compute; `runner` works in a
thread; the files named ``*_widget`` show. Only those, `runner` and `layer_choice` import Qt. ``napari.yaml`` tells
napari what there is.
"""
