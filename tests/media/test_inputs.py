"""Every trap that a stranger's image can be, one by one."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from rushes.core.card import ImageRules
from rushes.core.errors import BadImage
from rushes.media.inputs import MAX_SCANS, check_image, decode_base64, load_picture

RULES = ImageRules()
RED = (200, 30, 40)


def red(mode: str = "RGB", size: tuple[int, int] = (400, 300)) -> Image.Image:
    return Image.new("RGB", size, RED).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(data: bytes, **more: Any) -> npt.NDArray[np.uint8]:
    """What a checked image looks like; it must be clean, and as large as it says."""
    checked = check_image(data, RULES)
    with Image.open(io.BytesIO(checked.data)) as image:
        assert image.mode == "RGB"
        assert image.format == {"jpg": "JPEG", "png": "PNG"}[checked.extension]
        assert not {"icc_profile", "exif", "comment", "transparency", "xmp"} & image.info.keys()
    picture = load_picture(checked.data)
    assert picture.shape == (checked.height, checked.width, 3)
    return picture


def refusal(data: bytes, rules: ImageRules = RULES) -> str:
    with pytest.raises(BadImage) as caught:
        check_image(data, rules)
    return str(caught.value)


def near(picture: npt.NDArray[np.uint8], colour: tuple[int, int, int], levels: int = 3) -> bool:
    return bool(np.abs(picture.astype(int) - colour).max() <= levels)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, body: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = png_chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + idat + png_chunk(b"IEND", b"")


# --- what is accepted, and what it becomes


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_plain_image_is_written_anew(kind: str) -> None:
    data = encoded(red(), kind)
    assert near(pixels(data), RED)
    checked = check_image(data, RULES)
    assert checked.data != data
    assert checked.extension == {"JPEG": "jpg", "PNG": "png"}[kind]


def test_a_phones_mpo_counts_as_jpeg() -> None:
    blue = Image.new("RGB", (400, 300), (0, 0, 255))
    data = encoded(red(), "MPO", save_all=True, append_images=[blue])
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
    assert near(pixels(data), RED)
    assert check_image(data, RULES).extension == "jpg"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied(kind: str, turn: int) -> None:
    upright = Image.new("RGB", (400, 320), (0, 0, 0))
    upright.paste((255, 0, 0), (0, 0, 200, 160))
    upright.paste((0, 0, 255), (200, 160, 400, 320))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    lying = upright.transpose(undo[turn]) if turn in undo else upright
    exif = Image.Exif()
    exif[0x112] = turn
    picture = pixels(encoded(lying, kind, exif=exif))
    assert picture.shape == (320, 400, 3)
    assert near(picture[20:140, 20:180], (255, 0, 0))
    assert near(picture[180:300, 220:380], (0, 0, 255))
    assert near(picture[20:140, 220:380], (0, 0, 0))


def test_the_rules_hold_for_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    assert refusal(encoded(red(size=(400, 299)), "JPEG", exif=exif)).startswith("image is 299×400:")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_ignored() -> None:
    assert near(pixels(encoded(red(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\0junk")), RED)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 400).astype(np.uint16), (300, 1))
    picture = pixels(encoded(Image.fromarray(ramp), "PNG"))
    assert np.abs(picture[0, :, 0].astype(int) - (ramp[0] >> 8)).max() <= 1


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGBA", (400, 300), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (400, 300), (255, 0, 0, 128)), (255, 127, 127)),
        (Image.new("LA", (400, 300), (0, 128)), (127, 127, 127)),
        (Image.new("1", (400, 300), 1), (255, 255, 255)),
        (Image.new("L", (400, 300), 77), (77, 77, 77)),
        (red().quantize(4), RED),
    ],
    ids=["transparent", "half", "grey half", "one bit", "grey", "palette"],
)
def test_modes_become_rgb_on_white(image: Image.Image, colour: tuple[int, int, int]) -> None:
    assert near(pixels(encoded(image, "PNG")), colour, 1)


@pytest.mark.parametrize(
    ("image", "key"),
    [(red().quantize(4), 0), (Image.new("L", (400, 300), 7), 7), (red(), RED)],
    ids=["palette", "grey", "rgb"],
)
def test_a_transparent_colour_becomes_white(image: Image.Image, key: Any) -> None:
    assert near(pixels(encoded(image, "PNG", transparency=key)), (255, 255, 255))


def test_cmyk_becomes_rgb() -> None:
    assert near(pixels(encoded(Image.new("CMYK", (400, 300), (0, 255, 255, 0)), "JPEG")), (254, 0, 0))


def test_a_colour_profile_is_applied() -> None:
    """A profile whose primaries are swapped shows at once whether anybody reads it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    for at, name in zip(tags, (b"bXYZ", b"rXYZ"), strict=True):
        profile[at : at + 4] = name
    swapped = Image.new("RGB", (400, 300), (255, 0, 0))
    assert near(pixels(encoded(swapped, "PNG", icc_profile=bytes(profile))), (0, 0, 255), 6)
    assert near(pixels(encoded(swapped, "PNG")), (255, 0, 0))


def test_a_colour_profile_is_applied_below_alpha() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    half = Image.new("RGBA", (400, 300), (255, 0, 0, 128))
    assert near(pixels(encoded(half, "PNG", icc_profile=profile)), (255, 127, 127))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_broken_profile_is_ignored(kind: str) -> None:
    assert near(pixels(encoded(red(), kind, icc_profile=b"no profile" * 50)), RED)


def test_a_profile_of_another_kind_is_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(pixels(encoded(Image.new("L", (400, 300), 77), "PNG", icc_profile=profile)), (77, 77, 77))


