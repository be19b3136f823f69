"""What an image costs on its way, whatever answers: S3, SQS, the table, logs, and the functions beside the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from podium.costs.assumptions import HOURS_A_MONTH, Assumptions
from podium.costs.function_time import dollars_of
from podium.costs.items import common_row, item_bytes, stored_bytes, write_units
from podium.costs.lines import Line
from podium.costs.prices import PriceList
from podium.planned.resources import Resource

GB = 1e9
RECEIVED_AT_ONCE = 10  # messages of one ReceiveMessage or DeleteMessageBatch, at most
TRANSITIONS_OF_A_PART = 4  # of functions/backfill.asl.json: the part's start, its call, is the queue deep?, its end
LIST_PAGE = 1000
LISTS_A_MONTH = HOURS_A_MONTH  # reconcile's
SPARE_S = 60  # before its time ends, a run of reconcile stops, and the next one goes on there
READS_OF_RECONCILE = 16  # of a row, in the fourteen days after its upload
HALF = 0.5  # read units of an eventually consistent read


@dataclass(frozen=True)
class Pipeline:
    """A deployed template.yaml, what comes to it, and how results are written."""

    resources: dict[str, Resource]  # by their names in the template
    size_kb: float
    prices: PriceList
    assume: Assumptions
    backfill: bool = False  # the images are in a bucket already
    counted_units: float | None = None  # write units a row, where rows were counted
    servers: int = 1  # that template.yaml is told of

    @property
    def images_an_invocation(self) -> int:
        """The size of a full SQS batch."""
        return int(self.resources["ClassifyFunctionImages"].properties["BatchSize"])

    @property
    def images_a_result(self) -> int:
        """Images of one object in the results bucket: one, or with Results=lines all of an SQS batch."""
        variables = self.resources["ClassifyFunction"].properties["Environment"]["Variables"]
        return self.images_an_invocation if variables.get("RESULTS") == "lines" else 1

    @property
    def at_once(self) -> int:
        """Classify functions that run at once at most."""
        return int(self.resources["ClassifyFunctionImages"].properties["ScalingConfig"]["MaximumConcurrency"])

    def served_per_s(self, images_per_s: float) -> float:
        """Images a second that one server of this speed gets to do: its functions wait for it, and each does other things between."""
        at_once = self.at_once / self.servers * self.images_an_invocation
        return min(images_per_s, at_once / (self.assume.beside_ms / 1000 + self.images_an_invocation / images_per_s))

    def lines(self) -> Iterator[Line]:
        """Every line except the classify function's own time, which the shape decides."""
        yield from self._on_the_way()
        yield from self._rows()
        yield from self._around()
        yield from self._care()
        yield from self._kept()

    def _on_the_way(self) -> Iterator[Line]:
        prices = self.prices
        if not self.backfill:
            yield _each("uploads", prices.s3_puts.each, "1 PUT an image; yours, whatever classifies it")
        yield _each("images read", prices.s3_gets.each, "1 GET an image")
        yield _each(
            "results as JSON",
            prices.s3_puts.each / self.images_a_result,
            f"1 PUT for {self.images_a_result} image{'' if self.images_a_result == 1 else 's'}",
        )
        requests = 1 + 2 / RECEIVED_AT_ONCE
        yield _each("queue", requests * prices.sqs_requests.each, "1 send an image, 1 receive and 1 delete for 10")

    def _rows(self) -> Iterator[Line]:
        table, share = self.resources["ResultsTable"], self.assume.uncertain_share
        certain, uncertain = common_row(uncertain=False), common_row(uncertain=True)
        units = (1 - share) * write_units(certain, table) + share * write_units(uncertain, table)
        basis = f"{units:.2f} write units a row of {item_bytes(certain)} bytes, in the table and its indexes"
        if self.counted_units is not None:
            units, basis = (
                self.counted_units,
                f"{self.counted_units:.2f} write units a row, counted by the rows' own sizes",
            )
        yield _each("rows", units * self.prices.dynamodb_writes.each, basis)

    def _around(self) -> Iterator[Line]:
        prices, assume = self.prices, self.assume
        yield _each("logs", assume.log_bytes / GB * prices.logs_ingested_gb.each, f"{assume.log_bytes} bytes an image")
        count = (
            dollars_of(prices, self.resources["FinishFunction"], assume.count_ms / 1000) + prices.dynamodb_writes.each
        )
        read = item_bytes(common_row(uncertain=False)) / 4096 * HALF * prices.dynamodb_reads.each
        yield _each(
            "is the batch complete", count / assume.rows_a_count + read,
            f"1 count for {assume.rows_a_count} rows, and every row is read once",
        )  # fmt: skip
        if self.backfill:
            yield from self._backfill()

    def _backfill(self) -> Iterator[Line]:
        prices, part = self.prices, self.assume.backfill_part
        yield _each(
            "state machine", TRANSITIONS_OF_A_PART * prices.step_transitions.each / part,
            f"{TRANSITIONS_OF_A_PART} transitions for {part} images, and 3 more each time a part waits for the queue",
        )  # fmt: skip
        function = dollars_of(prices, self.resources["BackfillFunction"], self.assume.backfill_part_s)
        puts = 2 * prices.s3_puts.each  # the manifest's part and the tally
        yield _each("backfill function", (function + puts) / part, f"1 run and 2 PUTs for {part} images")
        listed = prices.s3_puts.each / LIST_PAGE + HALF * prices.dynamodb_reads.each
        yield _each(
            "list of the bucket", listed, "1 LIST for 1,000 images, and half a read unit each for the row it may have"
        )

    def _care(self) -> Iterator[Line]:
        if self.backfill:
            return  # it looks below incoming/ alone
        reads = READS_OF_RECONCILE * HALF * self.prices.dynamodb_reads.each
        yield Line(
            name="lost uploads: rows read",
            kind="care",
            each_image=reads,
            basis=f"{READS_OF_RECONCILE} reads of half a unit an image, in two weeks",
        )
        lists = LISTS_A_MONTH / LIST_PAGE * self.prices.s3_puts.each * self.assume.kept_months
        run = int((self.resources["ReconcileFunction"].properties["Timeout"] - SPARE_S) / self.assume.list_s)
        yield Line(
            name="lost uploads: lists",
            kind="kept",
            each_image=lists,
            most_a_month=LISTS_A_MONTH * run * self.prices.s3_puts.each,
            basis=f"1 LIST an hour for 1,000 images, kept for {_months(self.assume.kept_months)}; {run:,} an hour at most",
        )

    def _kept(self) -> Iterator[Line]:
        prices, months = self.prices, self.assume.kept_months
        size = self.size_kb * 1000
        if not self.backfill:
            yield _kept(
                "storage of the images",
                size / GB * prices.s3_gb_months.each * months,
                f"{self.size_kb:g} KB an image, {_months(months)}",
            )
        row, table = common_row(uncertain=False), self.resources["ResultsTable"]
        gb = stored_bytes(row, table) / GB
        dollars = gb * prices.dynamodb_gb_months.each + item_bytes(row) / GB * prices.dynamodb_pitr_gb_months.each
        yield _kept(
            "storage of the rows",
            dollars * months,
            f"{stored_bytes(row, table)} bytes with the indexes, and the backup of the row",
        )
        yield _kept(
            "storage of results and logs",
            (1000 / GB * prices.s3_gb_months.each + self.assume.log_bytes / GB * prices.logs_stored_gb_months.each)
            * months,
            f"1 KB of JSON and {self.assume.log_bytes} bytes of log an image",
        )


def _each(name: str, dollars: float, basis: str) -> Line:
    return Line(name=name, kind="images", each_image=dollars, basis=basis)


def _kept(name: str, dollars: float, basis: str) -> Line:
    return Line(name=name, kind="kept", each_image=dollars, basis=basis)


def _months(months: float) -> str:
    return f"{months:g} month{'' if months == 1 else 's'}"
