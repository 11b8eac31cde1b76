from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import strategies as st

from rushes.core import errors
from rushes.core.errors import InvalidQuery, InvalidShot, RushesError
from rushes.core.request import Status
from rushes.dialects.aimlapi import PATHS, Aimlapi
from rushes.dialects.base import (
    Accepted,
    Call,
    Cancel,
    Get,
    Kind,
    ModelInfo,
    ModelList,
    Models,
    OutcomeView,
    Page,
    Reply,
    RequestView,
    Submit,
)
from tests.contracts.dialect import DialectContract, route_of
from tests.dialects.views import ID, OUTCOME, QUEUED, ids, infos, names, objects, views

AIML = Aimlapi()
MODEL = "klingai/v2.5-turbo/pro/text-to-video"
replace = msgspec.structs.replace


def carried_view(view: RequestView) -> RequestView:
    """Id and status; after a success where the video is, its size and length, and whether it is gone; after any other
    end the error, whose name says whether it was cancelled."""
    plain = RequestView(id=view.id, status=view.status)
    if view.status is Status.SUCCESS and view.outcome is not None:
        video = OutcomeView(
            video_url=view.outcome.video_url, size=view.outcome.size, seconds=view.outcome.seconds
        )
        return replace(plain, outcome=video, expired=view.expired)
    if view.status.terminal:
        name = "Cancelled" if view.status is Status.CANCELLED else view.error_name or "GenerationError"
        return replace(plain, error=view.error or f"the request was {view.status}", error_name=name)
    return plain


def carried(reply: Reply) -> Reply:
    """A receipt is id and status, where cancelled is no word of its own; a model its id, name, developer, brief."""
    match reply:
        case Accepted(view):
            status = Status.FAILED if view.status is Status.CANCELLED else view.status
            return Accepted(RequestView(id=view.id, status=status))
        case RequestView():
            return carried_view(reply)
        case ModelList(models):
            return ModelList(
                tuple(ModelInfo(id=m.id, name=m.name, developer=m.developer, brief=m.brief) for m in models)
            )
    raise AssertionError(f"{reply} is not of this dialect")


class TestAimlapi(DialectContract):
    dialect = AIML
    calls: ClassVar[st.SearchStrategy[Call]] = st.one_of(
        st.builds(
            Submit.of,
            names,
            objects.map(lambda fields: {k: v for k, v in fields.items() if k not in {"model", "seed"}}),
        ),
        st.builds(Get, ids, st.integers(0, 60)),
        st.just(Models()),
    )
    answers: ClassVar[st.SearchStrategy[tuple[Kind, Reply]]] = st.one_of(
        st.tuples(st.just(Submit), st.builds(Accepted, views)),
        st.tuples(st.just(Get), views),
        st.tuples(st.just(Models), st.builds(ModelList, st.lists(infos, max_size=3).map(tuple))),
    )
    carried = staticmethod(carried)
    told: ClassVar[dict[type[RushesError], tuple[int, type[RushesError]]]] = {
        errors.Unauthorised: (401, errors.Unauthorised),
        errors.OutOfCredits: (403, errors.OutOfCredits),
        errors.UnknownModel: (400, errors.InvalidCall),
        errors.UnknownRequest: (404, errors.UnknownRequest),
        errors.AlreadyEnded: (409, errors.KeyInUse),
        errors.NotRepeatable: (409, errors.KeyInUse),
        errors.KeyInUse: (409, errors.KeyInUse),
        errors.KeyReused: (422, errors.KeyReused),
        errors.BodyTooLarge: (413, errors.BodyTooLarge),
        errors.InvalidCall: (400, errors.InvalidCall),
        errors.InvalidQuery: (400, errors.InvalidQuery),
        errors.InvalidShot: (400, errors.InvalidCall),
        errors.RateLimited: (429, errors.RateLimited),
        errors.QueueFull: (503, errors.QueueFull),
        errors.BadImage: (400, errors.InvalidCall),
        errors.EngineError: (500, errors.BadReply),
    }


def body(reply: Reply) -> dict[str, Any]:
    return msgspec.json.decode(AIML.render(reply).body)


def message(error: RushesError) -> str:
    answer = AIML.render_error(error, path=PATHS[0], request_id="42", now=1_750_442_925.25)
    told = msgspec.json.decode(answer.body)
    assert told.keys() == {"requestId", "statusCode", "timestamp", "path", "message"}
    assert (told["requestId"], told["path"]) == ("42", PATHS[0])
    assert (told["statusCode"], told["timestamp"]) == (answer.status, "2025-06-20T18:08:45.250Z")
    return str(told["message"])


@pytest.mark.parametrize("path", PATHS)
def test_both_paths_take_both_calls(path: str) -> None:
    assert [route_of(AIML, method, path)[0].kind for method in ("POST", "GET")] == [Submit, Get]


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_models_need_no_key(path: str) -> None:
    route, _ = route_of(AIML, "GET", path)
    assert (route.kind, route.needs_key) == (Models, False)


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (QUEUED, {"id": ID, "status": "queued"}),
        (replace(QUEUED, status=Status.PROCESSING, progress=0.5), {"id": ID, "status": "generating"}),
        (
            replace(QUEUED, status=Status.SUCCESS, outcome=OUTCOME),
            {
                "id": ID,
                "status": "completed",
                "video": {
                    "url": "https://example.com/files/1.mp4",
                    "content_type": "video/mp4",
                    "file_name": f"{ID}.mp4",
                    "file_size": 8_392_571,
                    "duration": 5.0,
                },
            },
        ),
        (
            replace(QUEUED, status=Status.FAILED, error="image is 299×400", error_name="BadImage"),
            {"id": ID, "status": "error", "error": {"name": "BadImage", "message": "image is 299×400"}},
        ),
        (
            replace(QUEUED, status=Status.CANCELLED, error="cancelled by the client"),
            {
                "id": ID,
                "status": "error",
                "error": {"name": "Cancelled", "message": "cancelled by the client"},
            },
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, RequestView) else "",
)
def test_a_generation_is_told_in_four_words(view: RequestView, told: dict[str, Any]) -> None:
    assert body(view) == told


