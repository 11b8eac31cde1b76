"""Every request and response of the vendors' pages through the codecs and the cards, with no server between."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rushes.core.errors import InvalidCall, RushesError, UnknownModel
from rushes.core.parameter import Parameter
from rushes.core.request import Status
from rushes.core.shot import Shot
from rushes.dialects.base import (
    Accepted,
    ModelDetail,
    ModelInfo,
    ModelList,
    Models,
    RequestView,
    Submit,
    WireReply,
)
from tests.cards import catalogue
from tests.contracts.dialect import route_of
from tests.wire.transcripts import DIALECTS, Exchange, Row, Transcript, exchanges, transcripts

PAGES = transcripts()
REPLAYED = [
    pytest.param(page, exchange, id=f"{page.page}: {exchange.name}") for page, exchange in exchanges()
]
ANSWERED = [case for case in REPLAYED if case.values[1].response.body is not None]


def parse(page: Transcript, exchange: Exchange) -> Any:
    dialect, ask = DIALECTS[page.dialect], exchange.request
    route, parameters = route_of(dialect, ask.method, ask.path)
    assert route.kind is exchange.call
    return dialect.parse(route.kind, parameters, ask.query, ask.sent)


def test_all_five_pages_are_here() -> None:
    assert {page.model for page in PAGES} == {card.id for card in catalogue()}


@pytest.mark.parametrize(("page", "exchange"), REPLAYED)
def test_a_request_of_the_page_is_understood(page: Transcript, exchange: Exchange) -> None:
    call = parse(page, exchange)
    assert isinstance(call, exchange.call)
    if isinstance(call, Submit):
        checked = catalogue().find(call.model).check(call.fields, draw_seed=lambda: 7)
        assert checked.shot == Shot(seed=7, **exchange.shot)
        assert checked.ignored == ()
    if isinstance(call, ModelDetail) and exchange.response.status == 404:
        with pytest.raises(UnknownModel):
            catalogue().find(call.id)
    elif isinstance(call, ModelDetail):
        assert catalogue().find(call.id).id == page.model


@pytest.mark.parametrize(("page", "exchange"), ANSWERED)
def test_an_answer_of_the_page_is_read_and_is_what_we_say(page: Transcript, exchange: Exchange) -> None:
    dialect, told = DIALECTS[page.dialect], exchange.response.body
    assert told is not None
    theirs = WireReply(exchange.response.status, msgspec.json.encode(told))
    if theirs.status >= 400:
        error = dialect.read_error(theirs)
        ours = dialect.render_error(error, path=exchange.request.path, request_id="1", now=0.0)
        assert (ours.status, msgspec.json.decode(ours.body)) == (theirs.status, told)
        return
    reply = dialect.read(exchange.call, theirs)
    assert isinstance(reply, Accepted | RequestView | ModelList)
    ours = dialect.render(reply)
    assert ours.status == theirs.status == 200
    assert contains(msgspec.json.decode(ours.body), told)
    if isinstance(reply, RequestView):
        assert told["status"] in page.statuses


def contains(ours: Any, theirs: Any) -> bool:
    """All of `theirs` is in `ours`, which may hold further keys."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(
            key in ours and contains(ours[key], theirs[key]) for key in theirs
        )
    return bool(ours == theirs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.page)
def test_our_status_words_are_those_of_the_page(page: Transcript) -> None:
    dialect = DIALECTS[page.dialect]
    words = {
        msgspec.json.decode(dialect.render(Accepted(RequestView(id="1", status=status))).body)["status"]
        for status in Status
    }
    assert words == set(page.statuses)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.page)
def test_the_card_is_the_pages_table_but_for_its_errata(page: Transcript) -> None:
    card = catalogue().find(page.model)
    for row in page.table:
        parameter = next(parameter for parameter in card.parameters if row.name in parameter.keys)
        if differs(row, parameter):
            assert parameter.erratum, f"{row.name} differs from the page, and the card does not say why"


def differs(row: Row, parameter: Parameter) -> bool:
    return (
        row.name != parameter.name
        or row.required != parameter.required
        or (row.default is not None and row.default != parameter.default)
        or row.options != parameter.options
        or (
            row.max_value is not None
            and (row.min_value or 0, row.max_value) != (parameter.min_value, parameter.max_value)
        )
        or (parameter.type != "image" and row.max_length != parameter.max_length)
        or row.step is not None
    )


@pytest.mark.parametrize(
    "sample", [sample for page in PAGES for sample in page.unreadable], ids=["quotes", "comma"]
)
def test_a_sample_that_is_not_json_is_refused_in_plain_words(sample: str) -> None:
    gmi = DIALECTS["gmi"]
    with pytest.raises(InvalidCall, match="the body is not JSON") as refusal:
        gmi.parse(Submit, {}, {}, sample.encode())
    error: RushesError = refusal.value
    assert gmi.render_error(error, path="/", request_id="1", now=0.0).status == 400


def test_the_models_of_a_page_are_ours() -> None:
    ids = [card.id for card in catalogue()]
    listed = DIALECTS["gmi"].render(ModelList(tuple(ModelInfo.of(card) for card in catalogue())))
    read = DIALECTS["gmi"].read(Models, listed)
    assert read == ModelList(tuple(ModelInfo(id=model) for model in ids))
