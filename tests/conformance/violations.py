"""Servers that break one promise each, as real ones have, and the promise that must notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.conformance.misreadings import MISREADINGS
from tests.conformance.promises import connections, many_images, one_image, other_ways, refusals, the_server
from tests.conformance.reference import MODEL, Reference, Refused, Reply
from tests.conformance.server import Promise

Images = Sequence[tuple[str, bytes]]


class PoisonIsOverload(Reference):
    """A bad image and a full queue are both 503: a queue would send poison for ever."""

    def one(self, data: bytes, top_k: int) -> Reply:
        answer = super().one(data, top_k)
        return self.busy() if 400 <= answer.status < 500 else answer


class OneBadImageFailsItsBatch(Reference):
    def many(self, images: Images, top_k: int) -> Reply:
        answer = super().many(images, top_k)
        assert isinstance(answer.document, dict)
        bad = any(entry["status"] != 200 for entry in answer.document["answers"])
        return Reply(503, {"code": 503, "type": "InternalServerException", "message": "failed"}) if bad else answer


class AnswersInAnotherOrder(Reference):
    def many(self, images: Images, top_k: int) -> Reply:
        return super().many(images[::-1], top_k)


class AnswersMixedUp(Reference):
    """Each name is in its place, with its neighbour's classes."""

    def many(self, images: Images, top_k: int) -> Reply:
        names, bodies = [name for name, _ in images], [data for _, data in images]
        return super().many([*zip(names, bodies[1:] + bodies[:1], strict=True)], top_k)


class OneImageTooFew(Reference):
    def many(self, images: Images, top_k: int) -> Reply:
        return super().many(images[:-1], top_k)


class ATarBreaksIt(Reference):
    def many(self, _: Images, __: int) -> Reply:
        return Reply(500, {"code": 500, "type": "InternalServerException", "message": "failed"})


class ATarIsRefusedWithoutAWord(Reference):
    def many(self, _: Images, __: int) -> Reply:
        return Reply(415, {})


class TheLastFieldOfAFormWins(Reference):
    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        named, many = super().images(body, content_type)
        return (named[-1:], False) if content_type.startswith("multipart/") else (named, many)


class AnyNumberOfImages(Reference):
    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        try:
            return super().images(body, content_type)
        except Refused as refused:
            if refused.code != "too_large":
                raise
            return [(f"{number}.jpg", b"") for number in range(65)], True


class ADamagedTarIsAnImage(Reference):
    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        try:
            return super().images(body, content_type)
        except Refused:
            return [("body", body)], False