def test_no_other_key_is_named_url_before_the_videos() -> None:
    rendered = AIML.render(replace(QUEUED, status=Status.SUCCESS, outcome=OUTCOME)).body
    assert rendered.count(b'"url"') == 1
    assert b"null" not in rendered


def test_the_model_list_has_the_shape_of_the_vendors() -> None:
    listed = body(ModelList((ModelInfo(id=MODEL, name="N", developer="D", brief="B", org_id="org"),)))
    info = {"name": "N", "developer": "D", "description": "B"}
    assert listed == {
        "object": "list",
        "data": [{"id": MODEL, "type": "internal/video-generations/submit", "info": info}],
    }


@pytest.mark.parametrize("form", [ID, f"{ID}:{MODEL}", f"{ID}%3A{MODEL.replace('/', '%2F')}", f" {ID}"])
def test_every_form_of_an_id_is_the_id(form: str) -> None:
    assert AIML.parse(Get, {}, {"generation_id": form}, b"") == Get(ID)


@pytest.mark.parametrize("query", [{}, {"generation_id": ""}, {"generation_id": ":model"}, {"id": ID}])
def test_an_id_is_required(query: dict[str, str]) -> None:
    with pytest.raises(InvalidQuery) as refusal:
        AIML.parse(Get, {}, query, b"")
    assert message(refusal.value) == "Query validation error! generation_id: Required"


def test_other_keys_are_kept_and_refused_never() -> None:
    sent = b'{"model": "m", "prompt": "x", "n": 1, "response_format": "url", "type": null, "provider": {"a": [1]}}'
    call = AIML.parse(Submit, {}, {}, sent)
    assert isinstance(call, Submit)
    assert call.model == "m"
    assert call.payload == {
        "prompt": "x",
        "n": 1,
        "response_format": "url",
        "type": None,
        "provider": {"a": [1]},
    }
    assert call.fields == call.payload


@pytest.mark.parametrize("seed", ["7", "7.0", '"7"', "2147483647"])
def test_a_seed_is_honoured(seed: str) -> None:
    call = AIML.parse(Submit, {}, {}, b'{"model": "m", "seed": %s}' % seed.encode())
    assert isinstance(call, Submit)
    assert call.fields == call.payload
    assert "seed" in call.fields


@pytest.mark.parametrize("seed", ["-1", "4294967296", '"random"', "null", "[1]", "true", "1.5"])
def test_what_cannot_be_a_seed_is_kept_and_left_out(seed: str) -> None:
    call = AIML.parse(Submit, {}, {}, b'{"model": "m", "seed": %s}' % seed.encode())
    assert isinstance(call, Submit)
    assert "seed" in call.payload
    assert "seed" not in call.fields


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            InvalidShot("aspect_ratio", "option", "is 'x'", value="x", allowed=("16:9", "9:16", "1:1")),
            "Body validation error! aspect_ratio: Invalid enum value. Expected '16:9' | '9:16' | '1:1', received 'x'",
        ),
        (InvalidShot("prompt", "missing", "missing"), "Body validation error! prompt: Required"),
        (InvalidShot("image", "missing", "missing"), "Body validation error! image_url: Required"),
        (
            InvalidShot("cfg_scale", "range", "is 2", value=2, allowed=("0 … 1",)),
            "Body validation error! cfg_scale: is 2; allowed options: 0 … 1",
        ),
        (
            errors.UnknownModel("x"),
            "Body validation error! model: Invalid enum value. "
            "Expected one of the ids that GET /v1/models lists, received 'x'",
        ),
        (errors.InvalidCall("the body is not JSON"), "Body validation error! the body is not JSON"),
        (errors.RateLimited("slow down", limit=1, interval=1.0, retry_after=1.0), "Too Many Requests"),
        (errors.EngineError("the pipeline broke"), "internal error"),
    ],
    ids=lambda value: value.name if isinstance(value, RushesError) else "",
)
def test_errors_speak_in_the_vendors_words(error: RushesError, told: str) -> None:
    assert message(error) == told


def test_a_bad_key_and_spent_credits_begin_in_the_vendors_words() -> None:
    assert message(errors.Unauthorised()).startswith(
        "This request requires a valid API key. Send 'Authorization"
    )
    assert message(errors.OutOfCredits("spent")).startswith("You've run out of credits. ")


@pytest.mark.parametrize("call", [Cancel(ID)])
def test_a_call_without_words_is_a_mistake_of_ours(call: Call) -> None:
    with pytest.raises(TypeError, match="no call Cancel"):
        AIML.write(call)
    with pytest.raises(TypeError, match="no reply Page"):
        AIML.render(Page((), 0))


def test_a_video_whose_time_is_over_is_still_a_completed_one() -> None:
    told = body(replace(QUEUED, status=Status.SUCCESS, outcome=OUTCOME, expired=True))
    assert told["status"] == "completed"
    assert told["video"]["expired"] is True
    assert told["video"]["url"] == OUTCOME.video_url
