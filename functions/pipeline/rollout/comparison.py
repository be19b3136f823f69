"""Two answers about one image, side by side. No I/O."""

from __future__ import annotations

from pipeline.contracts import LabelProbability, Record, ServerAnswer
from pipeline.errors import ImageRejected

TOP = 3


class Side(Record):
    """What one model says about an image: its best classes, or why it rejects it."""

    predictions: tuple[LabelProbability, ...] = ()
    uncertain: str | None = None
    rejected: str | None = None
    request_ms: float = 0  # of the request that the image was a part of


class Compared(Record):
    """One image as both models see it; a file of these is kept of some disagreements."""

    image: str
    version_id: str | None = None
    current_model: str
    candidate_model: str
    current: Side
    candidate: Side

    @property
    def same_top1(self) -> bool:
        """Whether the best classes are the same, or both reject the image."""
        ours, theirs = self.current.predictions, self.candidate.predictions
        if not ours or not theirs:
            return not ours and not theirs
        return ours[0].label == theirs[0].label

    @property
    def in_top3(self) -> bool:
        """Whether the current model's best class is one of the candidate's three, or both reject the image."""
        ours, theirs = self.current.predictions, self.candidate.predictions
        if not ours or not theirs:
            return not ours and not theirs
        return ours[0].label in {it.label for it in theirs[:TOP]}


def side_of(answer: ServerAnswer | ImageRejected, request_ms: float) -> Side:
    """A model's answer, as it is compared."""
    match answer:
        case ServerAnswer():
            return Side(predictions=answer.predictions[:TOP], uncertain=answer.uncertain, request_ms=request_ms)
        case ImageRejected():
            return Side(rejected=answer.code, request_ms=request_ms)
