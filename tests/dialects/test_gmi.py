from __future__ import annotations

import math
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import strategies as st

from rushes.core import errors
from rushes.core.errors import InvalidQuery, InvalidShot, RushesError
from rushes.core.request import Status
from rushes.dialects.base import (
    Accepted,
    AttemptList,
    Attempts,
    AttemptView,
    Call,
    Cancel,
    Events,
    Get,
    Kind,
    List,
    ModelDetail,
    ModelInfo,
    ModelList,
    Models,
    Page,
    Reply,
    RequestView,
    Retry,
    Submit,
    UploadTarget,
    UploadUrl,
    WireReply,
)
from rushes.dialects.gmi import PREFIXES, Gmi
from tests.cards import catalogue
from tests.contracts.dialect import DialectContract, arrive, route_of
from tests.dialects.views import ID, OUTCOME, QUEUED, ids, infos, names, objects, times, views

GMI = Gmi()
replace = msgspec.structs.replace


attempts = st.builds(
    AttemptView,
    number=st.integers(1, 99),
    started_at=times,
    seconds=st.none() | st.floats(0, 1e6),
    phase=st.none() | names,
    ended_by=st.none() | names,
    error=st.none() | names,
    error_name=st.none() | names,
    worker=st.none() | names,
)


def carried_view(view: RequestView) -> RequestView:
    """Times lose their fraction. Phase, note, progress, place, forecast and live preview are told before the end, the outcome after a
    success, the error after any other end, where one is always told; and after the end whether the files are gone."""
    live, done = not view.status.terminal, view.status is Status.SUCCESS
    failed = view.status.terminal and not done
    return replace(
        view,
        created_at=math.floor(view.created_at),
        updated_at=math.floor(view.updated_at),
        queued_at=math.floor(view.queued_at),
        phase=view.phase if live else None,
        note=view.note if live else None,
        progress=view.progress if live else None,
        position=view.position if live else None,
        eta=view.eta if live else None,
        eta_error=view.eta_error if live else None,
        live_preview_url=view.live_preview_url if live else None,
        outcome=view.outcome if done else None,
        error=(view.error or f"the request was {view.status}") if failed else None,
        error_name=view.error_name if failed else None,
        expired=view.expired and (failed or done),
    )


def carried(reply: Reply) -> Reply:
    """A receipt names no owner, payload or end; a list of models only their ids; a parameter that is a boolean or an
    image is told as the words or the text it is sent as."""
    match reply:
        case Accepted(view):
            plain = RequestView(id=view.id, status=view.status, model=view.model)
            plain = replace(plain, warnings=view.warnings, retry_of=view.retry_of)
            whole = carried_view(view)
            times = {key: getattr(whole, key) for key in ("created_at", "updated_at", "queued_at")}
            return Accepted(replace(plain, **times))
        case RequestView():
            return carried_view(reply)
        case AttemptList():
            whole_seconds = (replace(one, started_at=math.floor(one.started_at)) for one in reply.attempts)
            return replace(reply, attempts=tuple(whole_seconds))
        case Page():
            return replace(reply, requests=tuple(carried_view(view) for view in reply.requests))
        case ModelList(models):
            return ModelList(tuple(ModelInfo(id=model.id) for model in models))
        case ModelInfo():
            return replace(reply, parameters=tuple(carried_parameter(row) for row in reply.parameters))
        case UploadTarget():
            return reply


def carried_parameter(row: Any) -> Any:
    if row.type == "boolean":
        return replace(row, type="enum", options=("on", "off"), default="on" if row.default else "off")
    return replace(row, type="string") if row.type == "image" else row


