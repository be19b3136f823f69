"""`podium package`: its help and choices are those of the packaging itself."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from podium.commands.model import package


@pytest.mark.torch
def test_package_offers_the_engines_precisions_and_gate_of_the_packaging() -> None:
    from training.packaging.engines import LEAST_AGREEMENT, Engine, Precision

    hints = get_type_hints(package)
    assert (hints["engine"], hints["precision"]) == (Engine, Precision)
    [option] = get_type_hints(package, include_extras=True)["least_agreement"].__metadata__
    assert option.show_default == f"{LEAST_AGREEMENT:g}"
