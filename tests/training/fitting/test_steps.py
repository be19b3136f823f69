"""A step never waits for the device, and half precision never spoils the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.training.fitting.fits import a_fit, quiet

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch._ops import OpOverload

    from training.fitting.fit import Fit
    from training.fitting.state import TrainingState

pytestmark = pytest.mark.torch

USUAL: dict[str, object] = {"mixup": 0.2, "cutmix": 0.5, "label_smoothing": 0.1, "ema_decay": 0.9, "clip_grad": 1.0, "accumulate": 2,
                            "random_erasing": 0.5, "brightness": 0.2, "dropout": 0.2}  # fmt: skip


def an_epoch(fit: Fit) -> TrainingState:
    """The state after the first epoch's steps."""
    from training.fitting.state import TrainingState
    from training.fitting.steps import train_epoch
    from training.run import TrainingProgress

    state = TrainingState.begin(fit.device)
    train_epoch(fit, state, TrainingProgress("training", 0, len(fit.batches), epoch=1, epochs=2), quiet())
    return state


@contextmanager
def nothing_waits() -> Iterator[None]:
    """Within it, nothing may read a tensor's value, as item(), float() or `if` do: on a GPU each would wait.

    Two may be read: what a generator of its own has drawn, which lies on the CPU wherever the training is; and what
    `one_hot` looks at on a CPU, on which it checks the labels. On a GPU it does not.
    """
    import torch
    from torch.nn.functional import one_hot
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    aten = torch.ops.aten
    waits = {aten._local_scalar_dense, aten.nonzero, aten.masked_select}
    drawn: list[Tensor] = []  # kept, so that no other tensor takes their places
    called: list[object] = []

    class Calls(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Callable[..., object],
            types: tuple[type, ...],
            args: tuple[Any, ...] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> object:
            called.append(func)
            try:
                return func(*args, **(kwargs or {}))
            finally:
                called.pop()

    class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self,
            func: OpOverload[..., object],
            types: tuple[type, ...],
            args: tuple[Any, ...] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> object:
            if func.overloadpacket in waits and not (
                one_hot in called or any(args[0].data_ptr() == one.data_ptr() for one in drawn)
            ):
                raise AssertionError(f"a step waits for the device: {func}")
            answer = func(*args, **(kwargs or {}))
            if (kwargs or {}).get("generator") is not None:
                drawn.append(cast("Tensor", answer))
            return answer

    with Calls(), Operations():  # type: ignore[no-untyped-call]
        yield


@pytest.mark.parametrize(
    "changed",
    [
        {},
        USUAL,
        {**USUAL, "precision": "bf16", "optimizer": "sgd"},
        {**USUAL, "precision": "fp16"},
        {"freeze_epochs": 1},
    ],
    ids=["plain", "usual", "bf16", "fp16", "frozen"],
)
def test_no_step_waits_for_the_device(photos: Path, tmp_path: Path, changed: dict[str, object]) -> None:
    fit, _ = a_fit(photos, tmp_path, **changed)
    with nothing_waits():
        state = an_epoch(fit)
    assert state.update == -(-len(fit.batches) // fit.settings.accumulate) > 1


@pytest.mark.parametrize("ask", [lambda loss: loss.item(), bool, float], ids=["item", "if", "float"])
def test_a_step_that_read_its_loss_would_be_caught(
    photos: Path, tmp_path: Path, ask: Callable[[Tensor], object]
) -> None:
    fit, _ = a_fit(photos, tmp_path, **USUAL)
    with nothing_waits(), pytest.raises(AssertionError, match="a step waits for the device"):
        an_epoch(replace(fit, loss_of=_asking(fit.loss_of, ask)))


def _asking(loss_of: nn.Module, ask: Callable[[Tensor], object]) -> nn.Module:
    from torch import nn

    class Asking(nn.Module):
        def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
            loss: Tensor = loss_of(logits, targets)
            ask(loss)
            return loss

    return Asking()


def weights(fit: Fit) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in fit.network.named_parameters()}


def test_half_precision_learns_on_a_cpu_too(photos: Path, tmp_path: Path) -> None:
    import torch

    fit, _ = a_fit(photos, tmp_path, precision="fp16")
    assert fit.scaler.is_enabled()
    before = weights(fit)
    an_epoch(fit)
    after = weights(fit)
    assert all(value.isfinite().all() for value in after.values())
    assert not any(torch.equal(value, before[name]) for name, value in after.items())


@pytest.mark.parametrize("clip_grad", [None, 1.0])
def test_gradients_that_half_precision_cannot_hold_change_no_weight_and_halve_the_scale(
    photos: Path, tmp_path: Path, clip_grad: float | None
) -> None:
    import torch

    fit, _ = a_fit(photos, tmp_path, precision="fp16", clip_grad=clip_grad)
    fit.scaler.load_state_dict({**fit.scaler.state_dict(), "scale": 2.0**60})
    before = weights(fit)
    state = an_epoch(fit)
    assert all(torch.equal(value, before[name]) for name, value in weights(fit).items())
    assert fit.scaler.get_scale() == 2.0 ** (60 - state.update)


def test_a_checkpoint_keeps_the_scale_of_half_precision(photos: Path, tmp_path: Path) -> None:
    """And how many steps went well since it was last changed."""
    fit, _ = a_fit(photos, tmp_path, precision="fp16")
    fit.scaler.load_state_dict({**fit.scaler.state_dict(), "scale": 512.0})
    tensors, facts = fit.tensors(an_epoch(fit))
    again, _ = a_fit(photos, tmp_path, precision="fp16")
    again.load(tensors, json.loads(json.dumps(facts)))
    assert again.scaler.state_dict() == fit.scaler.state_dict()
    assert (again.scaler.get_scale(), again.scaler.state_dict()["_growth_tracker"]) == (512.0, len(fit.batches))