class TestGmi(DialectContract):
    dialect = GMI
    calls: ClassVar[st.SearchStrategy[Call]] = st.one_of(
        st.builds(Submit.of, names, objects),
        st.builds(Get, ids, st.integers(0, 60)),
        st.builds(Events, ids),
        st.builds(Cancel, ids),
        st.builds(Retry, ids),
        st.builds(Attempts, ids),
        st.builds(
            List,
            st.none() | names,
            st.integers(1, 100),
            st.none() | names,
            st.none() | st.sampled_from(Status),
        ),
        st.just(Models()),
        st.builds(ModelDetail, names | st.just("klingai/v2.5-turbo/pro/text-to-video")),
        st.builds(UploadUrl, names),
    )
    answers: ClassVar[st.SearchStrategy[tuple[Kind, Reply]]] = st.one_of(
        st.tuples(st.sampled_from([Submit, Retry]), st.builds(Accepted, views)),
        st.tuples(st.sampled_from([Get, Cancel]), views),
        st.tuples(st.just(Attempts), st.builds(AttemptList, ids, st.lists(attempts, max_size=3).map(tuple))),
        st.tuples(
            st.just(List),
            st.builds(Page, st.lists(views, max_size=3).map(tuple), st.integers(0, 9), st.none() | names),
        ),
        st.tuples(st.just(Models), st.builds(ModelList, st.lists(infos, max_size=3).map(tuple))),
        st.tuples(st.just(ModelDetail), infos),
        st.tuples(st.just(UploadUrl), st.builds(UploadTarget, names, names)),
    )
    carried = staticmethod(carried)
    told: ClassVar[dict[type[RushesError], tuple[int, type[RushesError]]]] = {
        errors.Unauthorised: (401, errors.Unauthorised),
        errors.OutOfCredits: (402, errors.OutOfCredits),
        errors.UnknownModel: (404, errors.UnknownModel),
        errors.UnknownRequest: (404, errors.UnknownRequest),
        errors.AlreadyEnded: (409, errors.AlreadyEnded),
        errors.NotRepeatable: (409, errors.NotRepeatable),
        errors.KeyInUse: (409, errors.KeyInUse),
        errors.KeyReused: (422, errors.KeyReused),
        errors.BodyTooLarge: (413, errors.BodyTooLarge),
        errors.InvalidCall: (400, errors.InvalidCall),
        errors.InvalidQuery: (400, errors.InvalidCall),
        errors.InvalidShot: (400, errors.InvalidCall),
        errors.RateLimited: (429, errors.RateLimited),
        errors.QueueFull: (503, errors.QueueFull),
        errors.BadImage: (400, errors.InvalidCall),
        errors.EngineError: (500, errors.BadReply),
    }


def body(reply: Reply) -> dict[str, Any]:
    return msgspec.json.decode(GMI.render(reply).body)


def refusal(error: RushesError) -> dict[str, Any]:
    return msgspec.json.decode(GMI.render_error(error, path="/", request_id="42", now=0.0).body)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_leads_to_every_call(prefix: str) -> None:
    for method, path, kind in [
        ("POST", "/requests", Submit),
        ("GET", f"/requests/{ID}", Get),
        ("GET", "/requests", List),
        ("DELETE", f"/requests/{ID}", Cancel),
        ("GET", "/models", Models),
        ("GET", "/models/klingai/v2.5-turbo/pro/text-to-video", ModelDetail),
        ("GET", "/models/klingai%2Fv2.5-turbo%2Fpro%2Ftext-to-video", ModelDetail),
        ("POST", "/upload-url", UploadUrl),
    ]:
        route, parameters = route_of(GMI, method, prefix + path)
        assert (route.kind, route.needs_key) == (kind, True)
        assert kind is not ModelDetail or parameters["id"] == "klingai/v2.5-turbo/pro/text-to-video"


def test_a_receipt_is_what_strict_clients_expect() -> None:
    assert GMI.render(Accepted(QUEUED)) == WireReply(
        200,
        b'{"request_id":"550e8400-e29b-41d4-a716-446655440000","model":"kling-v2-6","status":"queued",'
        b'"created_at":1750442925,"updated_at":1750442926,"queued_at":1750442925}',
        {"content-type": "application/json"},
    )


def test_the_outcome_is_null_until_the_end() -> None:
    assert body(QUEUED)["outcome"] is None
    running = body(replace(QUEUED, status=Status.PROCESSING, phase="render", progress=0.25))
    assert (running["outcome"], running["phase"], running["progress"]) == (None, "render", 0.25)
    assert "error" not in running


