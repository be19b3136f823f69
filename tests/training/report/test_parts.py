"""What the report is put together from: matrix, pairs, curves, heat."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.torch
CONFUSION = ((8, 2, 0), (5, 5, 0), (0, 1, 9))


def test_pairs_are_counted_both_ways_and_begin_with_the_class_that_is_mistaken_more() -> None:
    from training.report.matrix import confused_pairs

    first, second = confused_pairs(CONFUSION, ("a", "b", "c"), 8)
    assert first.sentence == "5 of 10 b were called a, 2 of 10 the other way round."
    assert (second.first, second.second, second.taken, second.mistaken) == ("c", "b", 1, 0)


def test_cells_say_what_they_count() -> None:
    from training.report.matrix import matrix_of

    matrix = matrix_of(CONFUSION, ("a", "b", "c"))
    assert matrix.whole
    _, total, cells = matrix.rows[1]
    assert total == 10
    assert [cell.says for cell in cells[:2]] == ["5 of 10 b called a, 50.0%", "5 of 10 b right, 50.0%"]
    assert [cell.right for cell in cells] == [False, True, False]


def test_of_many_classes_the_confused_ones_are_shown() -> None:
    from training.report.matrix import matrix_of, most_confused

    confusion = [[10 if row == column else 0 for column in range(60)] for row in range(60)]
    confusion[7][50] = confusion[3][4] = 2
    assert most_confused(confusion, 25) == [3, 4, 7, 50]
    matrix = matrix_of(confusion, [str(number) for number in range(60)])
    assert matrix.labels == ("3", "4", "7", "50")
    assert not matrix.whole


def test_a_plot_takes_its_colours_from_the_page_and_names_no_address() -> None:
    from training.report.drawing import VARIABLES
    from training.report.plots import learning_curves

    lines: list[dict[str, float | None]] = [
        {"epoch": 1, "loss": 1.0, "train_loss": 2.0, "lr": None},
        {"epoch": 2, "loss": 0.5, "train_loss": 1.0},
    ]
    (plot,) = learning_curves(lines, 2)
    assert plot.title == "Loss"
    assert plot.svg.startswith('<svg role="img" aria-label="Loss by epoch"')
    assert "var(--c1)" in plot.svg
    assert "http" not in plot.svg
    assert not [colour for colour in VARIABLES if colour in plot.svg]


def test_heat_is_the_gradient_weighted_mean_of_the_last_maps() -> None:
    import timm
    import torch

    from training.report.heat import heat_of

    torch.manual_seed(0)
    network: Any = timm.create_model("resnet10t", num_classes=4, channels=[8, 16, 24, 32], stem_width=8).eval()
    torch.nn.init.normal_(network.get_classifier().weight)
    images = torch.randn(2, 3, 64, 64)
    heat = heat_of(network, images, [1, 3])
    maps = network.forward_features(images).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.forward_head(maps)[[0, 1], [1, 3]].sum(), maps)
    expected = (maps * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).relu()
    expected = torch.nn.functional.interpolate(expected.detach(), size=(64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(
        torch.from_numpy(heat), expected / expected.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    )
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("test_vit", {"img_size": 64, "global_pool": "avg", "class_token": False}),
        ("test_convnext", {}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2, "embed_dim": 24, "depths": (1, 1), "num_heads": (2, 2)}),
    ],
)  # fmt: skip
def test_whatever_keeps_places_has_heat(name: str, arguments: dict[str, Any]) -> None:
    import timm
    import torch

    from training.report.heat import heat_of

    network = timm.create_model(name, num_classes=3, **arguments).eval()
    heat = heat_of(network, torch.randn(2, 3, 64, 64), [0, 2])
    assert heat.shape == (2, 64, 64)
    assert heat.min() >= 0
    assert heat.max() <= 1


def test_a_transformer_that_reads_its_class_token_alone_is_left_out_with_a_sentence() -> None:
    import timm
    import torch

    from inference.heat_map import NotExplainable
    from training.report.heat import heat_of

    network = timm.create_model("test_vit", num_classes=3, img_size=64, global_pool="token").eval()
    with pytest.raises(NotExplainable, match="reads its class token alone"):
        heat_of(network, torch.randn(1, 3, 64, 64), [0])
