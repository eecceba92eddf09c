"""The table of settings: what wins, what is refused, what is shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rainer import settings
from rainer.errors import InvalidError
from rainer.model.setting_values import BYTES, PATH, SECONDS, SWITCH, TEXT, redact, show_bytes
from rainer.settings import TABLE, Setting, load


@pytest.fixture(autouse=True)
def no_settings_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user-config"))
    monkeypatch.setenv("HOME", str(tmp_path))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_table_and_the_class_hold_the_same_settings() -> None:
    fields = [field.name for field in dataclasses.fields(settings.Settings)]
    assert fields == [row.name for row in TABLE] + ["origins"]


def test_every_row_says_what_it_is_for_and_its_default_can_be_read_again(tmp_path: Path) -> None:
    loaded = load({}, environ={}, folder=tmp_path)
    for row in TABLE:
        value = getattr(loaded, row.name)
        assert row.help
        assert row.part in ("client", "server", "mirror", "terminal")
        if value is not None:
            assert row.kind.parse(row.kind.show(value)) == value


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = write(tmp_path / "rainer.toml", "port = 1001\nhost = 'file'\nworkers = 3\n")
    environ = {"RAINER_PORT": "1002", "RAINER_HOST": "environment"}
    loaded = load({"port": 1003, "host": None}, environ=environ, folder=tmp_path)
    assert (loaded.port, loaded.host, loaded.workers, loaded.log_level) == (1003, "environment", 3, "info")
    origins = [loaded.origins[name] for name in ("port", "host", "workers", "log_level")]
    assert origins == ["flag --port", "RAINER_HOST", str(file), "default"]
    assert loaded.config == file


def test_the_file_is_the_one_named_else_here_else_the_users(tmp_path: Path) -> None:
    write(tmp_path / "user-config" / "rainer" / "rainer.toml", "port = 1")
    write(tmp_path / "here" / "rainer.toml", "port = 2")
    named = write(tmp_path / "named.toml", "port = 3")
    (tmp_path / "elsewhere").mkdir()
    assert load({}, environ={}, folder=tmp_path / "elsewhere").port == 1
    assert load({}, environ={}, folder=tmp_path / "here").port == 2
    assert load({}, environ={"RAINER_CONFIG": str(named)}, folder=tmp_path / "here").port == 3
    assert load({"config": named}, environ={"RAINER_CONFIG": "/nowhere"}, folder=tmp_path / "here").port == 3


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"RAINER_CONFIG: there is no file .*absent"):
        load({}, environ={"RAINER_CONFIG": str(tmp_path / "absent")}, folder=tmp_path)


def test_paths_in_a_file_are_meant_from_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "user-config" / "rainer" / "rainer.toml", "data_dir = 'data'")
    assert load({}, environ={}, folder=tmp_path).data_dir == tmp_path / "user-config" / "rainer" / "data"


def test_the_database_follows_the_data_folder(tmp_path: Path) -> None:
    loaded = load({}, environ={"RAINER_DATA_DIR": "/srv/rainer"}, folder=tmp_path)
    assert loaded.database == "sqlite:////srv/rainer/journal.db"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("RAINER_PROT", "did you mean RAINER_PORT?"), ("RAINER_QQQQQQQQ", "`rainer config show` lists all settings")],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(tmp_path: Path, name: str, hint: str) -> None:
    with pytest.raises(InvalidError, match=f"{name}' in the environment") as caught:
        load({}, environ={name: "1"}, folder=tmp_path)
    assert caught.value.hint == hint


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "rainer.toml", "log_levle = 'debug'")
    with pytest.raises(InvalidError, match=r"'log_levle' in .*rainer\.toml") as caught:
        load({}, environ={}, folder=tmp_path)
    assert caught.value.hint == "did you mean log_level?"


def test_variables_of_tests_and_of_kubernetes_are_not_settings(tmp_path: Path) -> None:
    environ = {
        "RAINER_TEST_POSTGRESQL": "x",
        "RAINER_SERVICE_HOST": "10.0.0.7",
        "RAINER_SERVICE_PORT_HTTP": "8080",
        "RAINER_PORT": "tcp://10.0.0.7:8080",
        "RAINER_PORT_8080_TCP_ADDR": "10.0.0.7",
        "HOME": "/",
    }
    assert load({}, environ=environ, folder=tmp_path).port == 8080


@pytest.mark.parametrize("text", ["port = ", 'port = "\x01"', "a = 1\na = 2", "\xff"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "rainer.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidError, match=r"rainer.toml cannot be read: "):
        load({}, environ={}, folder=tmp_path)


@pytest.mark.parametrize("name", ["editor", "pager", "debug", "config"])
def test_a_folder_that_one_enters_does_not_choose_programs_to_run(tmp_path: Path, name: str) -> None:
    write(tmp_path / "rainer.toml", f"{name} = 'rm -rf /'")
    with pytest.raises(InvalidError, match=f"'{name}' is not taken from a file"):
        load({}, environ={}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("RAINER_PORT", "http", "RAINER_PORT: 'http' is not a whole number from 0 to 65535"),
        ("RAINER_PORT", "65536", "RAINER_PORT: '65536' is not a whole number from 0 to 65535"),
        ("RAINER_WORKERS", "0", "RAINER_WORKERS: '0' is not a whole number from 1 to 256"),
        ("RAINER_LOG_FORMAT", "xml", "RAINER_LOG_FORMAT: 'xml' is not one of text, json"),
        ("RAINER_BODY_TIMEOUT_S", "soon", "RAINER_BODY_TIMEOUT_S: 'soon' is not a number of seconds"),
        ("RAINER_QUEUE_BYTES_MAX", "64M", "RAINER_QUEUE_BYTES_MAX: '64M' is not a byte size"),
        ("RAINER_DEBUG", "maybe", "RAINER_DEBUG: 'maybe' is neither yes nor no"),
    ],
)
def test_a_value_that_cannot_be_read_names_where_it_stands(
    tmp_path: Path, name: str, value: str, complaint: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        load({}, environ={name: value}, folder=tmp_path)
    assert str(caught.value).startswith(complaint)


def test_a_wrong_type_in_the_file_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "rainer.toml", "port = true")
    with pytest.raises(InvalidError, match=f"{file}: True is not a whole number"):
        load({}, environ={}, folder=tmp_path)


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    loaded = load({}, environ={"RAINER_URL": "", "VISUAL": "", "EDITOR": "nano"}, folder=tmp_path)
    assert loaded.url == "http://127.0.0.1:8080/diary"
    assert (loaded.editor, loaded.origins["editor"]) == ("nano", "EDITOR")


def test_our_own_variable_comes_before_visual_before_editor(tmp_path: Path) -> None:
    environ = {"EDITOR": "ed", "VISUAL": "vim", "RAINER_EDITOR": "emacs"}
    assert load({}, environ=environ, folder=tmp_path).editor == "emacs"
    del environ["RAINER_EDITOR"]
    assert load({}, environ=environ, folder=tmp_path).editor == "vim"


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64MiB", 64 << 20), ("64 mib", 64 << 20), ("1.5 GB", 1_500_000_000), ("2kB", 2000), (4096, 4096)],
)
def test_byte_sizes(text: object, size: int) -> None:
    assert BYTES.parse(text) == size
    assert BYTES.parse(show_bytes(size)) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "64MiBs", "1e3", "MiB", True, None, 1.5, [1]])
def test_what_is_no_byte_size(text: object) -> None:
    with pytest.raises(ValueError, match="is not a byte size"):
        BYTES.parse(text)


@pytest.mark.parametrize("kind", [TEXT, PATH, SECONDS, SWITCH, BYTES])
def test_no_kind_takes_a_table(kind: settings.Kind) -> None:
    with pytest.raises(ValueError):
        kind.parse({"a": 1})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:hunter2@host/db", "postgresql://user:***@host/db"),
        ("http://u:hunter2@h:80/diary", "http://u:***@h:80/diary"),
        ("mysql://u:hun/ter@2@h/db", "mysql://u:***@h/db"),
        ("mysql://h/db?user=u&password=hunter2&x=1", "mysql://h/db?user=u&password=***&x=1"),
        ("postgresql://user@host:5432/db", "postgresql://user@host:5432/db"),
        ("sqlite:////srv/journal.db", "sqlite:////srv/journal.db"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown
    assert settings.BY_NAME["database"].show(url) == shown


def test_a_secret_is_not_shown_and_its_absence_is() -> None:
    row = Setting("token", "client", TEXT, None, "A token", secret=True)
    assert row.show("abc") == "***"
    assert row.show(None) == ""


def test_a_complaint_does_not_show_a_password(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as caught:
        load({}, environ={"RAINER_PORT": "postgresql://user:hunter2@host/db"}, folder=tmp_path)
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_child_gets_our_environment_and_what_the_user_has_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESS", "-S")
    monkeypatch.delenv("LV", raising=False)
    environment = settings.child_environment(LESS="FRX", LV="-c")
    assert (environment["LESS"], environment["LV"]) == ("-S", "-c")
