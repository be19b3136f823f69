"""A forecast: the lines of every shape for so many images a month, and the numbers of images at which another shape is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise

from podium.costs.lines import MILLION, Line, month_of
from podium.costs.measured import Speed
from podium.costs.pipeline import Pipeline
from podium.costs.rekognition import rekognition_dollars
from podium.costs.shapes import Setting, Shape, metrics_line, most_images_a_month, shape_lines
from podium.costs.standing import standing_lines
from podium.planned.resources import Resource

LEAST, MOST, TENFOLDS, STEPS_A_TENFOLD = 1e2, 1e10, 8, 10
Month = Callable[[float], float]  # images -> dollars of a month


@dataclass(frozen=True)
class Deployment:
    """A shape's resources: those of template.yaml with its parameters, and those of the server's own stack."""

    shape: Shape
    pipeline: Pipeline
    server: tuple[Resource, ...] = ()

    def lines(self, setting: Setting, images: float) -> list[Line]:
        """Every line of a month with so many images."""
        speed = setting.speed(self.shape, self.pipeline)
        return [
            *self._on_the_way,
            *shape_lines(self.shape, self.pipeline, setting, images),
            metrics_line(self.pipeline, setting, images, speed.images_per_s),
            *self._standing,
        ]

    @cached_property
    def _on_the_way(self) -> list[Line]:
        return list(self.pipeline.lines())

    @cached_property
    def _standing(self) -> list[Line]:
        resources = [*self.pipeline.resources.values(), *self.server]
        return list(standing_lines(resources, self.pipeline.prices, self.pipeline.assume))

    def month(self, setting: Setting, images: float) -> float:
        """Dollars of a month with so many images."""
        return month_of(self.lines(setting, images), images)


@dataclass(frozen=True)
class ShapeForecast:
    """One shape, in dollars."""

    shape: Shape
    lines: tuple[Line, ...]
    month: float
    idle_month: float  # while no image comes
    speed: Speed
    most_images: float  # a month, as it is deployed; inf: machines are added

    def a_million(self, images: float) -> float:
        """Dollars of the month, for a million of its images."""
        return self.month / images * MILLION


@dataclass(frozen=True)
class BreakEven:
    """From so many images a month on, `after` costs less than `before`."""

    images: float
    before: str
    after: str


@dataclass(frozen=True)
class Pair:
    """Two of the shapes, or one and Rekognition: which is cheaper, from few images a month to many."""

    few: str  # cheaper for few images
    other: str
    break_evens: tuple[BreakEven, ...]  # none: `few` is cheaper however many there are


@dataclass(frozen=True)
class Forecast:
    """All shapes beside each other."""

    images: float
    shapes: tuple[ShapeForecast, ...]
    rekognition: float  # dollars of the month for its calls alone
    cheapest: tuple[BreakEven, ...]  # of all, from few images to many
    pairs: tuple[Pair, ...]  # every two of them


def forecast(deployments: Sequence[Deployment], setting: Setting, images: float) -> Forecast:
    """The month with so many images, and the break-evens."""
    shapes = tuple(_shape(it, setting, images) for it in deployments)
    months: dict[str, Month] = {it.shape: _month_of(it, setting) for it in deployments}
    calls = setting.prices.rekognition
    # Rekognition reads what is uploaded, too: it costs its calls beside the upload and its storage.
    before = _month_of_uploads(deployments[0].pipeline)
    with_calls: dict[str, Month] = {**months, "Rekognition": lambda n: before(n) + rekognition_dollars(n, calls)}
    return Forecast(
        images=images,
        shapes=shapes,
        rekognition=rekognition_dollars(images, calls),
        cheapest=tuple(cheapest(with_calls)),
        pairs=tuple(_pair(with_calls, one, other) for one, other in combinations(with_calls, 2)),
    )


def cheapest(months: dict[str, Month]) -> list[BreakEven]:
    """Where another one becomes the cheapest, by bisection between steps; the numbers are those of images a month."""
    count = TENFOLDS * STEPS_A_TENFOLD
    steps = [LEAST * (MOST / LEAST) ** (at / count) for at in range(count + 1)]
    winners = [min(months, key=lambda name: months[name](images)) for images in steps]
    found: list[BreakEven] = []
    for (low, before), (high, after) in pairwise(zip(steps, winners, strict=True)):
        if before != after:
            found.append(BreakEven(_crossing(months[before], months[after], low, high), before, after))
    return found


def _pair(months: dict[str, Month], one: str, other: str) -> Pair:
    both = {name: months[name] for name in (one, other)}
    few = min(both, key=lambda name: both[name](LEAST))
    return Pair(few, other if few == one else one, tuple(cheapest(both)))


def _crossing(before: Month, after: Month, low: float, high: float) -> float:
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if before(middle) <= after(middle) else (low, middle)
    return high


def _shape(deployment: Deployment, setting: Setting, images: float) -> ShapeForecast:
    lines = tuple(deployment.lines(setting, images))
    speed = setting.speed(deployment.shape, deployment.pipeline)
    idle = replace(setting, assume=setting.assume.model_copy(update={"drops_a_month": 0}))
    return ShapeForecast(
        shape=deployment.shape,
        lines=lines,
        month=month_of(lines, images),
        idle_month=deployment.month(idle, 0),
        speed=speed,
        most_images=most_images_a_month(deployment.shape, deployment.pipeline, speed),
    )


def _month_of(deployment: Deployment, setting: Setting) -> Month:
    return lambda images: deployment.month(setting, images)


def _month_of_uploads(pipeline: Pipeline) -> Month:
    both = [line for line in pipeline.lines() if line.name in {"uploads", "storage of the images"}]
    return lambda images: month_of(both, images)
