"""Errors that end a training or a packaging, each a sentence for a person: what was wrong, and what to do."""

from __future__ import annotations


class TrainingError(Exception):
    """The training or packaging cannot go on."""


class WrongInput(TrainingError):
    """The input cannot work: a folder, a name, a number."""


class Preempted(TrainingError):
    """A signal stopped it, and its checkpoint is written."""
