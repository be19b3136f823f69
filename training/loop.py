"""The training loop: one readable pass from a folder of photos to a run folder.

listing -> pixels -> model -> epochs (train, validate, keep the best) -> temperature and threshold -> model.json
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from timm.loss.cross_entropy import LabelSmoothingCrossEntropy
from timm.optim._optim_factory import create_optimizer_v2
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.utils.model_ema import ModelEmaV3
from timm.utils.random import random_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader

from imagefile.content import file_sha256
from training.calibration import temperature_scale, uncertainty_threshold
from training.config import TrainConfig
from training.errors import TrainingError, WrongInput
from training.listing import list_photos
from training.model_file import WEIGHTS_FILE, DataFacts, Metrics, ModelFile, Preprocessing, Weights
from training.network import choose_device, create_network, preprocessing_of, set_frozen
from training.pixels import Photos, memory_format, normalise, read_photos
from training.run import (
    Epoch,
    Progress,
    Run,
    append_epoch,
    claim_folder,
    git_commit,
    utc_now,
    versions,
    write_beginning,
    write_end,
    write_weights,
)
from training.scoring import logits_of, metrics_of

OnProgress = Callable[[Progress], None]
REPORT_EVERY = 10  # steps between two looks at the loss: each look waits for the device


@dataclass(frozen=True)
class Fit:
    """What the epochs share."""

    config: TrainConfig
    network: nn.Module
    average: ModelEmaV3 | None
    optimizer: torch.optim.Optimizer
    schedule: CosineLRScheduler
    loss_of: nn.Module
    batches: DataLoader[tuple[Tensor, int]]
    preprocessing: Preprocessing
    device: torch.device

    @property
    def judged(self) -> nn.Module:
        """The model that is validated and kept: the averaged one where weights are averaged."""
        return self.network if self.average is None else self.average.module


def train(config: TrainConfig, *, on_progress: OnProgress = lambda _: None) -> Run:
    """Fine-tune the configured model on the configured photos, and leave a complete run folder.

    The checkpoint that is kept has the best top-1 on the validation photos, then the lowest loss. On one CPU thread the
    same config and data give the same weights. Raises WrongInput and TrainingError, each with a sentence.
    """
    began = time.monotonic()
    device = choose_device(config.device)
    with _threads(config.threads):
        random_seed(config.seed)  # type: ignore[no-untyped-call]
        listing = list_photos(config.data, validation_share=config.validation_share, seed=config.seed)
        network = create_network(config, len(listing.classes))
        preprocessing = preprocessing_of(network, config)
        claim_folder(config.run)
        photos = read_photos(listing, config, preprocessing, _counter(len(listing.photos), on_progress))
        write_beginning(config.run, config, photos)
        fit = _prepare(config, network, preprocessing, photos, device)
        epochs, logits = _epochs(fit, photos, on_progress)
        model = _describe(config, preprocessing, photos, logits)
    run = Run(config.run, model, epochs, len(photos.set_aside), time.monotonic() - began)
    write_end(run)
    return run


def _prepare(
    config: TrainConfig, network: nn.Module, preprocessing: Preprocessing, photos: Photos, device: torch.device
) -> Fit:
    network = network.to(device=device, memory_format=memory_format(device))  # type: ignore[call-overload]
    batches = DataLoader(
        photos.training,
        batch_size=config.batch_size,
        shuffle=True,
        drop_last=len(photos.training) > config.batch_size,  # a last batch of one breaks batch norm
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(config.seed),
    )
    try:
        optimizer = create_optimizer_v2(network, opt=config.optimizer, lr=config.lr, weight_decay=config.weight_decay)
    except ValueError as error:
        raise WrongInput(f"optimizer = {config.optimizer!r}: {error}. Use a name that timm knows, as adamw.") from error
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=config.epochs * len(batches),
        warmup_t=int(config.warmup_epochs * len(batches)),
        warmup_lr_init=config.lr / 100,
        lr_min=config.lr / 100,
        t_in_epochs=False,
    )
    average = ModelEmaV3(network, decay=config.ema_decay, use_warmup=True) if config.ema_decay else None
    loss_of = LabelSmoothingCrossEntropy(config.label_smoothing)  # type: ignore[no-untyped-call]
    return Fit(config, network, average, optimizer, schedule, loss_of, batches, preprocessing, device)


def _epochs(fit: Fit, photos: Photos, on_progress: OnProgress) -> tuple[tuple[Epoch, ...], Tensor]:
    """Every epoch, and the validation logits of the best one, whose weights lie in the run folder."""
    epochs: list[Epoch] = []
    best = (-1.0, 0.0)
    best_logits = torch.empty(0)
    latest = Progress("training", 0, len(fit.batches), epochs=fit.config.epochs)
    for number in range(1, fit.config.epochs + 1):
        began = time.monotonic()
        latest = _train_epoch(fit, replace(latest, epoch=number, stage="training"), on_progress)
        logits = logits_of(fit.judged, photos.validation, fit.preprocessing, fit.device)
        scores = metrics_of(logits, photos.validation_labels)
        rank = (scores.top1, -scores.loss)
        if improved := rank > best:
            best, best_logits = rank, logits
            write_weights(fit.config.run, fit.judged.state_dict())
        latest = replace(latest, stage="scored", top1=scores.top1, top3=scores.top3)
        epochs.append(_line(fit, latest, scores, time.monotonic() - began, best=improved))
        append_epoch(fit.config.run, epochs[-1])
        on_progress(latest)
    return tuple(epochs), best_logits


def _train_epoch(fit: Fit, latest: Progress, on_progress: OnProgress) -> Progress:
    """One pass over the training photos; the loss stays on the device and is read every REPORT_EVERY steps."""
    set_frozen(fit.network, frozen=latest.epoch <= fit.config.freeze_epochs)
    began = time.monotonic()
    total = torch.zeros((), device=fit.device)
    seen = 0
    for step, (pixels, labels) in enumerate(fit.batches, start=1):
        total += _step(fit, pixels, labels, (latest.epoch - 1) * len(fit.batches) + step)
        seen += len(labels)
        if step % REPORT_EVERY == 0 or step == len(fit.batches):
            mean = total.item() / step
            if math.isnan(mean):
                raise TrainingError(f"The loss is no number after step {step}. Lower --lr (it is {fit.config.lr:g}).")
            speed = seen / (time.monotonic() - began)
            latest = replace(latest, step=step, images_per_s=speed, loss=mean)
            on_progress(latest)
    return latest


def _step(fit: Fit, pixels: Tensor, labels: Tensor, update: int) -> Tensor:
    images = normalise(pixels.to(fit.device, non_blocking=True), fit.preprocessing)
    images = images.contiguous(memory_format=memory_format(fit.device))
    with torch.autocast(fit.device.type, torch.bfloat16, enabled=fit.device.type == "cuda"):
        loss: Tensor = fit.loss_of(fit.network(images), labels.to(fit.device, non_blocking=True))
    fit.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    fit.optimizer.step()
    fit.schedule.step_update(update)
    if fit.average is not None:
        fit.average.update(fit.network, step=update)
    return loss.detach()


def _line(fit: Fit, latest: Progress, scores: Metrics, seconds: float, *, best: bool) -> Epoch:
    return Epoch(
        epoch=latest.epoch,
        train_loss=latest.loss or 0.0,
        **scores.model_dump(),
        lr=fit.optimizer.param_groups[0]["lr"],
        seconds=round(seconds, 2),
        images_per_s=round(latest.images_per_s, 1),
        best=best,
    )


def _describe(config: TrainConfig, preprocessing: Preprocessing, photos: Photos, logits: Tensor) -> ModelFile:
    labels = photos.validation_labels
    temperature = temperature_scale(logits, labels)
    probabilities = (logits / temperature).softmax(dim=1)
    return ModelFile(
        architecture=config.model,
        model_args=config.model_args,
        weights=Weights(file=WEIGHTS_FILE, sha256=file_sha256(config.run / WEIGHTS_FILE)),
        classes=photos.listing.classes,
        preprocessing=preprocessing,
        temperature=temperature,
        uncertainty=uncertainty_threshold(probabilities, labels, target_accuracy=config.target_accuracy),
        data=DataFacts(
            fingerprint=photos.listing.fingerprint,
            train_images=len(photos.training),
            validation_images=len(labels),
        ),
        metrics=metrics_of(logits, labels),
        versions=versions(),
        git_commit=git_commit(),
        created_at=utc_now(),
    )


def _counter(total: int, on_progress: OnProgress) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        on_progress(Progress("reading", done, total))

    return count


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """torch's threads wait for each other in busy loops: one without a core of its own stops them all.

    On two cores with other work on them, the demo took 59 s with one thread and 464 s with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
