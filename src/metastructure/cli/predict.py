"""``metastructure predict``: labels for images of any size, from a trained model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption, check_there
from metastructure.cli.progress import show_progress


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file from 'metastructure train'.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="An image, or a folder, sub-folders too.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file, or a new folder.")],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write NAME.probabilities.tif too, float32.")
    ] = False,
    tile: Annotated[int, typer.Option(min=64, help="Larger images go in tiles of this side, in pixels.")] = 512,
    factory: Annotated[
        str | None, typer.Option(help="package.module:function of a network that is not metastructure's.")
    ] = None,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label images with a trained model.

    A TIFF gives a TIFF, other images a PNG, of the classes 0..C-1; inputs are never touched. After an interruption
    the same call goes on: OUT/predictions.jsonl says which files are done, by hashes of model, image and label.

    Example: metastructure predict model.pt images labels --probabilities
    """
    check_there("model file; make one with 'metastructure train'", model)
    check_there("image or folder of images", images)
    from metastructure.errors import ConfigError
    from metastructure.training.paths import check_prediction_paths
    from metastructure.training.tiling import check_tile

    try:
        check_tile(tile)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    check_prediction_paths(model, images, out, probabilities)

    from metastructure.data.formats.ome_zarr import is_zarr
    from metastructure.training.predict_folder import predict_file, predict_folder
    from metastructure.training.segmenter import Segmenter

    segmenter = Segmenter.load(model, device=device.value, threads=threads, factory=factory)
    if images.is_file() or is_zarr(images):
        predict_file(segmenter, images, out, probabilities=probabilities, tile_px=tile)
        predicted, skipped = 1, 0
    else:
        with show_progress("predicting") as on_item:
            predicted, skipped = predict_folder(
                segmenter, images, out, probabilities=probabilities, tile_px=tile, on_item=on_item
            )
    if as_json:
        print(json.dumps({"out": str(out), "predicted": predicted, "skipped": skipped}))
    else:
        print(f"{out}: {predicted} predicted" + (f", {skipped} were done before" if skipped else ""))
