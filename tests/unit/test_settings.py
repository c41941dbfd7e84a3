"""Settings: where each value comes from, and one clear line a fault."""

import pytest

from fsapp.errors import SettingsError
from fsapp.settings import Settings, load, split_address


@pytest.fixture
def file(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "fsapp.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


def _faults(path=None, environ=None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    return caught.value.faults


def test_defaults_without_file_and_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Settings()


def test_the_environment_wins_over_the_file(file):
    path = file('listen = "127.0.0.1:1"\nmax_visits = 7\n')
    settings = load(path, {"FSAPP_LISTEN": "[::1]:2", "FSAPP_LOG_JSON": "true"})
    assert (settings.listen, settings.max_visits, settings.log_json) == ("[::1]:2", 7, True)


def test_the_environment_names_the_file(file):
    assert load(environ={"FSAPP_CONFIG": str(file("max_visits = 7\n"))}).max_visits == 7


def test_the_file_of_the_place_we_are_in_is_found(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "fsapp.toml").write_text("max_visits = 9\n")
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).max_visits == 9


def test_every_fault_at_once_with_where_it_stands(file):
    path = file('max_visits = 0\nlisten = "nowhere"\ncolour = "red"\n')
    faults = _faults(path, {"FSAPP_REDIS_URL": "http://x"})
    expected = [("FSAPP_REDIS_URL", "redis://127"), (str(path), "colour", "is no setting"),
                (str(path), "listen", "HOST:PORT"), (str(path), "max_visits")]
    for parts in expected:
        assert [line for line in faults if all(part in line for part in parts)], parts
    assert len(faults) == len(expected)
    assert not any("\n" in line for line in faults)


@pytest.mark.parametrize("url", ["redis://127.0.0.1/one", "redis://127.0.0.1:6379/0x", "rediss://127.0.0.1/0,1"])
def test_a_database_that_is_no_number_is_refused(url):
    (fault,) = _faults(environ={"FSAPP_REDIS_URL": url})
    assert "FSAPP_REDIS_URL: redis_url: not a Redis address" in fault


def test_a_password_that_would_be_taken_for_the_host_is_refused_and_not_shown():
    (fault,) = _faults(environ={"FSAPP_DATABASE_URL": "postgresql://fsapp:se@cret@127.0.0.1/fsapp"})
    assert "FSAPP_DATABASE_URL: database_url: an @ in user or password is written %40" in fault and "cret" not in fault
    assert load(environ={"FSAPP_DATABASE_URL": "postgresql://fsapp:se%40cret@127.0.0.1/fsapp"}).database_url


@pytest.mark.parametrize("url", ["redis://127.0.0.1", "redis://:secret@127.0.0.1:6379/12", "unix:///run/redis.sock?db=1"])
def test_redis_addresses_that_are_good(url):
    assert load(environ={"FSAPP_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(("text", "said"), [
    ("a = ", "not TOML"), (b"\xff\xfe", "not TOML"), ("a\t\x01", "not TOML"),
    ("max_visits = " + "1" * 5000, "not TOML"), ("listen = " + "[" * 5000, "nested too deeply"),
])
def test_a_file_that_is_not_toml(file, text, said):
    (fault,) = _faults(file(text))
    assert said in fault


def test_a_file_that_is_not_there(tmp_path):
    (fault,) = _faults(tmp_path / "none.toml")
    assert "cannot be read" in fault


@pytest.mark.parametrize(("value", "expected"), [
    ("127.0.0.1:8040", ("127.0.0.1", 8040)), ("[::1]:0", ("::1", 0)),
    ("switch.example.com:65535", ("switch.example.com", 65535)),
])
def test_addresses(value, expected):
    assert split_address(value) == expected


@pytest.mark.parametrize("value", ["", "8040", "host", "host:", ":8040", "host:99999", "host:-1", "a b:1", "h:1\n",
                                   "::1:80", "a..b:1", "x" * 64 + ":1"])
def test_what_is_no_address_says_what_to_write(value):
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(value)


@pytest.mark.parametrize("url", ["", "redis://", "127.0.0.1", "http://127.0.0.1", "redis://h:notaport/0", "unix://",
                                 "redis://a..b"])
def test_what_is_no_redis_address(url):
    (fault,) = _faults(environ={"FSAPP_REDIS_URL": url})
    assert "redis://127.0.0.1:6379/0" in fault


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:1/2", "unix:///run/redis.sock", "redis://[::1]:6379/0"])
def test_redis_addresses(url):
    assert load(environ={"FSAPP_REDIS_URL": url}).redis_url == url


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Settings().max_visits = 3
