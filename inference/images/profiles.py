"""Colours of another space than sRGB, as phones (Display P3) and cameras (Adobe RGB) store them, in sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 1_000_000  # scanners' tables have some 500,000
KNOWN = 32  # profiles of which the transform is kept: a data set has a few
SAME = 4  # levels of 255: a profile that moves no colour further is sRGB by another name
STEPS = range(0, 256, 51)
COLOURED = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr")  # modes whose numbers an RGB profile is about


def srgb_transform(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """What turns the colours of an opened image into sRGB by the profile in its file.

    None if they are sRGB already: without a profile, with one that says so, or with one that is broken or not of RGB.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 0 < len(profile) <= MAX_PROFILE_BYTES or image.mode not in COLOURED:
        return None
    return _to_srgb(profile)


def in_srgb(picture: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    """An RGB picture after `transform`, which changes the picture itself."""
    if transform is not None:
        ImageCms.applyTransform(picture, transform, inPlace=True)
    return picture


@lru_cache(KNOWN)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() != "RGB":
            return None
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), "RGB", "RGB", intent)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return transform if _moves_colours(transform) else None


def _moves_colours(transform: ImageCms.ImageCmsTransform) -> bool:
    some = bytes(level for red in STEPS for green in STEPS for blue in STEPS for level in (red, green, blue))
    moved = Image.frombytes("RGB", (len(some) // 3, 1), some)
    ImageCms.applyTransform(moved, transform, inPlace=True)
    return max(abs(one - other) for one, other in zip(some, moved.tobytes(), strict=True)) > SAME
