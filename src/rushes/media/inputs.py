"""A stranger's image, made harmless: recognised by its content, bounded before it is decoded, decoded in full, and
written anew, so that nothing a client sent is ever stored or served as it came.

Every refusal is a `BadImage` whose sentence names the limit and the value. `check_image` meets the worst bytes
there are: let `rushes.media.checker` run it in a process of its own.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from rushes.core.card import ImageRules
from rushes.core.errors import BadImage
from rushes.core.images import DATA_URI

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_PIXELS = 40_000_000
"""A 657 kB PNG can inflate to 617 MB; no camera's picture within 10 MB needs more than this."""
MAX_SCANS = 100
"""A progressive JPEG may ask for thousands of passes over the picture, each at full cost. Encoders write about ten."""
MEGABYTE = 2**20

_DATA_URI = re.compile(DATA_URI)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16"})


class CheckedImage(msgspec.Struct, frozen=True):
    """A clean sRGB image without metadata: `data` is a JPEG or PNG by `extension`, upright, sides in pixels."""

    data: bytes
    extension: Literal["jpg", "png"]
    width: int
    height: int


def decode_base64(text: str) -> bytes:
    """The bytes of an inline image: bare Base64 or a `data:image/jpeg|png;base64,` URI. Raises `BadImage`."""
    body = text
    if text[:5].lower() == "data:":
        start = _DATA_URI.match(text)
        if start is None:
            raise BadImage(
                "image is a data URI of another kind: it must start with data:image/jpeg;base64, or data:image/png;base64,"
            )
        body = text[start.end() :]
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage(f"image is not valid Base64 ({error}): send it in one line without spaces") from error
    if not data:
        raise BadImage("image is empty: send the Base64 of a JPEG or PNG")
    return data


def check_image(data: bytes, rules: ImageRules) -> CheckedImage:
    """Hold an image of a stranger against the rules and write it anew. Raises `BadImage`, whatever the bytes."""
    if not data:
        raise BadImage("image is empty: send a JPEG or PNG")
    if len(data) > rules.max_bytes:
        size = math.ceil(len(data) / MEGABYTE * 100) / 100
        raise BadImage(f"image is {size:g} MB: it must be at most {rules.max_bytes / MEGABYTE:g} MB")
    try:
        return _check(data, rules)
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(
            f"image has more than {_mega(MAX_PIXELS)} million pixels: at most {_mega(MAX_PIXELS)} million are accepted"
        ) from error
    except UnidentifiedImageError as error:
        raise BadImage("image is neither JPEG nor PNG: only these formats are accepted") from error
    except MemoryError as error:
        raise BadImage(
            "image needs more memory to decode than an image may take: save it anew and smaller"
        ) from error
    except Exception as error:  # on hostile bytes decoders raise anything: SyntaxError, struct.error …
        raise BadImage(f"image cannot be decoded, it is damaged or incomplete: {error}"[:200]) from error


def load_picture(data: bytes) -> npt.NDArray[np.uint8]:
    """A checked image as a (height, width, 3) RGB array. Raises `BadImage` when it is not readable."""
    import numpy as np  # here, so that the checking child does not load it

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadImage(f"the stored image cannot be read: {error}") from error


def _check(data: bytes, rules: ImageRules) -> CheckedImage:
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        # A phone's MPO is a JPEG with further pictures behind the first; the first is the photo.
        is_jpeg = image.format in ("JPEG", "MPO")
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise BadImage(
                f"image has {_mega(pixels)} million pixels: it must have at most {_mega(MAX_PIXELS)} million"
            )
        if is_jpeg and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
            raise BadImage(f"image has {scans} scans: a JPEG may have at most {MAX_SCANS}")
        turn = _orientation(image)
        width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
        _hold_to_rules(width, height, rules)
        image.load()
        picture = _to_srgb(image)
    if turn in _TURNS:
        picture = picture.transpose(_TURNS[turn])
    picture.info = {}  # Pillow would write the profile and the comment that came with it
    extension: Literal["jpg", "png"] = "jpg" if is_jpeg else "png"
    clean = _written(picture, extension)
    if len(clean) > rules.max_bytes and not is_jpeg:
        extension = "jpg"
        clean = _written(picture, extension)
    return CheckedImage(clean, extension, width, height)


def _written(picture: Image.Image, extension: Literal["jpg", "png"]) -> bytes:
    file = io.BytesIO()
    if extension == "png":
        picture.save(file, "PNG", compress_level=4)
    else:
        picture.save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def _hold_to_rules(width: int, height: int, rules: ImageRules) -> None:
    if min(width, height) < rules.min_side:
        raise BadImage(f"image is {width}×{height}: each side must be at least {rules.min_side} px")
    if not rules.min_ratio <= width / height <= rules.max_ratio:
        narrowest, widest = f"1:{1 / rules.min_ratio:g}", f"{rules.max_ratio:g}:1"
        raise BadImage(
            f"image is {width}×{height}, a ratio of {width / height:.2f}:1:"
            f" width to height must be between {narrowest} and {widest}"
        )


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  damaged EXIF says nothing about the picture: show it as it lies
        return 1
    return turn if isinstance(turn, int) else 1


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any decoded JPEG or PNG as 8-bit sRGB on white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(
        "I"
    ):  # 16-bit grey; Pillow's own conversion would clip at 255 instead of scaling
        image = image.point(lambda value: value * (1 / 256)).convert("L")
        image.info.pop("transparency", None)
    mode = "CMYK" if image.mode == "CMYK" else "L" if image.mode in _GREY_MODES else "RGB"
    alpha = _as(image, "RGBA").getchannel("A") if image.has_transparency_data else None
    picture = _as(_through_profile(_as(image, mode), profile), "RGB")
    if alpha is None:
        return picture
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=alpha)
    return white


def _as(image: Image.Image, mode: str) -> Image.Image:
    """`image` in `mode`, itself where it is so already: Pillow would copy it, and the largest has 160 MB."""
    return image if image.mode == mode else image.convert(mode)


def _through_profile(image: Image.Image, profile: Any) -> Image.Image:
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        # As browsers do: a broken profile, or one for another kind of picture, is ignored.
        return image
    return image if converted is None else converted


def _mega(pixels: int) -> str:
    return f"{math.ceil(pixels / 1e4) / 100:g}"
