"""What cannot be imported here is not collected: the widgets for napari need napari."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("napari") else ["src/metastructure/napari/*"]