def test_nothing_of_the_clients_metadata_survives() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRET-TEXT")
    exif = Image.Exif()
    exif[0x010E] = "SECRET-TEXT"
    for data in (
        encoded(red(), "PNG", pnginfo=text, exif=exif),
        encoded(red(), "JPEG", comment=b"SECRET-TEXT", exif=exif),
        encoded(red(), "JPEG") + b"SECRET-TEXT behind the end",
    ):
        assert b"SECRET-TEXT" in data
        assert b"SECRET-TEXT" not in check_image(data, RULES).data


def test_a_png_that_grows_over_the_limit_becomes_a_jpeg() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (320, 320, 3), np.uint8)
    few = Image.fromarray(noise).quantize(8)
    rules = ImageRules(max_bytes=60_000)
    data = encoded(few, "PNG")
    assert len(data) <= rules.max_bytes
    assert check_image(data, rules).extension == "jpg"


# --- what is refused, and in which words


def test_limits_are_named_with_the_value() -> None:
    assert (
        refusal(encoded(red(size=(299, 400)), "PNG")) == "image is 299×400: each side must be at least 300 px"
    )
    assert refusal(encoded(red(size=(1000, 300)), "PNG")) == (
        "image is 1000×300, a ratio of 3.33:1: width to height must be between 1:2.5 and 2.5:1"
    )
    assert refusal(b"\xff\xd8" + bytes(10 * 2**20)) == "image is 10.01 MB: it must be at most 10 MB"
    own = ImageRules(max_bytes=2**19, min_side=640, min_ratio=0.5, max_ratio=2.0)
    assert refusal(bytes(2**19 + 1), own) == "image is 0.51 MB: it must be at most 0.5 MB"
    assert refusal(encoded(red(), "PNG"), own) == "image is 400×300: each side must be at least 640 px"


@pytest.mark.parametrize("size", [(300, 300), (300, 750), (750, 300)])
def test_the_limits_themselves_are_allowed(size: tuple[int, int]) -> None:
    checked = check_image(encoded(red(size=size), "PNG"), RULES)
    assert (checked.width, checked.height) == size


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_other_formats_are_refused_whatever_their_name(kind: str) -> None:
    assert refusal(encoded(red(), kind)) == "image is neither JPEG nor PNG: only these formats are accepted"


@pytest.mark.parametrize(
    "data", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe", b"\xff\xd8", b"\x89PNG", bytes(99)]
)
def test_no_image_at_all(data: bytes) -> None:
    assert refusal(data).startswith("image ")


def test_an_empty_image() -> None:
    assert refusal(b"") == "image is empty: send a JPEG or PNG"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((8000, 5001), "image has 40.01 million pixels: it must have at most 40 million"),
        ((8000, 6000), "image has 48 million pixels: it must have at most 40 million"),
        ((12_000, 9_000), "image has 108 million pixels: it must have at most 40 million"),
        ((30_000, 30_000), "image has more than 40 million pixels: at most 40 million are accepted"),
    ],
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], says: str) -> None:
    assert refusal(png_of(*size)).startswith(says)


def test_a_bomb_behind_a_small_header_is_not_inflated() -> None:
    """More picture data than the header has room for."""
    row = b"\0" + bytes(3 * 400)
    assert pixels(png_of(400, 300, row * 300 + bytes(50_000_000))).shape == (300, 400, 3)


def test_a_progressive_bomb_is_refused() -> None:
    data = encoded(red(), "JPEG", progressive=True)
    first, last = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    assert near(pixels(data), RED)
    bomb = data[:first] + data[first:last] * 120 + data[last:]
    assert (
        refusal(bomb)
        == f"image has {bomb.count(bytes((0xFF, 0xDA)))} scans: a JPEG may have at most {MAX_SCANS}"
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_a_truncated_image_is_refused(kind: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8))
    data = encoded(noise, kind)
    assert "damaged or incomplete" in refusal(data[: int(len(data) * part)])


def test_damaged_bytes_never_raise_anything_else() -> None:
    draw = np.random.default_rng(7)
    for kind in ("JPEG", "PNG"):
        good = encoded(red(), kind)
        for _ in range(60):
            data = bytearray(good)
            for at in draw.integers(0, len(data), 8):
                data[at] = draw.integers(0, 256)
            with suppress(BadImage):
                check_image(bytes(data), RULES)


def test_a_decoder_that_raises_anything_is_a_bad_image(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, says in ((RecursionError("deep"), "cannot be decoded"), (MemoryError(), "more memory")):

        def explode(image: Image.Image, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", explode)
        assert says in refusal(encoded(red(), "PNG"))


# --- inline images


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,", "data:image/png;base64,"])
def test_base64_bare_or_as_a_data_uri(prefix: str) -> None:
    assert decode_base64(prefix + base64.b64encode(b"\x89PNG...").decode()) == b"\x89PNG..."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data:image/gif;base64,R0lG", "must start with data:image/jpeg;base64,"),
        ("data:text/html,<b>", "must start with data:image/jpeg;base64,"),
        ("R0lG!R0l", "not valid Base64"),
        ("R0lGR\n0lG", "not valid Base64"),
        ("R0lGR", "not valid Base64"),
        ("ünicode", "not valid Base64"),
        ("", "image is empty"),
        ("data:image/png;base64,", "image is empty"),
    ],
)
def test_what_is_not_base64_is_a_bad_image(text: str, says: str) -> None:
    with pytest.raises(BadImage, match=says):
        decode_base64(text)


def test_a_stored_image_that_is_broken_is_a_bad_image() -> None:
    with pytest.raises(BadImage, match="the stored image cannot be read"):
        load_picture(b"no image")
