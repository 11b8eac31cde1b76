"""A house out of settings: ledger, store, catalogue and service, without any process around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rushes.core.card import ImageRules
from rushes.core.catalogue import Catalogue
from rushes.core.clock import SYSTEM_CLOCK
from rushes.core.keys import digest
from rushes.core.signing import Signer
from rushes.files import Files
from rushes.ledger.queue import Ledger
from rushes.media.checker import ImageChecker
from rushes.media.inputs import CheckedImage, decode_base64
from rushes.policies.panel import Panel
from rushes.service import Service, ServiceOptions
from rushes.settings import Settings
from rushes.store.objects import FolderStore
from rushes.wiring.catalogue import load_catalogue
from rushes.wiring.folder import DataFolder
from rushes.wiring.trust import make_panel

DAY = 86_400.0
DEFAULT_OWNER = "default"
"""The account of the fixed key and of the first key."""


class Images:
    """The service's and the intake's way to the image checker."""

    def __init__(self, checker: ImageChecker, catalogue: Catalogue) -> None:
        self._checker = checker
        self._catalogue = catalogue

    def decode_inline(self, text: str) -> bytes:
        return decode_base64(text)

    def check(self, data: bytes, rules: ImageRules) -> CheckedImage:
        return self._checker.check(data, rules)

    def check_for(self, data: bytes, card: str) -> CheckedImage:
        """By the rules of the card called `card`."""
        return self.check(data, self._catalogue.find(card).image)


@dataclass(frozen=True)
class House:
    settings: Settings
    folder: DataFolder
    ledger: Ledger
    store: FolderStore
    catalogue: Catalogue
    images: Images
    panel: Panel
    files: Files
    service: Service


@contextmanager
def open_ledger(settings: Settings) -> Iterator[Ledger]:
    """The ledger alone, at this version's schema."""
    DataFolder(settings.data)
    ledger = Ledger(settings.ledger, lease_seconds=settings.lease_seconds, max_failures=settings.max_failures)
    ledger.migrate()
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def open_house(settings: Settings, public_url: str | None = None) -> Iterator[House]:
    """Everything that a caller's wishes need. `public_url` replaces the settings' where the port was chosen late.
    Raises `SetupError`."""
    folder = DataFolder(settings.data)
    catalogue = load_catalogue(settings)
    store = FolderStore(folder.files)
    store.check()
    checker = ImageChecker()
    images = Images(checker, catalogue)
    fixed = {} if settings.api_key is None else {digest(settings.api_key.get_secret_value()): DEFAULT_OWNER}
    with open_ledger(settings) as ledger:
        panel = make_panel(settings, ledger)
        files = Files(
            ledger=ledger,
            store=store,
            catalogue=catalogue,
            signer=Signer(folder.secret()),
            images=images,
            clock=SYSTEM_CLOCK,
            public_url=public_url or settings.public_url,
            link_seconds=settings.link_seconds,
        )
        service = Service(
            ledger=ledger,
            store=store,
            catalogue=catalogue,
            files=files,
            images=images,
            clock=SYSTEM_CLOCK,
            options=ServiceOptions(
                start_within=settings.start_within,
                keep_for=None if settings.keep_days is None else settings.keep_days * DAY,
            ),
            fixed_keys=fixed,
            panel=panel,
        )
        try:
            yield House(settings, folder, ledger, store, catalogue, images, panel, files, service)
        finally:
            checker.stop()


def first_key(house: House) -> str | None:
    """The key that a start prints: made once, kept in the data folder. None when the operator has chosen others."""
    from rushes.core.keys import parse_key
    from rushes.wiring.folder import write_private

    path = house.folder.key_file
    if path.exists():
        text = path.read_text("ascii").strip()
        key = parse_key(text)
        record = house.ledger.find_key(key.kid) if key else None
        if record is not None:
            return None if record.revoked else text
    if house.settings.api_key is not None or house.ledger.list_keys():
        return None
    made = str(house.ledger.create_key(DEFAULT_OWNER, FIRST_KEY))
    write_private(path, made)
    return made


FIRST_KEY = "first start"


def keys_were_chosen(house: House) -> bool:
    """Whether the operator made keys himself."""
    return any(not record.revoked and record.name != FIRST_KEY for record in house.ledger.list_keys())
