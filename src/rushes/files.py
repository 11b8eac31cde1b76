"""Stored bytes as strangers reach them: links that carry their own right, and uploads.

Keys are stored, URLs are made when read. A link is signed for one method and one key, so whoever holds it may do that
and nothing else; the service hands links out, the server's file routes ask here whether one holds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from rushes.core.card import ImageRules
from rushes.core.catalogue import Catalogue
from rushes.core.clock import Clock
from rushes.core.errors import BadImage, FetchError, FileGone, InvalidShot, UnknownRequest
from rushes.core.images import UPLOAD_TYPES, image_type, upload_extension
from rushes.core.signing import Signer
from rushes.ledger.queue import Ledger
from rushes.store.base import Store, content_type

FILES = "/files/"
UPLOAD_SECONDS = 15 * 60


class CheckedImage(Protocol):
    @property
    def data(self) -> bytes: ...
    @property
    def extension(self) -> str: ...


class ImageDesk(Protocol):
    """Where strangers' images are decoded, checked and written anew. Raises `BadImage`."""

    def decode_inline(self, text: str) -> bytes: ...
    def check(self, data: bytes, rules: ImageRules) -> CheckedImage: ...


class UploadLinks(msgspec.Struct, frozen=True):
    """`put` takes the bytes once within 15 minutes; `get` is what the client then names as its image."""

    put: str
    get: str


class File(msgspec.Struct, frozen=True):
    """`content_type` of an image is what its bytes are: a client may put a PNG by the link it got for a JPEG."""

    path: Path
    content_type: str


class Files:
    """All methods block but `link`, `check_link` and `own_key`. `link_seconds` None: links work as long as the file is
    kept."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: Store,
        catalogue: Catalogue,
        signer: Signer,
        images: ImageDesk,
        clock: Clock,
        public_url: str,
        link_seconds: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._catalogue = catalogue
        self._signer = signer
        self._images = images
        self._clock = clock
        self._public_url = public_url
        self._link_seconds = link_seconds

    # -- links -------------------------------------------------------------------------------------------------

    def link(self, key: str) -> str:
        """A public URL of one stored file."""
        life = self._link_seconds
        return self._url("GET", key, 0 if life is None else self._clock.now() + life)

    def check_link(self, method: str, path: str, expires: str, signature: str) -> bool:
        return self._signer.check(method, path, expires, signature, self._clock.now())

    def own_key(self, url: str) -> str | None:
        """The store's key behind one of our own links, or None for any other URL. A right signature is enough,
        whatever the host: behind a proxy one server has many names, and nobody else can sign. Raises `FetchError`
        for a link to this very server whose signature is wrong or has run out."""
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query)
        except ValueError:
            return None
        path = unquote(parts.path)
        if not path.startswith(FILES):
            return None
        if self.check_link("GET", path, query.get("exp", [""])[0], query.get("sig", [""])[0]):
            return path.removeprefix(FILES)
        if parts.netloc == urlsplit(self._public_url).netloc:
            raise FetchError("the image's link to this server is not valid or has run out")
        return None

    def _url(self, method: str, key: str, expires: float) -> str:
        return self._public_url + self._signer.sign(method, FILES + key, expires)

    # -- bytes -------------------------------------------------------------------------------------------------

    def open(self, key: str) -> File:
        """Raises `UnknownRequest` when there is no such file, `FileGone` when its time is over."""
        try:
            self._store.head(key)
        except KeyError:
            if self._ledger.had_file(key):
                raise FileGone("this file was kept for its time and is gone") from None
            raise UnknownRequest(key) from None
        path = self._store.local_path(key)
        if path is None:
            raise UnknownRequest(key)
        return File(path, image_type(self._store.read(key, 0, 16)) or content_type(key))

    # -- uploads -----------------------------------------------------------------------------------------------

    def upload_links(self, owner: str, file_type: str) -> UploadLinks:
        extension = upload_extension(file_type)
        if extension is None:
            raise InvalidShot(
                "file_type",
                "option",
                f"'{file_type}' cannot be uploaded",
                value=file_type,
                allowed=tuple(UPLOAD_TYPES),
            )
        account = hashlib.sha256(owner.encode()).hexdigest()[:16]
        key = f"uploads/{account}/{self._clock.new_id()}.{extension}"
        put = self._url("PUT", key, self._clock.now() + UPLOAD_SECONDS)
        return UploadLinks(put, self._url("GET", key, 0))

    @property
    def upload_limit(self) -> int:
        """The bytes of the largest image that any model takes."""
        return max(card.image.max_bytes for card in self._catalogue)

    def take_upload(self, key: str, data: bytes) -> None:
        """Keep an uploaded image, written anew. The model's own limits are checked when a request names it.
        Raises `BadImage`."""
        if not data:
            raise BadImage("the upload is empty")
        rules = max((card.image for card in self._catalogue), key=lambda rules: rules.max_bytes)
        checked = self._images.check(
            data, msgspec.structs.replace(rules, min_side=1, min_ratio=1e-9, max_ratio=1e9)
        )
        self._store.put(key, checked.data)
