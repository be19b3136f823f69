"""Pictures of fifteen kinds of sports balls, drawn from a class and a seed: a data set without a download."""

from training.practice_set.files import Drawn, Split, render_dataset
from training.practice_set.scene import CLASSES, render_image

__all__ = ["CLASSES", "Drawn", "Split", "render_dataset", "render_image"]
