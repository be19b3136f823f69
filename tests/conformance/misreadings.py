"""Servers that read pictures their own way, each wrong in one thing, and the promise that must notice."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageSequence

from inference.images.reading import open_image, picture_of
from tests.conformance.promises import conversions
from tests.conformance.reference import Reference
from tests.conformance.server import Promise
from tests.inference.images.pictures import ORIENTATION


class TurnsNothing(Reference):
    def picture(self, data: bytes) -> Image.Image:
        image = open_image(data)
        image.getexif().pop(ORIENTATION, None)
        return picture_of(image, data)


class TurnsButDoesNotMirror(Reference):
    def picture(self, data: bytes) -> Image.Image:
        image = open_image(data)
        if image.getexif().get(ORIENTATION) in {2, 4, 5, 7}:
            image.getexif().pop(ORIENTATION)
        return picture_of(image, data)


class DropsTransparency(Reference):
    def picture(self, data: bytes) -> Image.Image:
        image = open_image(data)
        if not image.has_transparency_data:
            return super().picture(data)
        image.load()
        image.info.pop("transparency", None)
        return image.convert("RGB")


class TransparencyLiesOnBlack(Reference):
    def picture(self, data: bytes) -> Image.Image:
        image = open_image(data)
        if not image.has_transparency_data:
            return super().picture(data)
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "black"), coloured).convert("RGB")


class CutsGreysOff(Reference):
    """Whatever is brighter than 255 of 65535 is white, as Pillow long had it."""

    def picture(self, data: bytes) -> Image.Image:
        image = open_image(data)
        if not image.mode.startswith("I;16"):
            return super().picture(data)
        return Image.fromarray(np.minimum(np.asarray(image), 255).astype(np.uint8)).convert("RGB")


class TheLastFrameCounts(Reference):
    def picture(self, data: bytes) -> Image.Image:
        *_, last = ImageSequence.Iterator(open_image(data))
        return last.convert("RGB") if last.tell() else super().picture(data)


MISREADINGS: dict[type[Reference], Promise] = {
    TurnsNothing: conversions.exif_turns_a_picture_upright,
    TurnsButDoesNotMirror: conversions.exif_turns_a_picture_upright,
    DropsTransparency: conversions.transparency_lies_on_white,
    TransparencyLiesOnBlack: conversions.transparency_lies_on_white,
    CutsGreysOff: conversions.greys_of_sixteen_bits_are_scaled,
    TheLastFrameCounts: conversions.of_several_frames_the_first_counts,
}
