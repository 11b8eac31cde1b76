"""Views to render, and strategies that draw them."""

from __future__ import annotations

from hypothesis import strategies as st

from rushes.core.request import Status
from rushes.dialects.base import ModelInfo, OutcomeView, RequestView
from tests.cards import catalogue
from tests.contracts.dialect import JSON

ID = "550e8400-e29b-41d4-a716-446655440000"

QUEUED = RequestView(
    id=ID,
    status=Status.QUEUED,
    model="kling-v2-6",
    created_at=1_750_442_925.9,
    updated_at=1_750_442_926.1,
    queued_at=1_750_442_925.9,
    org_id="org",
    user_id="ada",
    payload={"prompt": "x"},
)
OUTCOME = OutcomeView(
    video_url="https://example.com/files/1.mp4",
    thumbnail_url="https://example.com/files/1.jpg",
    preview_url="https://example.com/files/1.preview.mp4",
    width=1920,
    height=1080,
    fps=30.0,
    seconds=5.0,
    size=8_392_571,
    sound=True,
    seed=7,
    engine="animatic",
    understood=("eagle", "mountains"),
    ignored=("majestic",),
    warnings=("too dark",),
    details={"camera": "pan"},
)

names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
ids = st.uuids().map(str)
objects = st.dictionaries(st.text(max_size=5), JSON, max_size=3)
times = st.floats(0, 4e9)
counts = st.integers(0, 2**53)
words = st.lists(st.text(max_size=8), max_size=3).map(tuple)
maybe = st.none() | names

outcomes = st.builds(
    OutcomeView,
    video_url=names,
    thumbnail_url=maybe,
    preview_url=maybe,
    width=counts,
    height=counts,
    fps=st.floats(0, 240),
    seconds=st.floats(0, 60),
    size=counts,
    sound=st.booleans(),
    seed=counts,
    engine=names,
    understood=words,
    ignored=words,
    warnings=words,
    details=objects,
)


def _views(status: Status) -> st.SearchStrategy[RequestView]:
    """A success has an outcome, as the ledger promises; all else may or may not be there."""
    return st.builds(
        RequestView,
        id=ids,
        status=st.just(status),
        model=names,
        created_at=times,
        updated_at=times,
        queued_at=times,
        org_id=names,
        user_id=names,
        is_public=st.booleans(),
        payload=st.none() | objects,
        phase=maybe,
        note=maybe,
        progress=st.none() | st.floats(0, 1),
        position=st.none() | st.integers(0, 10**6),
        eta=st.none() | st.floats(0, 1e6),
        eta_error=st.none() | st.floats(0, 1e6),
        live_preview_url=st.none() | names,
        outcome=outcomes if status is Status.SUCCESS else st.none() | outcomes,
        error=maybe,
        error_name=maybe,
        warnings=words,
        expired=st.booleans(),
        retry_of=st.none() | ids,
    )


views = st.one_of([_views(status) for status in Status])
infos = st.sampled_from([ModelInfo.of(card, org_id="org") for card in catalogue()])
