"""Settings: where a value comes from, what is refused, and how the refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rushes.core.errors import SetupError
from rushes.settings import Settings
from rushes.settings.kinds import allowed, default_text
from rushes.settings.sources import variable


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "rushes.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def refused(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None) -> SetupError:
    with pytest.raises(SetupError) as caught:
        Settings.load(flags, environ=environ or {})
    return caught.value


def test_flag_beats_variable_beats_file_beats_default() -> None:
    write("port = 1003\nworkers = 3\nintake = 3\n")
    settings = Settings.load(
        {"port": "1001", "workers": None}, environ={"RUSHES_PORT": "1002", "RUSHES_WORKERS": "2"}
    )
    assert (settings.port, settings.workers, settings.intake, settings.max_failures) == (1001, 2, 3, 3)


def test_config_names_another_file() -> None:
    write("port = 1")
    assert Settings.load(config=write("port = 2", "other.toml"), environ={}).port == 2


def test_missing_config_is_refused_but_missing_default_file_is_not() -> None:
    assert Settings.load(environ={}).port == 8000
    with pytest.raises(SetupError, match=r"nowhere\.toml does not exist"):
        Settings.load(config=Path("nowhere.toml"), environ={})


def test_unreadable_file_is_named() -> None:
    write("port = ")
    assert "the settings file rushes.toml cannot be read" in str(refused())


def test_empty_variable_is_not_set() -> None:
    assert Settings.load(environ={"RUSHES_PORT": ""}).port == 8000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "abc"),
        ("port", "65536"),
        ("port", "-1"),
        ("max_body_bytes", "3"),
        ("max_body_bytes", "3 apples"),
        ("api_key", "short"),
        ("api_key", "with a blank in it"),
        ("public_url", "video.example.org"),
        ("public_url", "https://x/?a=b"),
        ("tls_cert", "/nowhere.pem"),
        ("workers", "-1"),
        ("lease_seconds", "0"),
        ("lease_seconds", "nan"),
        ("keep_days", "0"),
        ("keep_days", "inf"),
        ("keep_days", "never"),
        ("fetch_allow", "10.0.0.0/8, intranet"),
        ("fetch_allow", "10.0.0.1:70000"),
        ("fetch_allow", "10.0.0.1/8"),
        ("x264_preset", "quick"),
        ("x264_crf", "52"),
        ("log_level", "loud"),
        ("metrics", "everybody"),
        ("metrics_key", "short"),
        ("trusted_proxies", "10.0.0.0/40"),
        ("trusted_proxies", "my-proxy"),
        ("allowed_hosts", "https://video.example.org"),
        ("allowed_hosts", "video.example.org:8443"),
        ("allowed_hosts", "*"),
        ("cors_origins", "app.example.org"),
        ("cors_origins", "https://app.example.org/"),
        ("otel_endpoint", "127.0.0.1:4318"),
        ("min_free", "0"),
    ],
)
def test_a_wrong_value_is_named_with_its_source_and_what_is_allowed(name: str, text: str) -> None:
    error = refused(environ={variable(name): text})
    assert f"{name} (from {variable(name)})" in str(error)
    assert allowed(Settings.model_fields[name]) in error.advice
    assert (repr(text) in str(error)) is (name not in ("api_key", "metrics_key")), (
        "every value is shown, but not a secret"
    )


def test_the_source_may_be_flag_or_file() -> None:
    assert "port (from --port): 'x' is not allowed" in str(refused({"port": "x"}))
    write('lease_seconds = "long"')
    assert "lease_seconds (from lease_seconds in rushes.toml)" in str(refused())


def test_a_wrong_folder_does_not_hide_behind_what_is_computed_from_it() -> None:
    write("data = 7")
    assert "data (from data in rushes.toml): 7 is not allowed" in str(refused())


def test_unknown_names_are_refused_with_the_nearest() -> None:
    error = refused(environ={"RUSHES_PROT": "1"})
    assert "RUSHES_PROT names no setting" in str(error)
    assert error.advice == "Did you mean RUSHES_PORT?"
    write("leese_seconds = 3")
    assert refused().advice == "Did you mean lease_seconds?"
    write("zzz = 3")
    assert "docs/settings.md" in refused().advice


def test_other_programs_variables_are_left_alone() -> None:
    assert Settings.load(environ={"_RUSHES_COMPLETE": "x", "RUSHES_TEST_X": "1", "PORT": "1"}).port == 8000


def test_tls_needs_both_and_makes_the_address_https() -> None:
    pem = write("pem", "some.pem")
    assert "tls_cert is set but tls_key is not" in str(refused({"tls_cert": pem}))
    assert "tls_key is set but tls_cert is not" in str(refused({"tls_key": pem}))
    settings = Settings.load({"tls_cert": pem, "tls_key": pem}, environ={})
    assert settings.public_url == "https://127.0.0.1:8000"


def test_a_lease_must_outlive_three_beats() -> None:
    error = refused({"beat_seconds": "11"})
    assert "beat_seconds 11 is too long for lease_seconds 30" in str(error)


def test_what_is_computed_follows_what_is_given() -> None:
    settings = Settings.load({"data": "here", "host": "::1", "port": 9}, environ={})
    here = Path.cwd() / "here"
    assert settings.data == here
    assert settings.ledger == f"sqlite:///{here}/ledger.sqlite3"
    assert settings.cards == here / "cards"
    assert settings.public_url == "http://[::1]:9"
    assert Settings.load({"public_url": "https://video.example.org/"}, environ={}).public_url == (
        "https://video.example.org"
    )


def test_lists_come_from_text_and_from_the_file() -> None:
    write('fetch_allow = ["10.0.0.0/8", "[fd00::/8]:8080"]')
    assert Settings.load(environ={}).fetch_allow == ("10.0.0.0/8", "[fd00::/8]:8080")
    assert Settings.load({"fetch_allow": " 127.0.0.1:80 , ::1 "}, environ={}).fetch_allow == (
        "127.0.0.1:80",
        "::1",
    )


def test_forever_has_no_end() -> None:
    settings = Settings.load({"keep_days": "Forever", "start_within": "60"}, environ={})
    assert (settings.keep_days, settings.start_within, settings.link_seconds) == (None, 60.0, None)


@pytest.mark.parametrize(
    ("host", "beyond"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.2", True),
        ("video.example.org", True),
    ],
)
def test_beyond_loopback_a_key_must_be_chosen(host: str, beyond: bool) -> None:
    settings = Settings.load({"host": host}, environ={})
    assert settings.listens_beyond_loopback is beyond
    settings.require_chosen_key(keys_exist=True)
    Settings.load({"host": host, "api_key": "long-enough"}, environ={}).require_chosen_key(False)
    if beyond:
        with pytest.raises(SetupError, match="no key was chosen"):
            settings.require_chosen_key(keys_exist=False)
    else:
        settings.require_chosen_key(keys_exist=False)


def test_settings_do_not_change_and_do_not_show_secrets() -> None:
    settings = Settings.load({"api_key": "sesame-open"}, environ={})
    assert "sesame" not in repr(settings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sesame-open"
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_described_and_its_example_is_allowed(name: str, tmp_path: Path) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert field.description.endswith(".")
    assert default_text(field)
    (example,) = field.examples or ()
    pem = tmp_path / "x.pem"
    pem.touch()
    flags: dict[str, object] = {"lease_seconds": 600, name: example}
    if name.startswith(("tls_", "c2pa_")):
        pair = name.partition("_")[0]
        flags |= {f"{pair}_cert": pem, f"{pair}_key": pem} | (
            {name: example} if name[-4:] in ("_alg", "_tsa") else {}
        )
    if name == "ca_file":
        flags[name] = pem
    if name == "policy_options":
        flags["policies"] = "blocklist"
    settings = Settings.load(flags, environ={})
    assert getattr(settings, name) != field.default


def test_signing_needs_certificate_and_key(tmp_path: Path) -> None:
    (tmp_path / "x.pem").touch()
    assert "c2pa_cert is set but c2pa_key is not" in str(refused({"c2pa_cert": str(tmp_path / "x.pem")}))


def test_options_of_policies_come_from_the_file_or_as_json() -> None:
    write('policies = ["blocklist"]\n[policy_options.blocklist]\nfile = "/words"\n')
    assert Settings.load(environ={}).policy_options == {"blocklist": {"file": "/words"}}
    given = Settings.load({"policy_options": '{"blocklist": {"tag": "odd"}}'}, environ={})
    assert given.policy_options == {"blocklist": {"tag": "odd"}}
    assert "it is not JSON" in str(refused({"policy_options": "{tag"}))
    assert "table for looks, which policies does not name" in str(
        refused({"policy_options": '{"looks": {}}'})
    )


def test_settings_with_options_cross_to_the_worker_as_json() -> None:
    write('policies = ["blocklist"]\n[policy_options.blocklist]\nfile = "/words"\n')
    settings = Settings.load(environ={})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