def test_a_success_begins_with_the_keys_that_clients_look_for() -> None:
    record = body(replace(QUEUED, status=Status.SUCCESS, outcome=OUTCOME))
    assert "error" not in record
    assert "error" not in record["outcome"]
    assert list(record["outcome"].items())[:3] == [
        ("video_url", OUTCOME.video_url),
        ("thumbnail_image_url", OUTCOME.thumbnail_url),
        ("media_urls", [{"id": "0", "url": OUTCOME.video_url}]),
    ]
    ours = {"seed": 7, "understood": ["eagle", "mountains"], "ignored": ["majestic"], "engine": "animatic"}
    assert record["outcome"].items() >= ours.items()


def test_a_failure_is_told_in_both_places() -> None:
    record = body(replace(QUEUED, status=Status.FAILED, error="worker lost", error_name="WorkerLost"))
    assert record["error"] == "worker lost"
    assert record["outcome"] == {"error": "worker lost", "error_name": "WorkerLost"}


def test_keys_that_the_model_does_not_know_are_told_at_once() -> None:
    receipt = body(Accepted(replace(QUEUED, warnings=("'img' is not a parameter of kling-v2-6",))))
    assert receipt["warnings"] == ["'img' is not a parameter of kling-v2-6"]


def test_the_model_detail_speaks_in_the_vendors_types() -> None:
    info = ModelInfo.of(catalogue().find("kling-v2-6"), org_id="org")
    detail = body(info)
    assert (detail["model"], detail["org_id"], detail["price_info"]) == ("kling-v2-6", "org", None)
    rows = {row["name"]: row for row in detail["parameters"]}
    assert {row["type"] for row in rows.values()} == {"string", "enum", "integer", "float"}
    assert (rows["sound"]["type"], rows["sound"]["options"], rows["sound"]["default"]) == (
        "enum",
        ["on", "off"],
        "off",
    )
    assert (rows["image"]["type"], rows["image"]["required"], rows["image"]["default"]) == (
        "string",
        False,
        None,
    )
    assert (rows["cfg_scale"]["min_value"], rows["cfg_scale"]["max_value"]) == (0.0, 1.0)
    price = body(replace(info, price=7))["price_info"]
    assert price == {"price": 7, "pricing_type": "per_request", "unit": "credit"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.UnknownModel("X"), {"error": "model X does not exist"}),
        (errors.UnknownRequest("1"), {"error": "request not found"}),
        (
            errors.OutOfCredits("the day's budget is spent"),
            {"error": "Insufficient credits. Please add more credits to your account."},
        ),
        (
            errors.RateLimited("Rate limit exceeded for model M", limit=2, interval=60.0, retry_after=29.97),
            {
                "error": "Rate limit exceeded for model M: 2 requests per 60 seconds. Retry in 29970 ms.",
                "rate_limit": {
                    "limit_type": "RPM",
                    "limit": 2,
                    "interval_seconds": 60,
                    "retry_after_ms": 29970,
                },
            },
        ),
        (
            errors.QueueFull("1000 requests wait", retry_after=30.0),
            {"error": "Upstream capacity temporarily exhausted; please retry later", "request_id": "42"},
        ),
        (
            InvalidShot("duration", "option", "is '7'", value="7", allowed=("5", "10")),
            {"error": "invalid payload parameters: duration: is '7'; allowed options: 5, 10"},
        ),
        (
            InvalidShot("prompt", "missing", "missing: this model needs it"),
            {"error": "invalid payload parameters: prompt: missing: this model needs it"},
        ),
        (errors.EngineError("the pipeline broke"), {"error": "internal error"}),
    ],
    ids=lambda value: value.name if isinstance(value, RushesError) else "",
)
def test_errors_are_the_strings_that_clients_know(error: RushesError, told: dict[str, Any]) -> None:
    assert refusal(error) == told


