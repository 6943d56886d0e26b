"""Pure: settings from the three sources, their checks and their sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import SecretStr

from service.breaker.settings import Mode
from service.command_line import serve
from service.config import Config, ConfigError
from service.keys import digest_of
from service.setting_sources import SECRETS

KEY = "a key that is long enough"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*Config.model_fields, *(f"{secret}_FILE" for secret in SECRETS)):
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_the_contract() -> None:
    config = Config.load()
    assert (config.host, config.port) == ("127.0.0.1", 3000)
    assert (config.min_workers, config.max_workers, config.max_tasks_per_worker) == (2, 10, 100)
    assert (config.worker_idle_ms, config.ytdlp_timeout, config.ytdlp_max_buffer) == (
        120_000,
        25_000,
        10_485_760,
    )
    assert (config.cb_failure_threshold, config.cb_volume_threshold) == (5, 10)
    assert (config.cb_success_threshold, config.cb_cooldown_ms) == (2, 60_000)
    assert (config.rate_limit_window_ms, config.rate_limit_max_requests) == (60_000, 20)
    assert (config.queue_max, config.shutdown_grace_ms, config.require_auth) == (100, 10_000, False)
    assert (config.job_timeout, config.worker_idle, config.cooldown, config.shutdown_grace) == (
        25,
        120,
        60,
        10,
    )


def test_the_command_line_wins_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text("port = 1\nmin_workers = 3\nmax_workers = 4\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("MIN_WORKERS", "4")
    config = Config.load(file=file, port="5")
    assert (config.port, config.min_workers, config.max_workers) == (5, 4, 4)


def test_a_prefix_tells_a_setting_from_other_programs_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "x86_64-conda-linux-gnu")
    monkeypatch.setenv("YTDLPD_HOST", "127.0.0.2")
    monkeypatch.setenv("YTDLPD_ADMIN_KEY", KEY)
    monkeypatch.setenv("YTDLPD_MAX_WORKERS", "")
    config = Config.load()
    assert (config.host, config.max_workers) == ("127.0.0.2", 10)
    assert config.admin_key == SecretStr(KEY)


def test_the_port_that_kubernetes_tells_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTDLPD_PORT", "tcp://10.0.0.1:3000")
    assert Config.load(file=None).port == 3000


def test_a_file_env_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "# ours\nexport PORT='1'\nYTDLPD_MAX_WORKERS=4\nAPP_NAME=theirs\nQUEUE_MAX=\n"
    )
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("MIN_WORKERS", "")
    config = Config.load()
    assert (config.port, config.max_workers, config.queue_max) == (2, 4, 100)
    (tmp_path / ".env").write_text("ADMINKEY=x\n")
    with pytest.raises(ConfigError, match="did you mean ADMIN_KEY"):
        Config.load()


def test_lists_are_comma_separated_or_toml_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8", "::1"]\n')
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, chrome-extension://abc,")
    config = Config.load(file=file)
    assert config.allowed_origins == ("https://a.example", "chrome-extension://abc")
    assert [str(network) for network in config.trusted_networks] == ["10.0.0.0/8", "::1/128"]


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = Config.load()
    for name in (*Config.model_fields, *(f"{secret}_FILE" for secret in SECRETS)):
        monkeypatch.setenv(name.upper(), "")
    assert Config.load() == unset
    assert Config.load(api_key="", egress_proxy="").api_key is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"port": "eighty"}, "PORT: it is not a whole number"),
        ({"port": "70000"}, "PORT: it must be at most 65535"),
        ({"require_auth": "perhaps"}, "REQUIRE_AUTH: it is neither true nor false"),
        ({"scaling": "fixed:x"}, "SCALING: it is neither auto nor fixed:N"),
        ({"sites": "vimeo"}, "SITES: it must be 'any' or 'youtube'"),
        ({"shutdown_grace_ms": str(10**18)}, "SHUTDOWN_GRACE_MS: it must be at most 86400000"),
        (
            {"keys": {"alice": {"hash": "0" * 64, "teir": 1}}},
            "KEYS.ALICE.TEIR is not a setting of a key",
        ),
        ({"allowed_origins": "example.com"}, "ALLOWED_ORIGINS: 'example.com' is not an origin"),
        ({"otel_exporter_otlp_endpoint": "foo"}, "OTEL_EXPORTER_OTLP_ENDPOINT must look like"),
        ({"webhook_url": "https://hooks.test:abc/"}, "WEBHOOK_URL must look like"),
        ({"min_workers": "5", "max_workers": "4"}, "MIN_WORKERS (5) is over MAX_WORKERS (4)"),
        ({"cb_failure_threshold": "11"}, "CB_FAILURE_THRESHOLD is over CB_VOLUME_THRESHOLD"),
        ({"require_auth": "true"}, "set API_KEY"),
        ({"egress_proxy": "localhost:3128"}, "EGRESS_PROXY must look like http://host:port"),
        ({"egress_proxy": "http://proxy:abc"}, "EGRESS_PROXY must look like http://host:port"),
        ({"webhook_url": "https://hook.example:99999/"}, "WEBHOOK_URL must look like https://host/path"),
        ({"shutdown_grace_ms": "100000000000000"}, "SHUTDOWN_GRACE_MS: "),
        ({"admin_key": "1"}, "ADMIN_KEY is easily guessed"),
        ({"admin_key": "a" * 32}, "ADMIN_KEY is easily guessed"),
        ({"api_key": KEY, "admin_key": KEY}, "API_KEY and ADMIN_KEY are the same key"),
        ({"allowed_hosts": "http://tv.lan"}, "ALLOWED_HOSTS: 'http://tv.lan' is not a host"),
        ({"allowed_hosts": "tv.lan:80"}, "ALLOWED_HOSTS: 'tv.lan:80' is not a host"),
        ({"allowed_hosts": "*"}, "ALLOWED_HOSTS: '*' is not a host"),
        ({"egress_ca_file": "/nowhere.pem"}, "EGRESS_CA_FILE /nowhere.pem does not exist"),
        ({"sidecars": "127.0.0.1"}, "SIDECARS: '127.0.0.1' must look like 127.0.0.1:4416"),
        ({"sidecars": "pot.lan:80,10.0.0.0/8"}, "SIDECARS: '10.0.0.0/8' must look like"),
        ({"sidecars": "http://127.0.0.1:4416"}, "SIDECARS: 'http://127.0.0.1:4416' must look like"),
        ({"plugin_dir": "/nowhere"}, "PLUGIN_DIR /nowhere is not a directory"),
        ({"trusted_proxies": "10.0.0.0/8,friend"}, "'friend' is not an address or a network"),
        ({"log_level": "loud"}, "LOG_LEVEL: "),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=r".") as info:
        Config.load(file=None, **given)
    assert sentence in str(info.value)
    assert "\n" not in str(info.value)


def test_each_wrong_setting_gets_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("QUEUE_MAX", "-1")
    with pytest.raises(ConfigError) as info:
        Config.load()
    assert [line.partition(":")[0] for line in str(info.value).splitlines()] == ["PORT", "QUEUE_MAX"]


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text("max_worker = 4\n")
    with pytest.raises(ConfigError, match="MAX_WORKER is not a setting; did you mean MAX_WORKERS"):
        Config.load(file=file)


def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Config.load(file=tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("port = = 1")
    with pytest.raises(ConfigError, match="not valid TOML"):
        Config.load(file=broken)
    with pytest.raises(ConfigError, match="is a directory; name the file"):
        Config.load(file=tmp_path)


def test_secrets_are_masked_for_people() -> None:
    config = Config.load(
        api_key="k-1", admin_key="k-2 of an administrator", egress_proxy="http://user:word@proxy.example:3128"
    )
    text = repr(config.masked()) + repr(config.api_key) + repr(config.admin_key)
    assert not any(secret in text for secret in ("k-1", "k-2 of an administrator", "word"))
    assert config.masked()["egress_proxy"] == "http://***@proxy.example:3128"


def test_two_owners_have_two_keys(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    digest = digest_of(KEY).hex()
    file.write_text(f'[keys.alice]\nhash = "{digest}"\n[keys.bob]\nhash = "{digest.upper()}"\n')
    with pytest.raises(ConfigError, match=r"\[keys.alice\] and \[keys.bob\] are the same key"):
        Config.load(file=file)
    file.write_text(f'admin_key = "{KEY}"\n[keys.alice]\nhash = "{digest}"\n')
    with pytest.raises(ConfigError, match="the same key") as info:
        Config.load(file=file)
    assert KEY not in str(info.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ADMINKEY", "ADMIN_KEY"),
        ("ADMIN_KEYS", "ADMIN_KEY"),
        ("admin_kye", "ADMIN_KEY"),
        ("API_KEYS", "API_KEY"),
        ("REQUIRED_AUTH", "REQUIRE_AUTH"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("ADMIN_KEYFILE", "ADMIN_KEY_FILE"),
        ("YTDLPD_ADMINKEY", "ADMIN_KEY"),
    ],
)
def test_a_mistyped_variable_is_refused(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigError) as info:
        Config.load()
    assert str(info.value) == f"{name.upper()} in the environment is not a setting; did you mean {meant}?"


@pytest.mark.parametrize(
    "name",
    [
        *("HOSTNAME", "HOSTS", "KEY", "APP_KEY", "GEMINI_API_KEY", "WEB_MAX_WORKERS", "HTTP_PROXY"),
        *("SENTRY_RELEASE", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "YTDLPD_CONFIG"),
    ],
)
def test_the_variables_of_others_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    Config.load()


@pytest.mark.parametrize("name", ["KEYS", "SITE"])
def test_a_variable_that_is_no_table_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "foo")
    with pytest.raises(ConfigError, match=rf"^{name}: a table") as info:
        Config.load()
    assert "file" not in str(info.value)


@pytest.mark.parametrize(("written", "level"), [("INFO", "info"), ("warn", "warning"), ("Error", "error")])
def test_a_level_may_be_written_as_elsewhere(written: str, level: str) -> None:
    assert Config.load(log_level=written).log_level == level


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *(("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.0.0.1, ::1", True)),
        *(("0.0.0.0", False), ("::", False), ("127.0.0.1,10.0.0.1", False), ("ytdlpd.lan", False)),
    ],
)
def test_loopback_alone(host: str, alone: bool) -> None:
    assert Config.load(host=host).loopback_only is alone


# Secrets


def test_every_secret_is_listed() -> None:
    typed = {name for name, field in Config.model_fields.items() if SecretStr in get_args(field.annotation)}
    assert set(SECRETS) == typed | {"egress_proxy"}  # which has credentials


VALUES = {
    "webhook_url": "https://hooks.test/x",
    "egress_proxy": "http://user:word@proxy.example:3128",
    "cluster_url": "redis://user:word@cache.example",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {name: VALUES.get(name, KEY)}
    secret, settings = tmp_path / "secret", tmp_path / "ytdlpd.toml"
    secret.write_text(f"{given[name]}\n")
    settings.write_text(f'{name}_file = "{secret}"\n')
    expected = Config(**given)
    given = {f"{name}_file": str(secret)}
    assert Config.load(file=settings) == Config.load(**given) == expected
    monkeypatch.setenv(f"{name.upper()}_FILE", str(secret))
    assert Config.load() == expected


def test_a_source_that_wins_does_so_with_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, settings = tmp_path / "secret", tmp_path / "ytdlpd.toml"
    secret.write_text(KEY)
    settings.write_text('admin_key = "another key of an admin"\n')
    monkeypatch.setenv("ADMIN_KEY_FILE", str(secret))
    admin = Config.load(file=settings).admin_key
    assert admin is not None
    assert admin.get_secret_value() == KEY
    monkeypatch.setenv("ADMIN_KEY", KEY)
    with pytest.raises(ConfigError, match="ADMIN_KEY and ADMIN_KEY_FILE are both set"):
        Config.load()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"\xff", "is not text"), (b"x" * 70_000, "is too long")],
)
def test_a_file_without_a_secret_is_named(content: bytes, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as info:
        Config.load(admin_key_file=str(file))
    assert str(info.value).startswith(f"ADMIN_KEY_FILE: {file} {sentence}")
    with pytest.raises(ConfigError, match="ADMIN_KEY_FILE: /nowhere cannot be read: No such file"):
        Config.load(admin_key_file="/nowhere")


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_taken_from_the_command_line(name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(click.UsageError) as info:
        serve.make_context("serve", [flag, "http://user:word@proxy.example"])
    assert f"{name.upper()}_FILE in the environment, or give {flag}-file" in info.value.message
    assert "word" not in info.value.message
    assert serve.make_context("serve", [f"{flag}-file", "x"]).params[f"{name}_file"] == "x"


def test_the_address_of_a_proxy_is_no_secret() -> None:
    context = serve.make_context("serve", ["--egress-proxy", "http://proxy.example:3128"])
    assert context.params["egress_proxy"] == "http://proxy.example:3128"


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config.load().port = 1


def test_a_site_may_have_a_breaker_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(
        'cb_cooldown_ms = 5000\n[site."example.com"]\nprobes = 1\nmode = "METRICS_ONLY"\nconcurrency = 3\n'
    )
    config = Config.load(file=file)
    assert (config.site_limit("example.com"), config.site_limit("other.example")) == (3, None)
    breaker = config.site_breakers["example.com"]
    assert (breaker.probes, breaker.mode, breaker.cooldown) == (1, Mode.METRICS_ONLY, 5)
    assert config.breaker.probes != 1


def test_a_table_may_be_for_all_sites(tmp_path: Path) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(
        '[site."*"]\nconcurrency = 4\nslow_after = 9.0\nprobes = 1\n[site."example.com"]\nprobes = 3\n'
    )
    config = Config.load(file=file)
    assert (config.site_limit("example.com"), config.site_limit("other.example")) == (4, 4)
    assert (config.breaker.slow_after, config.breaker.probes) == (9.0, 1)
    assert set(config.site_breakers) == {"example.com"}
    breaker = config.site_breakers["example.com"]
    assert (breaker.slow_after, breaker.probes) == (9.0, 3)


@pytest.mark.parametrize(("timeout", "slow_after"), [(5_000, 15.0), (25_000, 15.0), (100_000, 60.0)])
def test_a_call_is_slow_by_default_that_takes_most_of_a_request(timeout: int, slow_after: float) -> None:
    assert Config.load(ytdlp_timeout=timeout).breaker.slow_after == slow_after


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('[site."*"]\nprobe = 1', "probe is not a setting of a site; there are concurrency, cooldown,"),
        ('[site."www.example.com"]\nprobes = 1', "write its domain"),
        (
            '[site."example.com"]\nprobe = 1',
            "probe is not a setting of a site; there are concurrency, cooldown,",
        ),
        ('[site."example.com"]\nprobes = 0', "probes must be at least 1"),
        ('[site."example.com"]\nprobes = "many"', "probes "),
        ('[site."example.com"]\nmode = "ODD"', "mode "),
        ('[site."example.com"]\nconcurrency = 0', "concurrency must be"),
        ('[site."example.com"]\nconcurrency = "2"', "concurrency must be"),
    ],
)
def test_a_site_table_that_is_wrong_is_named(tmp_path: Path, table: str, sentence: str) -> None:
    file = tmp_path / "ytdlpd.toml"
    file.write_text(table)
    with pytest.raises(ConfigError) as info:
        Config.load(file=file)
    assert sentence in str(info.value)
    assert "\n" not in str(info.value)
