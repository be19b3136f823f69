"""Which images share a request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.classify.groups import REQUEST_BYTES, Group, groups_of
from pipeline.classify.images import Fetched
from pipeline.contracts import ModelFacts
from tests.functions.factories import fetched, image_ref, order

MOST = 20
VERSIONS = [None, "1.0", "2.0"]
SIZES_BYTES = (1, 100_000, REQUEST_BYTES // 3, REQUEST_BYTES // 2, REQUEST_BYTES, REQUEST_BYTES + 1)
DATA = {size_bytes: bytes(size_bytes) for size_bytes in SIZES_BYTES}


def image(number: int, size_bytes: int = 1, version: str | None = None) -> Fetched:
    model = ModelFacts(name="balls", version=version) if version else None
    return fetched(order(image_ref(key=f"incoming/{number}.jpg"), model=model), DATA[size_bytes])


def numbers_in(groups: list[Group]) -> list[list[int]]:
    return [[int(it.order.image.key[9:-4]) for it in group] for group in groups]


def test_a_full_sqs_batch_is_one_request() -> None:
    assert numbers_in(groups_of([image(n) for n in range(20)], alone=(), most=MOST)) == [list(range(20))]


def test_more_images_than_a_request_may_have_are_two_requests() -> None:
    groups = groups_of([image(n) for n in range(MOST + 1)], alone=(), most=MOST)
    assert [len(group) for group in groups] == [MOST, 1]


def test_images_that_are_large_together_are_two_requests_and_one_that_is_large_by_itself_goes_alone() -> None:
    third = REQUEST_BYTES // 3
    images = [image(0, third), image(1, REQUEST_BYTES + 1), *(image(n, third) for n in (2, 3, 4))]
    assert numbers_in(groups_of(images, alone=(), most=MOST)) == [[1], [0, 2, 3], [4]]


def test_images_for_different_versions_are_never_in_the_same_request() -> None:
    images = [image(n, version=VERSIONS[n % 3]) for n in range(6)]
    assert numbers_in(groups_of(images, alone=(), most=MOST)) == [[0, 3], [1, 4], [2, 5]]


def test_images_of_messages_that_came_before_go_alone() -> None:
    images = [image(n) for n in range(4)]
    assert numbers_in(groups_of(images, alone={images[1].order, images[2].order}, most=MOST)) == [[1], [2], [0, 3]]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SIZES_BYTES),
            st.sampled_from(VERSIONS),
            st.booleans(),
        ),
        max_size=50,
    )
)
def test_every_image_is_in_one_request_and_no_request_is_too_large(
    drawn: list[tuple[int, str | None, bool]],
) -> None:
    images = [image(n, size_bytes, version) for n, (size_bytes, version, _) in enumerate(drawn)]
    alone = {it.order for it, (_, _, came_before) in zip(images, drawn, strict=True) if came_before}
    groups = groups_of(images, alone, MOST)
    assert sorted(n for group in numbers_in(groups) for n in group) == list(range(len(images)))
    for group in groups:
        assert len({it.order.model for it in group}) == 1
        assert len(group) == 1 or len(group) <= MOST
        assert len(group) == 1 or sum(len(it.data) for it in group) <= REQUEST_BYTES
        assert len(group) == 1 or not alone & {it.order for it in group}