def test_a_rate_limit_is_learned_with_its_figures() -> None:
    error = errors.RateLimited("Rate limit exceeded for model M", limit=2, interval=60.0, retry_after=29.97)
    learned = GMI.read_error(GMI.render_error(error, path="/", request_id="42", now=0.0))
    assert isinstance(learned, errors.RateLimited)
    assert (str(learned), learned.limit, learned.interval, learned.retry_after) == (str(error), 2, 60, 29.97)


@pytest.mark.parametrize("payload", [b"", b', "payload": null', b', "payload": {}'])
def test_a_probe_without_payload_is_an_empty_payload(payload: bytes) -> None:
    call = GMI.parse(Submit, {}, {}, b'{"model": "kling-v2-6"' + payload + b"}")
    assert call == Submit("kling-v2-6", {}, {})


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b'{"payload": {}}', "model: missing"),
        (b'{"model": "", "payload": {}}', "model: missing"),
        (b'{"model": 5}', "model: must be text, not 5"),
        (b'{"model": "' + b"x" * 1_000_000 + b'"}', "model: has 1000000 characters"),
        (b'{"model": "x", "payload": [1]}', "payload: must be an object, not a list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_envelope_is_checked_by_key(sent: bytes, words: str) -> None:
    with pytest.raises(InvalidShot, match=words):
        GMI.parse(Submit, {}, {}, sent)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "9" * 5000, "٥"])
def test_a_page_has_one_to_a_hundred_requests(limit: str) -> None:
    with pytest.raises(InvalidQuery, match="allowed options: 1 … 100"):
        GMI.parse(List, {}, {"limit": limit}, b"")


def test_a_list_without_query_is_the_first_page_of_everything() -> None:
    assert GMI.parse(List, {}, {}, b"") == List(None, 50, None)
    assert GMI.parse(List, {}, {"model_id": "", "limit": "", "cursor": ""}, b"") == List(None, 50, None)


@pytest.mark.parametrize("word", ["created", "dispatched"])
def test_the_words_of_the_vendors_own_service_are_read_too(word: str) -> None:
    reply = WireReply(200, b'{"request_id":"1","model":"m","status":"%s"}' % word.encode())
    assert GMI.read(Get, reply) == RequestView(id="1", model="m", status=Status.QUEUED)


def test_a_video_named_only_among_the_media_is_found() -> None:
    reply = WireReply(
        200, b'{"request_id":"1","status":"success","outcome":{"media_urls":[{"id":"0","url":"https://v"}]}}'
    )
    view = GMI.read(Get, reply)
    assert isinstance(view, RequestView)
    assert view.outcome is not None
    assert view.outcome.video_url == "https://v"


def test_a_success_without_a_video_makes_no_sense() -> None:
    with pytest.raises(errors.BadReply, match="without a video"):
        GMI.read(Get, WireReply(200, b'{"request_id":"1","status":"success","outcome":{}}'))


def test_an_id_is_one_segment_of_the_path() -> None:
    assert GMI.write(Get("../models")).path.endswith("/requests/..%2Fmodels")
    assert arrive(GMI, GMI.write(Get(ID))) == Get(ID)


def test_a_record_whose_files_are_gone_says_so() -> None:
    done = replace(QUEUED, status=Status.SUCCESS, outcome=OUTCOME, expired=True)
    assert body(done)["outcome"]["expired"] is True
    failed = replace(QUEUED, status=Status.FAILED, error="black", expired=True)
    assert body(failed)["outcome"] == {"error": "black", "expired": True}
    assert "expired" not in body(replace(done, expired=False))["outcome"]


def test_a_status_that_is_none_is_a_bad_query() -> None:
    with pytest.raises(InvalidQuery, match="status: is 'done'; allowed options: queued, processing"):
        GMI.parse(List, {}, {"status": "done"}, b"")


def test_who_runs_the_house_alone_sees_the_workers() -> None:
    tries = AttemptList(ID, (AttemptView(number=1, worker="gpu-1"), AttemptView(number=2)))
    first, second = body(tries)["attempts"]
    assert first["worker"] == "gpu-1"
    assert "worker" not in second
