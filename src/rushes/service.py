"""The use cases: everything a caller may ask for, whichever dialect asks.

The service owns no wire format and no engine. It checks what was asked against the model's card, hands it to the
ledger, and reads back. All methods block but `draft` and `hand_in`; the
server calls them from a thread.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from rushes.core import keys
from rushes.core.audit import Stage
from rushes.core.card import Card, CheckedShot
from rushes.core.catalogue import Catalogue
from rushes.core.clock import Clock
from rushes.core.errors import (
    BadImage,
    FileGone,
    InvalidShot,
    NotRepeatable,
    Unauthorised,
    UnknownRequest,
)
from rushes.core.forecast import Glance, work
from rushes.core.images import is_url
from rushes.core.request import ID, Attempt, Forecast, Request, Status
from rushes.core.shot import MAX_SEED, Shot
from rushes.core.statistics import Statistics
from rushes.files import CheckedImage, Files, ImageDesk
from rushes.ledger.queue import Ledger, NewRequest, Page
from rushes.ledger.rows import KeyRecord
from rushes.policies.base import Case
from rushes.policies.panel import Panel
from rushes.store.base import Store

NO_FORECAST = Forecast()
LARGE_INLINE = 64 * 1024
LARGEST_PAYLOAD = 256 * 1024
LINE_SECONDS, PACES_SECONDS = 1.0, 10.0
"""How old a look at the waiting line may be, and what is known of the models' paces."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the owner whose requests are visible. An `admin` sees everybody's."""

    owner: str
    admin: bool = False

    @property
    def sees(self) -> str | None:
        """The owner to whose requests the caller is bound, as the ledger takes it."""
        return None if self.admin else self.owner


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One submission as a dialect read it: `fields` by the card's names, `payload` as it was sent. The attempts
    go on under the traceparent `trace`."""

    dialect: str
    model: str
    fields: Mapping[str, Any]
    payload: dict[str, Any]
    idempotency_key: str | None = None
    priority: int = 0
    trace: str | None = None


@dataclass(frozen=True)
class ServiceOptions:
    """In seconds; None for no bound."""

    start_within: float | None = None
    keep_for: float | None = None


