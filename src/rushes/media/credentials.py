"""Content credentials: a C2PA manifest, signed with the operator's certificate, in every video and thumbnail.

The XMP mark says that a machine made the file; anybody may write or remove one. The credentials say who says so, and
that no byte has changed since. They need a certificate, so they are an extra: `pip install 'rushes[c2pa]'`.

Signing comes last, for a later byte would break it, and never touches a file that carries credentials already. In an
MP4 the manifest is one box in front of the index, whose offsets are moved along: what was made to start fast still is.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rushes.core.errors import BadOutput, SetupError
from rushes.media.provenance import SOURCE_TYPES

if TYPE_CHECKING:
    import c2pa

Algorithm = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]

FORMATS = {".mp4": "video/mp4", ".jpg": "image/jpeg"}

_ADVICE = (
    "c2pa_cert must be the chain from the signing certificate on, in PEM, allowed to sign by C2PA's rules; c2pa_key its "
    "PKCS#8 key, and c2pa_alg fit both. `rushes doctor --make-test-certificate FOLDER` makes a pair to try with."
)


class Sealer:
    """Signs files with one certificate. Any thread may call it.

    `certificate` is a PEM chain without its root, `key` PKCS#8 in PEM, `timestamps` the URL of an RFC 3161 authority
    or None. `tool` and `version` name the claim's generator. Raises `SetupError` when these cannot sign.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        algorithm: Algorithm,
        timestamps: str | None = None,
        *,
        tool: str = "Rushes",
        version: str,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._algorithm = algorithm
        self._timestamps = timestamps
        self._generator = {"name": tool, "version": version}
        self.check()

    def check(self) -> None:
        """Sign a picture of one pixel. Raises `SetupError` when certificate, key or time stamps do not serve."""
        from PIL import Image

        probe = io.BytesIO()
        Image.new("RGB", (1, 1)).save(probe, "JPEG")
        api = _library()
        try:
            self._sign(".jpg", probe, io.BytesIO(), "trainedAlgorithmicMedia", "")
        except (api.C2paError, OSError, UnicodeDecodeError) as error:
            raise SetupError(
                f"c2pa_cert {self._certificate} and c2pa_key {self._key} cannot sign: {error}", advice=_ADVICE
            ) from error

    def sign(self, path: Path, *, source: str, title: str = "") -> None:
        """Sign the MP4 or JPEG at `path`, whole or not at all. `source` is a code of IPTC's digital source types.
        Raises `BadOutput` when the file cannot carry a manifest, `SetupError` when the certificate is to blame."""
        draft = path.with_name(f".{path.name}")
        api = _library()
        try:
            with path.open("rb") as plain, draft.open("w+b") as signed:
                self._sign(path.suffix, plain, signed, source, title)
            draft.replace(path)
        except api.C2paError as error:
            self.check()
            raise BadOutput(f"{path.name} cannot be signed: {error}") from error
        finally:
            draft.unlink(missing_ok=True)

    def _sign(self, suffix: str, plain: Any, signed: Any, source: str, title: str) -> None:
        with self._signer() as signer, _library().Builder(self._manifest(source, title)) as builder:
            builder.sign(signer, FORMATS[suffix], plain, signed)

    def _signer(self) -> c2pa.Signer:
        """Read anew for every file: a renewed certificate needs no restart, and the key is not held in between."""
        api = _library()
        return api.Signer.from_info(
            api.C2paSignerInfo(
                alg=self._algorithm,
                sign_cert=self._certificate.read_text("utf-8").encode(),
                private_key=self._key.read_text("utf-8").encode(),
                ta_url=self._timestamps,  # None, never "": the library would look for an authority of that name
            )
        )

    def _manifest(self, source: str, title: str) -> str:
        created = {
            "action": "c2pa.created",
            "digitalSourceType": SOURCE_TYPES + source,
            "softwareAgent": self._generator,
        }
        return json.dumps(
            {
                "claim_generator_info": [self._generator],
                **({"title": title} if title else {}),
                "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
            }
        )


def _library() -> Any:
    """Raises `SetupError` when the extra is not installed."""
    try:
        import c2pa
    except ImportError as error:
        raise SetupError(
            f"content credentials need the library c2pa: {error}", advice="Run: pip install 'rushes[c2pa]'"
        ) from error
    return c2pa
