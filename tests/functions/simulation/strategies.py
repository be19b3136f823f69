"""Plans as hypothesis draws them; what comes first in a list is what a falsifying plan shrinks to."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.functions.simulation.plan import (
    BAD,
    KINDS,
    MANY,
    MOODS,
    Action,
    Backfill,
    Content,
    Delete,
    Fault,
    Outage,
    Plan,
    Rollout,
    Step,
    Stray,
    Upload,
)

Plans = st.SearchStrategy[Plan]

KEYS = ["incoming/a/1.jpg", "incoming/a/2.jpg", "incoming/b/1 + 1 été.jpg", "incoming/b/"]
CONTENTS: list[Content] = ["good", "good", "good", "slow", "poison", *BAD]
STRAYS = ["Hello from SQS!", '{"Service": "Amazon S3", "Event": "s3:TestEvent"}', '{"Records": [{}]}']
EFFECTS = [
    "dynamodb.put_item",
    "s3.put_object",
    "server.predict",
    "s3.get_object",
    "s3.read_body",
    "sqs.change_message_visibility",
    "sqs.send_message",
    "sqs.receive",
    "sqs.delete",
]
OUTAGES_S = [1.0, 60.0, 900.0, 7_200.0]
MAX_RECEIVES = [10, 3, 2]  # of the template, and fewer, so that the last one comes soon
GAPS_S = st.sampled_from([0.0, 0.1, 5.0, 400.0])


def uploads(keys: list[str], contents: list[Content], *, fewest_events: int = 1) -> st.SearchStrategy[Upload]:
    """With so many events at least, which come late, or twice, or in a message with another."""
    return st.builds(
        Upload,
        key=st.sampled_from(keys),
        content=st.sampled_from(contents),
        after_s=GAPS_S,
        events_after_s=st.lists(st.sampled_from([0.0, 0.1, 20.0, 4_000.0]), min_size=fewest_events, max_size=3).map(
            tuple
        ),
        sequencer_tail=st.sampled_from(["", "0", "8", "00FF"]),
        with_the_one_before=st.booleans(),
    )


def plans(
    actions: st.SearchStrategy[Action],
    *,
    most_faults: int = 6,
    most_outages: int = 3,
    effects: list[str] = EFFECTS,
    down_s: list[float] = OUTAGES_S,
    max_receives: list[int] = MAX_RECEIVES,
    reconcile: bool = False,
) -> Plans:
    """Such actions in a world with so many faults."""
    faults = st.builds(Fault, st.sampled_from(effects), st.integers(0, 4), st.sampled_from(KINDS))
    outages = st.builds(
        Outage,
        service=st.sampled_from(["server", "dynamodb", "s3", "sqs"]),
        from_s=st.sampled_from([0.0, 0.2, 100.0, 400.0]),
        for_s=st.sampled_from(down_s),
        mood=st.sampled_from(MOODS),
    )
    return st.builds(
        Plan,
        actions=st.lists(actions, min_size=1, max_size=7).map(tuple),
        faults=st.lists(faults, max_size=most_faults).map(tuple),
        outages=st.lists(outages, max_size=most_outages).map(tuple),
        turns=st.lists(st.integers(0, 3), max_size=40).map(tuple),
        jitter=st.lists(st.sampled_from([0.0, 0.5, 0.999]), min_size=1, max_size=3).map(tuple),
        batch_size=st.integers(1, 4),
        concurrency=st.integers(1, 3),
        max_receives=st.sampled_from(max_receives),
        many=st.sampled_from(MANY),
        reconcile=st.just(reconcile),
    )


_deletes = st.builds(Delete, key=st.sampled_from(KEYS), after_s=GAPS_S, for_good=st.booleans())
_strays = st.builds(Stray, body=st.sampled_from(STRAYS), after_s=GAPS_S)
_rollouts = st.builds(Rollout, version=st.sampled_from(["1.1", "1.0"]), after_s=GAPS_S)

_backfills = st.builds(Backfill, after_s=GAPS_S)

anything = plans(st.one_of(*[uploads(KEYS, CONTENTS) for _ in range(5)], _deletes, _strays, _rollouts))
backfills = plans(st.one_of(*[uploads(KEYS[:2], ["good", "text"]) for _ in range(3)], _deletes, _backfills))
overwrites = plans(uploads(KEYS[:1], ["good", "text", "cut"]))
_at_once = st.builds(Upload, events_after_s=st.sampled_from([(0.0,), (0.0, 0.0)]))
interleavings = plans(_at_once, most_faults=0, most_outages=0)  # nothing but turns
breakdowns = plans(uploads(KEYS[:3], ["good"]), most_faults=12)
lost_events = plans(
    st.one_of(uploads(KEYS[:3], ["good", "text"], fewest_events=0), _deletes),
    # Faults and breakdowns may take away each of the three times that reconcile enqueues an upload: not more than that.
    most_faults=1,
    most_outages=1,
    down_s=[1.0, 60.0, 900.0],
    max_receives=[10, 3],
    reconcile=True,
)
_steps = st.builds(Step, weight=st.sampled_from([0.0, 25.0, 100.0, None]), after_s=GAPS_S)
rollouts = plans(st.one_of(*[uploads(KEYS, CONTENTS) for _ in range(4)], _deletes, _backfills, _steps))
_shadow = st.builds(Step, weight=st.sampled_from([0.0, None]), after_s=GAPS_S)
shadows = plans(st.one_of(*[uploads(KEYS, CONTENTS) for _ in range(4)], _shadow))


@st.composite
def bad_candidates(draw: st.DrawFn) -> Plan:
    """Uploads during a rollout whose candidate is down now and then, in whatever way; nothing else goes wrong."""
    uploaded = draw(st.lists(st.sampled_from([0.0, 0.1, 5.0, 70.0]), min_size=1, max_size=8))
    actions = [Upload(f"incoming/{nth}.jpg", after_s=after_s) for nth, after_s in enumerate(uploaded)]
    return Plan(
        actions=(Step(weight=draw(st.sampled_from([0.0, 25.0, 100.0]))), *actions),
        outages=(Outage("candidate", draw(st.sampled_from([0.0, 60.0])), 7_200.0, draw(st.sampled_from(MOODS))),),
        batch_size=draw(st.integers(1, 4)),
        concurrency=draw(st.integers(1, 3)),
        many=draw(st.sampled_from(MANY)),
        here=draw(st.booleans()),
    )


dead_letters = plans(st.one_of(_strays, uploads(KEYS[:2], ["poison"])), effects=["sqs.send_message", "sqs.receive"])
bad_images = plans(st.one_of(*[uploads(KEYS, CONTENTS) for _ in range(5)], _strays), most_faults=0, most_outages=0)


@st.composite
def server_outages(draw: st.DrawFn, gate_lag_s: st.SearchStrategy[float | None]) -> Plan:
    """Uploads, and a model server that is down now and then, for up to ten hours; nothing else goes wrong."""
    outages: list[Outage] = []
    at_s = 0.0
    for up_s, down_s in draw(
        st.lists(st.tuples(st.sampled_from(UP_S), st.sampled_from(DOWN_S)), min_size=1, max_size=3)
    ):
        outages.append(Outage("server", at_s + up_s, down_s, draw(st.sampled_from(MOODS))))
        at_s = outages[-1].to_s
    return Plan(
        actions=tuple(
            Upload(f"incoming/{number}.jpg", after_s=after_s)
            for number, after_s in enumerate(draw(st.lists(st.sampled_from(UPLOADED_AFTER_S), min_size=1, max_size=8)))
        ),
        outages=tuple(outages),
        jitter=draw(st.lists(st.sampled_from([0.0, 0.5, 0.999]), min_size=1, max_size=3).map(tuple)),
        batch_size=draw(st.integers(1, 4)),
        concurrency=draw(st.integers(1, 3)),
        many=draw(st.sampled_from(MANY)),
        gate_lag_s=draw(gate_lag_s),
        first_tick_s=draw(st.sampled_from([0.0, 13.0, 29.0, 59.0])),
    )


UP_S = [0.0, 10.0, 45.0, 300.0, 3_000.0]
DOWN_S = [12_000.0, 3_600.0, 600.0, 200.0, 60.0, 5.0]
UPLOADED_AFTER_S = [0.0, 1.0, 40.0, 700.0, 3_000.0]