class BestClassLast(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        document = super().look_at(data, top_k)
        return {**document, "predictions": document["predictions"][::-1]}


class PercentInsteadOfProbability(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        document = super().look_at(data, top_k)
        return {
            **document,
            "predictions": [{**it, "probability": 100 * it["probability"]} for it in document["predictions"]],
        }


class SaysNothingOfDoubt(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        return {"predictions": super().look_at(data, top_k)["predictions"]}


class TopKIsIgnored(Reference):
    def top_k(self, wanted: str | None) -> int:
        super().top_k(wanted)
        return 3


class AnyTopKWillDo(Reference):
    def top_k(self, wanted: str | None) -> int:
        try:
            return super().top_k(wanted)
        except Refused:
            return 3


class OnlyBytesThatAreCalledBytes(Reference):
    """What curl calls a form by default is taken for one."""

    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        return super().images(b"" if "urlencoded" in content_type else body, content_type)


class OnlyTheFieldData(Reference):
    def images(self, body: bytes, content_type: str) -> tuple[Images, bool]:
        named, many = super().images(body, content_type)
        return [(name, data if name in {"data", "body"} else b"") for name, data in named], many


class GrayIsNoPicture(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        if b"IHDR" in data and data[25] in {0, 3}:  # the PNG's colour type
            raise Refused("unreadable", "This is not RGB.")
        return super().look_at(data, top_k)


class RefusesWithoutACode(Reference):
    def one(self, data: bytes, top_k: int) -> Reply:
        answer = super().one(data, top_k)
        return answer if answer.status == 200 else Reply(answer.status, {"error": "This is no image."})


class CallsTheDamagedUnsupported(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        try:
            return super().look_at(data, top_k)
        except Refused as refused:
            if refused.code == "unreadable":
                raise Refused("unsupported_format", "This is no image.") from refused
            raise


class TakesAnyNumberOfPixels(Reference):
    def look_at(self, data: bytes, top_k: int) -> dict[str, Any]:
        try:
            return super().look_at(data, top_k)
        except Refused as refused:
            if refused.code == "too_many_pixels":
                return {"predictions": [{"label": "red", "probability": 1.0}], "uncertain": None}
            raise


class WaitsForTheWholeBody(Reference):
    largest_bytes = 2**62


class PutIsUnknown(Reference):
    methods = ("POST",)


class WantsToKnowTheLength(Reference):
    takes_chunks = False


class LooksForTarsIfALengthIsKnown(Reference):
    def answer(self, path: str, headers: Any, body: bytes) -> Reply:  # noqa: ANN401 (as its parent)
        return super().answer(path, headers, body) if "Content-Length" in headers else self.one(body, 3)


class AnImageOfAnySize(Reference):
    largest_image_bytes = Reference.largest_bytes


class TenMebibytesAreTooMany(Reference):
    largest_image_bytes = Reference.largest_image_bytes - 1


class TakesTwiceAsMuch(Reference):
    largest_bytes = 2 * Reference.largest_bytes


class TakesHalfAsMuch(Reference):
    largest_bytes = Reference.largest_bytes // 2


class LetsAnybodyIn(Reference):
    def knows(self, _: str) -> bool:
        return True


class AnyTokenWillDo(Reference):
    def knows(self, authorization: str) -> bool:
        return authorization.startswith("Bearer ")


class AsksForNoScheme(Reference):
    def stranger(self) -> Reply:
        return super().stranger()._replace(headers={})


class ForbidsInsteadOfAsking(Reference):
    def stranger(self) -> Reply:
        return super().stranger()._replace(status=403)


class AnyModelIsThisOne(Reference):
    def answer(self, path: str, headers: Any, body: bytes) -> Reply:  # noqa: ANN401 (as its parent)
        return super().answer(path.replace("no-such-model", "colours"), headers, body)


class AnyVersionIsThisOne(Reference):
    def answer(self, path: str, headers: Any, body: bytes) -> Reply:  # noqa: ANN401 (as its parent)
        return super().answer(path.replace("/999.999", ""), headers, body)


class ExplainsTheWorstClass(Reference):
    def explanation(self, data: bytes) -> Reply:
        answer = super().explanation(data)
        return answer._replace(headers={**answer.headers, "X-Label": "blue"}) if answer.status == 200 else answer


class PingIsAWord(Reference):
    def ping(self) -> Reply:
        return Reply(200, {"status": "Unhealthy"})


class NoWordOfWhen(Reference):
    most_at_once = 2

    def busy(self) -> Reply:
        return super().busy()._replace(headers={})


class BusyIsTheSendersFault(Reference):
    most_at_once = 2

    def busy(self) -> Reply:
        return Reply(429, {"code": "bad_request", "error": "Too many requests."})


class OneBadInstanceFailsAll(Reference):
    def predictions(self, entries: Sequence[dict[str, Any]]) -> Reply:
        bad = [entry for entry in entries if entry["status"] != 200]
        return (
            Reply(400, {"code": "bad_request", "error": "One of them is bad."}) if bad else super().predictions(entries)
        )


class InstancesInAnotherOrder(Reference):
    def predictions(self, entries: Sequence[dict[str, Any]]) -> Reply:
        return super().predictions(entries[::-1])


class AnswersInsteadOfPredictions(Reference):
    def predictions(self, entries: Sequence[dict[str, Any]]) -> Reply:
        return Reply(200, {"model": MODEL, "timings": {}, "answers": entries})


class ReadsOneInstanceOfJsonOnly(Reference):
    """`{"data": ...}` is taken for a request without an image."""

    def of_json(self, body: bytes) -> Reply:
        if b'"data": "' in body[:10]:
            raise Refused("empty", "There is no image.")
        return super().of_json(body)


class JsonWithoutImagesBreaksIt(Reference):
    def of_json(self, body: bytes) -> Reply:
        try:
            return super().of_json(body)
        except Refused:
            return Reply(500, {"code": 500, "type": "InternalServerException", "message": "failed"})


class DeflateIsUnknown(Reference):
    codings = ("gzip",)


class InflatesWithoutEnd(Reference):
    def inflated(self, body: bytes, coding: str | None) -> bytes:
        try:
            return super().inflated(body, coding)
        except Refused as refused:
            if refused.code != "too_large":
                raise
            return bytes(1000)


class TakesTheDamagedAsItIs(Reference):
    def inflated(self, body: bytes, coding: str | None) -> bytes:
        try:
            return super().inflated(body, coding)
        except Refused as refused:
            if refused.code != "bad_request":
                raise
            return body


class AnyCodingWillDo(Reference):
    def inflated(self, body: bytes, coding: str | None) -> bytes:
        return super().inflated(body, coding if coding in self.codings else None)


class AnotherMethodIsNotFound(Reference):
    def not_allowed(self, method: str) -> Reply:
        return super().not_allowed(method)._replace(status=404)


class SaysNotWhichMethods(Reference):
    def not_allowed(self, method: str) -> Reply:
        return super().not_allowed(method)._replace(headers={})


class HangsUpOnTheHalfClosed(Reference):
    answers_half_closed = False


class WaitsForHeadersForEver(Reference):
    headers_s = None


VIOLATIONS: dict[type[Reference], Promise] = {
    PoisonIsOverload: refusals.what_is_no_picture_is_called_unsupported,
    OneBadImageFailsItsBatch: many_images.a_bad_image_in_a_tar_has_its_own_refusal_and_its_neighbours_their_classes,
    AnswersInAnotherOrder: many_images.a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly,
    AnswersMixedUp: many_images.a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly,
    OneImageTooFew: many_images.a_tar_of_bad_images_alone_is_answered_too,
    ATarBreaksIt: many_images.a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly,
    ATarIsRefusedWithoutAWord: many_images.a_tar_is_answered_image_by_image_in_its_order_or_refused_cleanly,
    TheLastFieldOfAFormWins: many_images.the_file_fields_of_a_form_are_answered_by_their_names,
    AnyNumberOfImages: many_images.sixty_four_images_are_taken_at_once_and_more_are_too_large,
    ADamagedTarIsAnImage: many_images.a_tar_that_cannot_be_read_is_a_bad_request_and_says_nothing_of_its_images,
    BestClassLast: one_image.an_image_gets_its_classes_best_first,
    PercentInsteadOfProbability: one_image.an_image_gets_its_classes_best_first,
    SaysNothingOfDoubt: one_image.an_image_gets_its_classes_best_first,
    TopKIsIgnored: one_image.top_k_says_how_many_classes_are_named_in_the_query_or_in_a_header,
    AnyTopKWillDo: refusals.a_wrong_top_k_is_a_bad_request,
    OnlyBytesThatAreCalledBytes: one_image.the_body_is_the_image_whatever_its_content_type,
    OnlyTheFieldData: one_image.an_image_in_a_form_is_answered_like_a_body_whatever_its_field_is_called,
    GrayIsNoPicture: one_image.pictures_of_every_usual_kind_are_looked_at,
    RefusesWithoutACode: refusals.a_request_without_an_image_is_called_empty,
    CallsTheDamagedUnsupported: refusals.a_damaged_picture_is_called_unreadable,
    TakesAnyNumberOfPixels: refusals.a_picture_of_too_many_pixels_is_refused_before_it_fills_the_memory,
    WaitsForTheWholeBody: refusals.a_body_of_any_size_is_refused_before_all_of_it_is_read,
    PutIsUnknown: one_image.an_image_that_is_put_is_answered_like_one_that_is_posted,
    WantsToKnowTheLength: one_image.an_image_in_chunks_of_unannounced_length_is_read_to_its_end,
    LooksForTarsIfALengthIsKnown: many_images.a_tar_that_is_piped_in_is_read_to_its_end,
    AnImageOfAnySize: refusals.ten_mebibytes_are_taken_and_a_byte_more_is_too_large,
    TenMebibytesAreTooMany: refusals.ten_mebibytes_are_taken_and_a_byte_more_is_too_large,
    TakesTwiceAsMuch: many_images.sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large,
    TakesHalfAsMuch: many_images.sixty_four_mebibytes_are_taken_at_once_and_more_are_too_large,
    LetsAnybodyIn: the_server.without_a_known_token_a_request_is_unauthorized,
    AnyTokenWillDo: the_server.without_a_known_token_a_request_is_unauthorized,
    AsksForNoScheme: the_server.without_a_known_token_a_request_is_unauthorized,
    ForbidsInsteadOfAsking: the_server.without_a_known_token_a_request_is_unauthorized,
    AnyModelIsThisOne: refusals.an_unknown_model_is_not_found,
    AnyVersionIsThisOne: one_image.the_version_may_be_named,
    ExplainsTheWorstClass: one_image.an_explanation_is_a_picture_for_the_best_class,
    PingIsAWord: the_server.ping_says_healthy_while_images_are_answered,
    NoWordOfWhen: the_server.a_busy_server_sends_a_retry_after,
    BusyIsTheSendersFault: the_server.a_busy_server_sends_a_retry_after,
    OneBadInstanceFailsAll: other_ways.a_bad_instance_has_its_own_refusal_and_its_neighbours_their_classes,
    InstancesInAnotherOrder: other_ways.instances_are_answered_with_predictions_in_their_order,
    AnswersInsteadOfPredictions: other_ways.instances_are_answered_with_predictions_in_their_order,
    ReadsOneInstanceOfJsonOnly: other_ways.one_image_as_json_is_answered_like_its_bytes,
    JsonWithoutImagesBreaksIt: other_ways.json_without_an_image_is_a_bad_request,
    DeflateIsUnknown: other_ways.a_compressed_image_is_the_image,
    InflatesWithoutEnd: other_ways.a_compressed_body_that_grows_over_the_limit_is_too_large,
    TakesTheDamagedAsItIs: other_ways.a_compressed_image_that_is_damaged_is_a_bad_request,
    AnyCodingWillDo: other_ways.a_compression_that_the_server_does_not_know_is_refused_with_those_it_knows,
    AnotherMethodIsNotFound: connections.another_method_is_not_allowed_and_the_response_names_those_that_are,
    SaysNotWhichMethods: connections.another_method_is_not_allowed_and_the_response_names_those_that_are,
    HangsUpOnTheHalfClosed: connections.a_client_that_closes_its_own_side_gets_its_answer,
    WaitsForHeadersForEver: connections.half_a_header_does_not_keep_a_connection_open,
    **MISREADINGS,
}
