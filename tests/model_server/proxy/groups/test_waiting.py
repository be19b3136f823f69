"""The order, the groups and the limits: nothing is lost, nothing is sent twice, no request starves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.groups.waiting import Job, Key, Limits, Request, Waiting
from proxy.responses import unavailable

SINGLE = Key("predictions")


def request(*sizes: int, key: Key = SINGLE) -> Request:
    return Request(key, [memoryview(bytes(size)) for size in sizes or (1,)])


def waiting(*requests: Request, **limits: int) -> Waiting:
    queue = Waiting(Limits(**limits))
    for each in requests:
        assert queue.admit(each)
    return queue


def all_groups(queue: Waiting, free: int = 1) -> list[list[Job]]:
    groups = []
    while group := queue.next_group(free):
        groups.append(group)
    return groups


def senders(group: list[Job]) -> list[Request]:
    return [job.request for job in group]


def test_a_lone_image_goes_at_once() -> None:
    alone = request()
    assert senders(waiting(alone).next_group(2)) == [alone]


def test_what_waits_is_shared_among_the_free_workers() -> None:
    queue = waiting(*(request() for _ in range(7)))
    assert [len(queue.next_group(free)) for free in (3, 2, 1)] == [3, 2, 2]


def test_a_group_holds_no_more_than_a_batch() -> None:
    assert [len(group) for group in all_groups(waiting(request(*[1] * 20)))] == [8, 8, 4]


def test_a_group_holds_no_more_bytes_than_it_may_and_a_larger_image_goes_alone() -> None:
    queue = waiting(request(6), request(5), request(5), request(11), request(1), group_bytes=10)
    assert [[job.image.nbytes for job in group] for group in all_groups(queue)] == [[6], [5, 5], [11], [1]]


def test_first_in_first_out() -> None:
    requests = [request() for _ in range(20)]
    assert [job.request for group in all_groups(waiting(*requests)) for job in group] == requests


def test_a_request_of_many_does_not_hold_up_a_request_of_one() -> None:
    many, late = request(*[1] * 64), request()
    queue = waiting(many, late)
    assert late in senders(queue.next_group(1))


def test_the_images_of_one_request_go_in_their_order() -> None:
    queue = waiting(request(*[1] * 20), request(*[1] * 20))
    sent = [(id(job.request), job.place) for group in all_groups(queue) for job in group]
    for sender in {each for each, _ in sent}:
        assert [place for each, place in sent if each == sender] == list(range(20))


def test_only_images_with_the_same_parameters_share_a_group_and_each_kind_has_its_turn() -> None:
    five = Key("predictions", top_k="5")
    queue = waiting(request(1, 1), request(1, 1, key=five), request(1), request(key=Key("predictions", "2.0")))
    groups = all_groups(queue)
    assert [{job.request.key for job in group} for group in groups] == [{SINGLE}, {five}, {Key("predictions", "2.0")}]
    assert [len(group) for group in groups] == [3, 2, 1]


def test_a_heat_map_shares_no_group() -> None:
    queue = waiting(*(request(key=Key("explanations")) for _ in range(3)))
    assert [len(group) for group in all_groups(queue)] == [1, 1, 1]


def test_a_request_is_admitted_whole_or_not_at_all() -> None:
    queue = waiting(request(*[1] * 6), request(*[1] * 6), waiting_images=10)
    assert not queue.has_room()
    assert not queue.admit(request(1, 1))
    assert queue.images == 12


def test_a_request_of_many_is_not_starved_by_single_images_that_take_each_place_as_it_becomes_free() -> None:
    queue = waiting(*(request() for _ in range(10)), waiting_images=10)
    many = request(*[1] * 5)
    assert not queue.admit(many)
    queue.next_group(free=10)
    assert queue.images == 9, "one place is free: whoever comes first has it, many or one"
    assert queue.admit(many)
    for _ in range(5):
        assert not queue.admit(request()), "nobody comes in before there is room again"
        queue.next_group(free=20)
    assert queue.admit(request())


def test_a_request_whose_images_all_have_their_responses_needs_no_place() -> None:
    answered = request()
    answered.answer(0, unavailable("too large, say"))
    assert waiting(request(), waiting_images=1).admit(answered)


def test_images_of_a_group_that_failed_go_first_and_alone() -> None:
    poisoned, other = request(1, 1), request()
    queue = waiting(poisoned)
    group = queue.next_group(1)
    queue.admit(other)
    queue.again(group)
    assert [senders(found) for found in all_groups(queue)] == [[poisoned], [poisoned], [other]]
    assert all(job.tried for job in group)


def test_what_a_client_that_went_away_left_waiting_is_dropped() -> None:
    gone, stays = request(*[1] * 9), request()
    queue = waiting(gone, stays)
    under_way = queue.next_group(1)
    queue.drop(gone)
    queue.again(under_way)
    assert [senders(group) for group in all_groups(queue)] == [[stays]]
    assert queue.images == 0


def test_an_image_is_answered_once() -> None:
    arrival = request()
    arrival.answer(0, unavailable("first"))
    with pytest.raises(ValueError, match="answered before"):
        arrival.answer(0, unavailable("second"))


def test_an_image_that_has_its_response_does_not_wait() -> None:
    arrival = request(1, 1)
    arrival.answer(0, unavailable("too large, say"))
    assert [job.place for group in all_groups(waiting(arrival)) for job in group] == [1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("admit"), st.lists(st.integers(0, 30), min_size=1, max_size=12)),
        st.tuples(st.just("send"), st.integers(1, 4)),
        st.tuples(st.just("fail"), st.integers(0, 5)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 9))
def test_whatever_happens_each_image_is_answered_once_or_its_client_is_gone(
    steps: list[tuple[str, list[int] | int]], batch_images: int
) -> None:
    queue = Waiting(Limits(waiting_images=30, batch_images=batch_images, group_bytes=40))
    admitted: list[Request] = []
    under_way: list[list[Job]] = []
    for step, value in steps:
        if isinstance(value, list):
            arrival = request(*value, key=Key("predictions", top_k=str(len(value) % 2)))
            admitted += [arrival] if queue.admit(arrival) else []
        elif step == "send" and (group := queue.next_group(value)):
            assert len(group) <= batch_images
            assert len({job.request.key for job in group}) == 1
            assert len(group) == 1 or sum(job.image.nbytes for job in group) <= 40
            assert len(group) == 1 or not any(job.tried for job in group)
            under_way.append(group)
        elif step == "fail" and value < len(under_way):
            queue.again([job for job in under_way.pop(value) if not job.request.gone])
        elif step == "leave" and value < len(admitted):
            queue.drop(admitted[value])
    for group in under_way + all_groups(queue):
        for job in group:
            if not job.request.gone:
                job.request.answer(job.place, unavailable("an answer"))
    assert queue.images == 0
    assert all(arrival.gone or not arrival.missing for arrival in admitted)
