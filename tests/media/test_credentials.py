"""Content credentials: read back by C2PA's own reader, broken by one byte, and no harm to what plays."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from rushes.core.errors import BadOutput, SetupError
from rushes.media.certificates import TrialCertificate, make_test_certificate
from rushes.media.credentials import Sealer
from rushes.media.inspect import inspect
from rushes.media.provenance import boxes, is_signed, mark_image, mark_video, read_mark
from tests.media.clips import FPS, HEIGHT, WIDTH, tone, write_clip

SOURCE = "algorithmicMedia"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TrialCertificate:
    return make_test_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def sealer(certificate: TrialCertificate) -> Sealer:
    return Sealer(certificate.chain, certificate.key, "es256", version="1.2")


def trusting(certificate: TrialCertificate) -> c2pa.Context:
    """A reader's settings in which our root is one of those that are believed."""
    return c2pa.Context.from_dict(
        {"trust": {"trust_anchors": certificate.root.read_text()}, "verify": {"verify_trust": True}}
    )


def clip(folder: Path) -> Path:
    path = write_clip(folder / "a.mp4", audio=tone(1.0))
    mark_video(path, source=SOURCE, title="kling-v2-6")
    return path


def still(folder: Path) -> Path:
    path = folder / "a.jpg"
    Image.effect_noise((64, 48), 50).convert("RGB").save(path, "JPEG")
    mark_image(path, source=SOURCE)
    return path


def validated(path: Path, certificate: TrialCertificate) -> tuple[str, list[str]]:
    """The reader's word on the file, and the codes of what failed."""
    with c2pa.Reader(str(path), context=trusting(certificate)) as reader:
        results: Any = reader.get_validation_results()
        failed = [entry["code"] for entry in results["activeManifest"]["failure"]]
        return str(reader.get_validation_state()), failed


@pytest.mark.parametrize("make", [clip, still], ids=["video", "thumbnail"])
def test_what_is_signed_reads_back_whole_and_trusted(
    tmp_path: Path, sealer: Sealer, certificate: TrialCertificate, make: Any
) -> None:
    path = make(tmp_path)
    sealer.sign(path, source=SOURCE, title="a boat")
    assert validated(path, certificate) == ("Trusted", [])
    with c2pa.Reader(str(path)) as reader:
        manifest: Any = reader.get_active_manifest()
    assert manifest["title"] == "a boat"
    generator = manifest["claim_generator_info"][0]
    assert (generator["name"], generator["version"]) == ("Rushes", "1.2")
    (actions,) = [
        a["data"]["actions"] for a in manifest["assertions"] if a["label"].startswith("c2pa.actions")
    ]
    assert [(action["action"], action["digitalSourceType"]) for action in actions] == [
        ("c2pa.created", f"http://cv.iptc.org/newscodes/digitalsourcetype/{SOURCE}")
    ]
    assert manifest["signature_info"]["common_name"] == "Rushes test signer"
    assert read_mark(path) is not None, "the XMP mark is still there"


@pytest.mark.parametrize(
    ("make", "broken"),
    [(clip, "assertion.bmffHash.mismatch"), (still, "assertion.dataHash.mismatch")],
    ids=["video", "thumbnail"],
)
def test_one_flipped_byte_breaks_them(
    tmp_path: Path, sealer: Sealer, certificate: TrialCertificate, make: Any, broken: str
) -> None:
    path = make(tmp_path)
    sealer.sign(path, source=SOURCE)
    data = bytearray(path.read_bytes())
    if path.suffix == ".mp4":
        with path.open("rb") as file:
            media = next(box for box in boxes(file) if box.kind == b"mdat")
        place = media.start + media.size // 2
    else:
        place = len(data) - 100
    data[place] ^= 1
    path.write_bytes(data)
    state, failed = validated(path, certificate)
    assert state == "Invalid"
    assert broken in failed


def test_a_signed_clip_plays_as_before_and_starts_as_fast(tmp_path: Path, sealer: Sealer) -> None:
    path = clip(tmp_path)
    asked = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FPS, "sound": True}
    before = inspect(path, **asked).measured
    sealer.sign(path, source=SOURCE)
    after = inspect(path, **asked).measured
    assert before.pop("size") < after.pop("size")
    assert before == after
    with path.open("rb") as file:
        kinds = [box.kind for box in boxes(file)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert is_signed(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"], "no draft is left"


def test_a_signed_clip_is_never_marked(tmp_path: Path, sealer: Sealer) -> None:
    path = write_clip(tmp_path / "a.mp4")
    sealer.sign(path, source=SOURCE)
    signed = path.read_bytes()
    assert not mark_video(path, source="trainedAlgorithmicMedia")
    assert path.read_bytes() == signed


def test_a_file_that_cannot_carry_a_manifest_is_bad_output_and_stays(tmp_path: Path, sealer: Sealer) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(BadOutput, match=r"a\.mp4 cannot be signed"):
        sealer.sign(path, source=SOURCE)
    assert path.read_bytes() == b"no video at all"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_certificate_that_goes_bad_is_the_operators_trouble(tmp_path: Path) -> None:
    made = make_test_certificate(tmp_path / "own")
    sealer = Sealer(made.chain, made.key, "es256", version="1")
    made.key.write_text("gone")
    path = still(tmp_path)
    before = path.read_bytes()
    with pytest.raises(SetupError, match="cannot sign"):
        sealer.sign(path, source=SOURCE)
    assert path.read_bytes() == before


def test_a_pair_that_does_not_fit_stops_the_start(tmp_path: Path, certificate: TrialCertificate) -> None:
    other = make_test_certificate(tmp_path)
    with pytest.raises(SetupError, match="cannot sign") as refused:
        Sealer(certificate.chain, other.key, "es256", version="1")
    assert "--make-test-certificate" in refused.value.advice
    with pytest.raises(SetupError, match="cannot sign"):
        Sealer(certificate.root, certificate.key, "es256", version="1")


def test_the_key_is_private_and_no_file_is_written_over(tmp_path: Path) -> None:
    made = make_test_certificate(tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    key = made.key.read_bytes()
    with pytest.raises(SetupError, match="cannot be written"):
        make_test_certificate(tmp_path)
    assert made.key.read_bytes() == key
