"""Labels that are probably wrong, by the features of a frozen network.

pictures -> features of a pretrained network (Features) -> out-of-fold probabilities (linear, neighbours) -> cleanlab

Northcutt et al. 2021, confident learning: https://arxiv.org/abs/1911.00068
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.images.pixels import EvalTransform, Pixels
from training.audit.measuring import PhotoFacts
from training.audit.records import LabelCheck, Suspect
from training.evaluation.forward import cores, torch_threads

if TYPE_CHECKING:
    from training.model.provenance import Pretrained

FOLDS = 5
LOSS_WEIGHT = 60.0  # of the mean loss against half the squared weights, on features of unit variance: C times photos
NEIGHBOURS = 15
# Tried on 7,328 photos of balls with 2 % of their labels changed at random. The linear classifier alone found 118 of 147
# among 305 suspects; with 0.3 of the neighbours' vote 118 among 220; with cleanlab's own default filter 122 among 482.
VOTES = (0.7, 0.3)
FILTER = "both"  # cleanlab's name for the suspects that two of its methods agree on
WHERE_WEIGHTS = "Give weights: --pretrained hub (downloads them), or --pretrained FILE --model NAME."


class Features:
    """A frozen pretrained network, and the features of the pictures shown to it so far."""

    def __init__(self, model: str, pretrained: str, device: str = "auto") -> None:
        """Raises WrongInput and TrainingError if there is no such model, or no such weights."""
        from training.model.network import choose_device, create_network, preprocessing_of
        from training.settings.config import make_config

        config = make_config({"data": "audit", "run": "audit", "model": model, "pretrained": pretrained})
        self.model = model
        self.device = choose_device(device)
        found: list[Pretrained] = []
        network = create_network(config, 2, on_pretrained=found.append)
        self.weights = found[0].share if found else None
        self.preprocessing = preprocessing_of(network, config)
        self.network = network.eval().to(self.device)
        self._parts: list[NDArray[np.float32]] = []

    @property
    def transform(self) -> EvalTransform:
        """How a picture becomes the network's input."""
        return self.preprocessing.transform

    def show(self, pictures: Sequence[Pixels]) -> None:
        """Compute the features of these pictures, (H, W, 3) each."""
        import torch

        from training.photos.pixels import normalise

        if not pictures:
            return
        with torch.inference_mode(), torch_threads():
            batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(self.device)
            maps = self.network.forward_features(normalise(batch, self.preprocessing))  # type: ignore[operator]
            features = self.network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        self._parts.append(features.float().cpu().numpy())

    def all(self) -> NDArray[np.float32]:
        """(N, F): the features of every picture, in the order in which they were shown."""
        return np.concatenate(self._parts) if self._parts else np.empty((0, 1), np.float32)


def check_labels(
    features: NDArray[np.float32],
    photos: Sequence[PhotoFacts],
    groups: Sequence[int],
    *,
    model: str,
    weights: str | None = None,
    seed: int = 0,
) -> LabelCheck:
    """The pictures whose label is doubtful, the most doubtful first; features (N, F), groups of the same picture (N,).

    Each picture is classified by a linear classifier that has not seen it, nor another file of its group. A class with
    fewer than five different pictures cannot be checked and is left out.
    """
    checked, without = _checkable(photos, groups)
    labels = [photos[place].file.label for place in checked]
    if len(set(labels)) < 2:
        why = f"Labels can be checked only if two classes have {FOLDS} different photos or more."
        return LabelCheck(skipped=why, without=without)
    classes = sorted(set(labels))
    given = np.array([classes.index(label) for label in labels])
    probabilities = _out_of_fold(features[checked], given, np.asarray(groups)[checked], seed)
    suspects = [
        Suspect(
            path=photos[checked[k]].file.relative, split=photos[checked[k]].file.split,
            given=labels[k], suggested=classes[int(probabilities[k].argmax())],
            given_probability=round(float(probabilities[k, given[k]]), 4),
            suggested_probability=round(float(probabilities[k].max()), 4),
        )
        for k in _doubtful(given, probabilities)
    ]  # fmt: skip
    agreement = float((probabilities.argmax(axis=1) == given).mean())
    return LabelCheck(
        model=model, weights=weights, images=len(checked), agreement=round(agreement, 4), without=without,
        suspects=tuple(suspects),
    )  # fmt: skip


def _checkable(photos: Sequence[PhotoFacts], groups: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
    different: dict[str, set[int]] = defaultdict(set)
    for one, group in zip(photos, groups, strict=True):
        different[one.file.label].add(group)
    without = tuple(sorted(label for label, several in different.items() if len(several) < FOLDS))
    return [place for place, one in enumerate(photos) if one.file.label not in without], without


def _out_of_fold(
    features: NDArray[np.float32], given: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Probabilities (N, C), each from a classifier that has not seen the picture's group."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    linear = LogisticRegression(C=LOSS_WEIGHT / len(given), max_iter=100)
    near = KNeighborsClassifier(min(NEIGHBOURS, len(given) // 2), metric="cosine")
    vote = VotingClassifier([("linear", linear), ("near", near)], voting="soft", weights=VOTES)
    classifier = make_pipeline(StandardScaler(), vote)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings(), threadpool_limits(max(1, cores() - 1)):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digit of a doubt does not matter
        return np.asarray(
            cross_val_predict(classifier, features, given, groups=groups, cv=folds, method="predict_proba")
        )


def _doubtful(given: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    from cleanlab.filter import find_label_issues

    ranked = find_label_issues(
        given, probabilities, filter_by=FILTER, return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return [int(k) for k in ranked]
