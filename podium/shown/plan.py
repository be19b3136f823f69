"""A plan as a person and a program read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table

from podium.costs.lines import MILLION
from podium.plan import SIZE_KB, Plan
from podium.planned.changes import Change, PlannedChange
from podium.shown.console import plain_table
from podium.shown.costs import LISTED, NOT_COUNTED, money

SIGNS: dict[Change, str] = {"made": "+", "changed": "~", "deleted": "-", "same": ""}
STYLES: dict[Change, str] = {"made": "green", "changed": "yellow", "deleted": "red", "same": ""}


def resources_table(plan: Plan) -> Table:
    """Every resource with its kind and name, and what would become of it."""
    table = plain_table("", "kind", "name", "")
    for it in sorted(plan.changes, key=lambda it: it.resource.kind):
        resource = it.resource
        table.add_row(
            SIGNS[it.change], resource.kind.removeprefix("AWS::"), resource.name or resource.logical, _note(it),
            style=STYLES[it.change],
        )  # fmt: skip
    return table


def cost_table(plan: Plan) -> Table:
    """What it costs a month with no image, and for a million of them."""
    table = plain_table("dollars", numbers=["a month, idle", "a million images"])
    for line in sorted(plan.lines, key=lambda line: LISTED.index(line.kind)):
        if line.a_month or line.each_image:
            table.add_row(
                line.name, money(line.a_month) if line.a_month else "", money(line.a_million) if line.each_image else ""
            )
    table.add_section()
    table.add_row("in all", money(plan.idle_month), money(plan.a_million), style="bold")
    return table


def plan_sentences(plan: Plan) -> Iterable[str]:
    """What stands under the tables."""
    counts = Counter(it.change for it in plan.changes)
    where = f"stack {plan.place.stack!r} in {plan.place.region}"
    if plan.exists:
        same = counts["same"]
        yield f"{where}: {counts['made']} made, {counts['changed']} changed, {counts['deleted']} deleted, {same} as they are; the functions' code is built anew."
        yield "Whether a change replaces a resource, CloudFormation says in its change set: `podium deploy` shows it, and asks before it goes on."
    else:
        yield f"{where}: {counts['made']} resources would be made. Nothing was changed."
    yield "kept: it stays when the stack is deleted."
    if plan.exists is None:
        yield f"It is compared with no stack on AWS: {plan.why_unknown.rstrip('.')}."
    if plan.has_server:
        yield (
            "The model server is not in these figures: it is a stack of its own. With GPUs that scale to zero and a network for them, all "
            f"together are {plan.with_server_month:.2f} dollars a month while no image comes; `podium cost` prices it in three shapes."
        )
    yield f"Images of {SIZE_KB:g} KB, kept for a month. Prices of {plan.prices.region}, compared on {plan.prices.checked}; `podium cost` has their arithmetic."
    yield NOT_COUNTED


def plan_document(plan: Plan) -> dict[str, object]:
    """The same for JSON."""
    return {
        "stack": plan.place.stack, "region": plan.place.region, "account": plan.place.account, "exists": plan.exists,
        "parameters": dict(plan.parameters),
        "resources": [
            {
                "logical": it.resource.logical, "kind": it.resource.kind, "name": it.resource.name,
                "kept": it.resource.kept, "change": it.change, "properties": list(it.properties),
            }
            for it in plan.changes
        ],
        "dollars": {"idle_month": plan.idle_month, "a_million": plan.a_million},
        "lines": [
            {"name": it.name, "kind": it.kind, "idle_month": it.a_month, "a_million": it.each_image * MILLION, "basis": it.basis}
            for it in plan.lines
        ],
        "server_is_apart": plan.has_server,
        "prices": {"region": plan.prices.region, "checked": f"{plan.prices.checked}"},
    }  # fmt: skip


def _note(it: PlannedChange) -> str:
    notes = [", ".join(it.properties)] if it.properties else []
    return "; ".join([*notes, *(["kept"] if it.resource.kept else [])])
