"""The price file: one dated list of prices with their sources, and a person's own over it."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from podium.errors import EXIT_USAGE, ConsoleError

PRICES = Path(__file__).with_name("prices.yaml")


class Price(BaseModel):
    """Dollars for so many of a unit; who says so, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dollars: float = Field(ge=0)
    per: float = Field(default=1, gt=0)
    unit: str
    source: str
    dated: date
    confirmed: bool = True  # two independent copies agree

    @property
    def each(self) -> float:
        """Dollars for one unit."""
        return self.dollars / self.per


class Machine(BaseModel):
    """Dollars an hour of an EC2 instance type, Linux."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_demand: Price
    spot: Price


class Tier(Price):
    """A price for the images of a month after those of the tiers before; the last tier has no end."""

    images: int | None = Field(default=None, gt=0)


class PriceList(BaseModel):
    """A price of everything that a shape uses. The names say the unit; `.each` is dollars for one of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lambda_x86_gb_seconds: Price
    lambda_arm64_gb_seconds: Price
    lambda_requests: Price
    lambda_storage_gb_seconds: Price
    s3_puts: Price
    s3_gets: Price
    s3_gb_months: Price
    s3_inventory_objects: Price
    sqs_requests: Price
    dynamodb_writes: Price
    dynamodb_reads: Price
    dynamodb_gb_months: Price
    dynamodb_pitr_gb_months: Price
    logs_ingested_gb: Price
    logs_stored_gb_months: Price
    metric_months: Price
    alarm_months: Price
    dashboard_months: Price
    step_transitions: Price
    alb_hours: Price
    alb_lcu_hours: Price
    nat_hours: Price
    nat_gb: Price
    endpoint_hours: Price
    endpoint_gb: Price
    ipv4_hours: Price
    fargate_vcpu_hours: Price
    fargate_gb_hours: Price
    ebs_gp3_gb_months: Price
    ecr_gb_months: Price
    secret_months: Price

    def lambda_gb_seconds(self, architecture: str) -> Price:
        """A GB-second of a function on `x86_64` or `arm64`."""
        return self.lambda_arm64_gb_seconds if architecture == "arm64" else self.lambda_x86_gb_seconds


class Prices(BaseModel):
    """The whole price file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    currency: str
    checked: date  # when somebody last compared the file with its sources
    prices: PriceList
    machines: dict[str, Machine]
    rekognition: tuple[Tier, ...] = Field(min_length=1)

    def machine(self, name: str) -> Machine:
        """The prices of an EC2 instance type. Raises ConsoleError for one that the file does not list."""
        if name not in self.machines:
            raise ConsoleError(
                f"the price file has no machine {name!r}, only {', '.join(sorted(self.machines))}. "
                "Add it to a price file of your own, and name that with --prices.",
                EXIT_USAGE,
            )
        return self.machines[name]

    @property
    def unconfirmed(self) -> list[str]:
        """The names of prices that no two independent sources agree on."""
        flat = {name: price for name, price in self.prices if not price.confirmed}
        machines = [
            f"{name} {kind}"
            for name, machine in sorted(self.machines.items())
            for kind, price in machine
            if not price.confirmed
        ]
        return [
            *flat,
            *machines,
            *(f"rekognition {at}" for at, it in enumerate(self.rekognition, 1) if not it.confirmed),
        ]


def load_prices(own: Path | None = None) -> Prices:
    """The project's prices, and over them those of a person's file; what that file leaves out keeps the project's price.

    Raises ConsoleError for a file that is missing, is no YAML, or names a price that does not exist.
    """
    if own is None:
        return _shipped()
    given = _read(own)
    kept = _read(PRICES)
    try:
        return Prices.model_validate(_over(kept, given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConsoleError(
            f"the price file {own} is not right at {where}: {first['msg']}. {PRICES} shows what a price file has.",
            EXIT_USAGE,
        ) from error


@cache
def _shipped() -> Prices:
    return Prices.model_validate(_read(PRICES))


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConsoleError(f"the price file {path} cannot be read: {error.strerror}.", EXIT_USAGE) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConsoleError(f"the price file {path} is no YAML: {' '.join(str(error).split())}.", EXIT_USAGE) from error
    if not isinstance(found, dict):
        raise ConsoleError(f"the price file {path} has no prices. {PRICES} shows what a price file has.", EXIT_USAGE)
    return found


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both, one into the other; where both have a value that is no mapping, `above` counts."""
    both = dict(below)
    for name, value in above.items():
        under = both.get(name)
        both[name] = _over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both