class Service:
    def __init__(
        self,
        *,
        ledger: Ledger,
        store: Store,
        catalogue: Catalogue,
        files: Files,
        images: ImageDesk,
        clock: Clock,
        options: ServiceOptions,
        fixed_keys: Mapping[str, str],
        panel: Panel,
        draw_seed: Callable[[], int] = lambda: random.randrange(MAX_SEED + 1),
    ) -> None:
        """`fixed_keys` maps SHA-256 digests of keys from the settings to their owners."""
        self._ledger = ledger
        self._store = store
        self._catalogue = catalogue
        self.files = files
        self._images = images
        self._clock = clock
        self._options = options
        self._fixed_keys = dict(fixed_keys)
        self._panel = panel
        self._draw_seed = draw_seed
        self._paces = Glance(ledger.paces, clock.monotonic, PACES_SECONDS)
        self.outlook = Glance(lambda: ledger.outlook(self._paces.look()[0]), clock.monotonic, LINE_SECONDS)

    # -- who asks ----------------------------------------------------------------------------------------------

    def authenticate(self, token: str | None) -> Caller:
        """The caller behind a bearer token. Raises `Unauthorised`."""
        if owner := self._fixed_owner(token):
            return Caller(owner)
        key = _checked_key(token)
        return _caller(key, self._ledger.find_key(key.kid))

    def poll(self, token: str | None, request_id: str) -> Request:
        """What `authenticate` and `get` tell, by one look into the ledger. Raises what they raise."""
        if owner := self._fixed_owner(token):
            return self.get(Caller(owner), request_id)
        key = _checked_key(token)
        request_id = _checked_id(request_id)
        record, revision = self._ledger.look(key.kid, request_id)
        return self._ledger.get_as_of(request_id, revision, _caller(key, record).sees)

    def _fixed_owner(self, token: str | None) -> str | None:
        return self._fixed_keys.get(keys.digest(token)) if token and self._fixed_keys else None

    def is_admin(self, token: str | None) -> bool:
        """Whether an admin's key is behind a bearer token."""
        try:
            return self.authenticate(token).admin
        except Unauthorised:
            return False

    def statistics(self) -> Statistics:
        """The whole house in numbers, for its operator."""
        return self._ledger.statistics()

    # -- requests ----------------------------------------------------------------------------------------------

    def submit(self, caller: Caller, ask: Ask) -> Request:
        """Accept one shot: durable when this returns. Raises `UnknownModel`, `InvalidShot`, `Refused`
        and the limits' errors."""
        card, checked = self._checked(ask)
        new = self._new(caller, ask, card, checked)
        picture = None
        if checked.image is not None and new.image_url is None:
            picture = self._check_inline(card, checked.image)
            key = f"inputs/{new.id}.{picture.extension}"
            new = replace(new, image_key=key, payload=_without_inline(new.payload, checked.image, key))
        _check_size(new.payload)
        if new.idempotency_key is not None and new.fingerprint is not None and not self._panel.empty:
            # A call that comes again was judged when it came first, and gets the same answer.
            first = self._ledger.repeated(new.owner, new.idempotency_key, new.fingerprint)
            if first is not None:
                return first
        data = None if picture is None else picture.data
        new = replace(new, tags=self._judge(new.owner, new.model, new.id, new.shot, data))
        accepted = None
        try:
            if new.image_key is not None and picture is not None:
                self._store.put(new.image_key, picture.data)
            accepted = self._ledger.submit(new)
        finally:
            # Refused, or a repeated Idempotency-Key was answered with the first request, which has its own image.
            if new.image_key is not None and (accepted is None or accepted.id != new.id):
                self._store.delete(new.image_key)
        self.outlook.changed()
        return accepted

    def draft(self, caller: Caller, ask: Ask) -> NewRequest | None:
        """The first half of `submit` for callers who may not wait: what `hand_in` takes. None where more is to be waited
        for than the commit: an image that has to be decoded, a policy's word, a look at the models' paces. Raises
        `UnknownModel` and `InvalidShot`."""
        if not (self._panel.empty and self._paces.fresh):
            return None
        card, checked = self._checked(ask)
        if checked.image is not None and not is_url(checked.image):
            return None
        _check_size(ask.payload)
        return self._new(caller, ask, card, checked)

    def hand_in(self, drafts: Sequence[NewRequest]) -> Sequence[Future[Request]]:
        """The second half: each is durable when its future is done, or has the limits' errors there. They are done in
        their order."""
        written = self._ledger.hand_in(drafts)
        written[-1].add_done_callback(lambda _: self.outlook.changed())
        return written

    def retry(self, caller: Caller, request_id: str, idempotency_key: str | None = None) -> Request:
        """A failed or cancelled request made anew: the same shot and seed under an id of its own, one more submission of
        the same owner. Raises `UnknownRequest`, `NotRepeatable`, `FileGone` (its image), `UnknownModel`, `Refused` and
        the limits' errors."""
        old = self.get(caller, request_id)
        if old.status not in (Status.FAILED, Status.CANCELLED):
            raise NotRepeatable(old.status)
        card = self._catalogue.find(old.card)
        picture = None if old.image_key is None else self._input(old.image_key)
        new_id = self._clock.new_id()
        made = self._ledger.submit(
            NewRequest(
                id=new_id,
                owner=old.owner,
                model=old.model,
                card=card.id,
                dialect=old.dialect,
                payload=old.payload,
                shot=old.shot,
                image_key=old.image_key,
                image_url=old.image_url,
                priority=old.priority,
                cost=self._cost(card, old.shot),
                start_within=self._options.start_within,
                keep_for=self._options.keep_for,
                idempotency_key=idempotency_key,
                fingerprint=_hash(["retry", old.id]),
                retry_of=old.id,
                tags=self._judge(old.owner, old.model, new_id, old.shot, picture),
            )
        )
        self.outlook.changed()
        return made

    def get(self, caller: Caller, request_id: str) -> Request:
        """Raises `UnknownRequest`, also for another owner's."""
        return self._ledger.get(_checked_id(request_id), caller.sees)

    def attempts(self, caller: Caller, request_id: str) -> tuple[Attempt, ...]:
        """Every try at the request, the first one first. Raises `UnknownRequest`."""
        return self._ledger.attempts(self.get(caller, request_id).id)

    def forecast(self, request: Request) -> Forecast:
        """When it may end; nothing for one that has ended."""
        if request.status.terminal:
            return NO_FORECAST
        outlook, age = self.outlook.look()
        return outlook.forecast(request, age)

    def forecast_at_hand(self, request: Request) -> Forecast | None:
        """What `forecast` tells, without blocking: None when the line must be looked at first."""
        if request.status.terminal:
            return NO_FORECAST
        seen = self.outlook.at_hand()
        return None if seen is None else seen[0].forecast(request, seen[1])

    def list(
        self,
        caller: Caller,
        *,
        model: str | None = None,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        card = self._catalogue.find(model).id if model else None
        return self._ledger.list(caller.sees, card, status, limit, cursor)

    def cancel(self, caller: Caller, request_id: str) -> Request:
        """Raises `UnknownRequest`, `AlreadyEnded`."""
        by = "an operator" if caller.admin else "the client"
        ended = self._ledger.cancel(_checked_id(request_id), caller.sees, reason=f"cancelled by {by}")
        self.outlook.changed()
        return ended

    def shown_payload(self, request: Request) -> dict[str, Any]:
        """The payload as it was sent, a large inline image as a link. Only a mark that names the request's own image
        is one: a client who writes the like gets it back as written."""
        key = request.image_key
        if key is None:
            return request.payload
        mark = stored_mark(key)
        return {
            name: self.files.link(key) if value == mark else value for name, value in request.payload.items()
        }

    # -- models ------------------------------------------------------------------------------------------------

    def models(self) -> tuple[Card, ...]:
        """The same tuple as long as no reload brings other cards."""
        return self._catalogue.cards

    def model(self, model: str) -> Card:
        """Raises `UnknownModel`."""
        return self._catalogue.find(model)

    # -- the small print ---------------------------------------------------------------------------------------

    def _checked(self, ask: Ask) -> tuple[Card, CheckedShot]:
        card = self._catalogue.find(ask.model)
        return card, card.check(ask.fields, draw_seed=self._draw_seed)

    def _new(self, caller: Caller, ask: Ask, card: Card, checked: CheckedShot) -> NewRequest:
        """Without what an image sent inside the call, or a policy, adds to it."""
        url = checked.image if checked.image is not None and is_url(checked.image) else None
        return NewRequest(
            id=self._clock.new_id(),
            owner=caller.owner,
            model=ask.model,
            card=card.id,
            dialect=ask.dialect,
            payload=ask.payload,
            shot=checked.shot,
            image_url=url,
            priority=ask.priority,
            cost=self._cost(card, checked.shot),
            start_within=self._options.start_within,
            keep_for=self._options.keep_for,
            idempotency_key=ask.idempotency_key,
            fingerprint=None if ask.idempotency_key is None else _fingerprint(ask),
            trace=ask.trace,
        )

    def _check_inline(self, card: Card, text: str) -> CheckedImage:
        """An image sent inside the call is checked before it is answered. Raises `InvalidShot`."""
        try:
            return self._images.check(self._images.decode_inline(text), card.image)
        except BadImage as error:
            raise InvalidShot("image", "image", str(error).removeprefix("image ")) from error

    def _cost(self, card: Card, shot: Shot) -> float:
        """The seconds of work that the shot will likely take."""
        return work(self._paces.look()[0], card.id, shot.seconds)

    def _input(self, key: str) -> bytes:
        """The image of an earlier request. Raises `FileGone`."""
        try:
            return self._store.get(key)
        except KeyError:
            raise FileGone("the request's input image was kept for its time and is gone") from None

    def _judge(
        self, owner: str, model: str, request_id: str, shot: Shot, picture: bytes | None
    ) -> tuple[str, ...]:
        """What the policies say of the request, before anything of it is kept. Raises `Refused`."""
        case = Case(
            stage=Stage.SUBMIT,
            request_id=request_id,
            owner=owner,
            model=model,
            shot=shot,
            picture=picture,
        )
        return self._panel.judge(case)


def stored_mark(key: str) -> str:
    """What stands in a kept payload for a large inline image; read back as a link of ours."""
    return f"store:{key}"


def _without_inline(payload: dict[str, Any], text: str, key: str) -> dict[str, Any]:
    """`payload` with a large inline image replaced, so that no row carries megabytes."""
    if len(text) <= LARGE_INLINE:
        return payload
    return {name: stored_mark(key) if value == text else value for name, value in payload.items()}


def _check_size(payload: dict[str, Any]) -> None:
    """A row is read at every poll: what is kept beside the image stays small. Raises `InvalidShot`."""
    size = len(msgspec.json.encode(payload))
    if size > LARGEST_PAYLOAD:
        raise InvalidShot(
            "payload",
            "length",
            f"has {size:,} bytes besides its image, at most {LARGEST_PAYLOAD:,} are allowed",
        )


def _checked_key(token: str | None) -> keys.ApiKey:
    key = keys.parse_key(token) if token else None
    if key is None:
        raise Unauthorised
    return key


def _caller(key: keys.ApiKey, record: KeyRecord | None) -> Caller:
    """Who holds `key`, by what the ledger keeps of it."""
    if record is None or record.revoked or not keys.matches(key.secret, record.digest):
        raise Unauthorised
    return Caller(record.owner, record.admin)


_is_id = re.compile(ID).fullmatch


def _checked_id(request_id: str) -> str:
    if not _is_id(request_id):
        raise UnknownRequest(request_id)
    return request_id.lower()


def _fingerprint(ask: Ask) -> str:
    """The body's identity for idempotency: the same call in other whitespace or key order is the same."""
    return _hash([ask.dialect, ask.model, ask.payload])


def _hash(body: Sequence[Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
