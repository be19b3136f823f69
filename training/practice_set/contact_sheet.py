"""`python -m training.practice_set.contact_sheet PATH`: one picture with six photos of every class, for people."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from training.practice_set.scene import CLASSES, render_image

CELL_PX = 96
CAPTION_PX = 22
GAP_PX = 4


def contact_sheet(*, images_per_class: int = 6, first_seed: int = 0, columns: int = 3) -> Image.Image:
    """The classes under their names, `columns` of them side by side, each a row of `images_per_class` pictures."""
    wide = images_per_class * (CELL_PX + GAP_PX) + 3 * GAP_PX
    high = CAPTION_PX + CELL_PX + GAP_PX
    rows = -(-len(CLASSES) // columns)
    sheet = Image.new("RGB", (columns * wide, rows * high), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for index, label in enumerate(CLASSES):
        left, top = index % columns * wide + GAP_PX, index // columns * high
        draw.text((left, top + 3), label, fill="black", font=font)
        for shot in range(images_per_class):
            picture = render_image(label, first_seed + shot, CELL_PX)
            sheet.paste(picture, (left + shot * (CELL_PX + GAP_PX), top + CAPTION_PX))
    return sheet


if __name__ == "__main__":
    contact_sheet().save(Path(sys.argv[1]), quality=80, optimize=True)
