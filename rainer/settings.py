"""Every setting of Rainer in one table, and the only code that reads the environment.

Flags, environment names, the keys of `rainer.toml`, the help texts and `rainer config show` are all made from it.
A value comes from the flag, else the environment, else the file, else the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rainer import limits
from rainer.errors import InvalidError
from rainer.model.setting_values import BYTES, PATH, SECONDS, SWITCH, TEXT, Kind, choice, nearest, redact, whole

FILE_NAME: Final = "rainer.toml"
PREFIX: Final = "RAINER_"
COMPLETION_VARIABLE: Final = "_RAINER_COMPLETE"
_NOT_OURS: Final = ("RAINER_TEST_",)

# Kubernetes tells every pod of a namespace about a service called "rainer" with variables of these names; one of them,
# RAINER_PORT=tcp://10.0.0.7:8080, even looks like a setting.
_KUBERNETES: Final = re.compile(r"RAINER_SERVICE_(HOST|PORT.*)|RAINER_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")
_KUBERNETES_PORT: Final = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: what a setting is called everywhere, how its value is read and what it means.

    `default` is a value, or a function of the settings above it in the table. `part` says who uses it: "client",
    "server", "mirror" or "terminal". `aliases` are other programs' environment names that count after ours. A row with
    `in_file` false is not taken from rainer.toml: a folder that one merely enters must not choose programs to run.
    """

    name: str
    part: str
    kind: Kind
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    in_file: bool = True
    secret: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def environment(self) -> str:
        return PREFIX + self.name.upper()

    def show(self, value: object) -> str:
        """The value as a person may see it: secrets, and passwords inside URLs, are `***`."""
        if value is None:
            return ""
        return "***" if self.secret and value else redact(self.kind.show(value))


def _user_folder(kind: str) -> Callable[[Mapping[str, Any]], Path]:
    def folder(_above: Mapping[str, Any]) -> Path:
        import platformdirs

        return Path(getattr(platformdirs, f"user_{kind}_dir")("rainer", appauthor=False))

    return folder


def _cache_folder(name: str) -> Callable[[Mapping[str, Any]], Path]:
    def folder(_above: Mapping[str, Any]) -> Path:
        import platformdirs

        return Path(platformdirs.user_cache_dir("rainer", appauthor=False)) / name

    return folder


def _default_contents(above: Mapping[str, Any]) -> str:
    return str(above["data_dir"] / "store")


def _default_database(above: Mapping[str, Any]) -> str:
    return f"sqlite:///{above['data_dir'] / 'journal.db'}"


TABLE: Final[tuple[Setting, ...]] = (
    Setting("config", "terminal", PATH, None, f"File to read settings from, instead of ./{FILE_NAME}", in_file=False),
    Setting("url", "client", TEXT, "http://127.0.0.1:8080/diary", "Server and namespace to talk to"),
    Setting("author", "client", TEXT, None, "Who makes the commits (else git's user.email, else the login name)"),
    Setting("token", "client", TEXT, None, "Token that says who asks; RAINER_TOKEN keeps it out of `ps`", secret=True),
    Setting("tls_ca", "client", PATH, None, "File of the authorities that servers' certificates are signed by"),
    Setting("client_certificate", "client", PATH, None, "File of our own certificate for the server"),
    Setting("client_key", "client", PATH, None, "File of that certificate's private key"),
    Setting("timeout_s", "client", SECONDS, 30.0, "Seconds a call to the server may take, repetitions included"),
    Setting("connect_timeout_s", "client", SECONDS, 5.0, "Seconds to wait for a connection"),
    Setting("manifest", "client", TEXT, "prod", "Key of the manifest that `rainer asset` works on"),
    Setting("store", "client", TEXT, None, "Store for assets, such as s3://bucket; none: the server's own"),
    Setting(
        "store_credentials", "client", TEXT, None, "Credentials to try in order, as `default profile:NAME anonymous`"
    ),
    Setting("store_timeout_s", "client", SECONDS, 60.0, "Seconds without a byte until a store counts as stalled"),
    Setting("store_dir", "client", PATH, _cache_folder("store"), "Folder of the local copies of `rainer store`"),
    Setting("cache_dir", "client", PATH, _cache_folder("assets"), "Folder of the local cache of assets"),
    Setting(
        "cache_bytes_max", "client", BYTES, limits.CACHE_BYTES_MAX, "Size of that cache; the least used goes first"
    ),
    Setting("cache_timeout_s", "client", SECONDS, 86_400.0, "Seconds until a file without a digest is checked again"),
    Setting("cache_immutable", "client", TEXT, None, "URL prefixes whose files never change, with spaces between"),
    Setting("cache_read_only", "client", SWITCH, False, "Take files from the cache and never write to it"),
    Setting("cache_shared", "client", SWITCH, False, "Let the folder's group read and write the cache"),
    Setting("offline", "client", SWITCH, False, "Ask no store: only what the cache holds is served"),
    Setting("host", "server", TEXT, "127.0.0.1", "Address to listen on"),
    Setting("port", "server", whole(0, 65535), 8080, "Port to listen on; 0 takes a free one"),
    Setting("data_dir", "server", PATH, _user_folder("data"), "Folder for what the server keeps on disk"),
    Setting("database", "server", TEXT, _default_database, "The journal's database: sqlite, postgresql or mysql URL"),
    Setting("workers", "server", whole(1, 256), 1, "Server processes"),
    Setting("log_format", "server", choice("text", "json"), "text", "Form of the log lines"),
    Setting("log_level", "server", choice("debug", "info", "warning", "error"), "info", "Least level that is logged"),
    Setting("queue_items_max", "server", whole(1), limits.QUEUE_ITEMS_MAX, "Commits that may wait before 503"),
    Setting("queue_bytes_max", "server", BYTES, limits.QUEUE_BYTES_MAX, "Payload bytes that may wait before 503"),
    Setting("head_memory_bytes", "server", BYTES, limits.HEAD_MEMORY_BYTES, "Memory for answers of head reads"),
    Setting("pages", "server", SWITCH, True, "Serve the web page, to browsers that ask for `/`"),
    Setting("pages_memory_bytes", "server", BYTES, limits.SEARCH_MEMORY_BYTES, "Memory for searching on the web page"),
    Setting("pages_secret", "server", TEXT, None, "Secret of the web page's sessions; none: a new one", secret=True),
    Setting("body_timeout_s", "server", SECONDS, limits.BODY_TIMEOUT_S, "Seconds in which a request must arrive"),
    Setting("identity", "server", SWITCH, False, "Ask everybody who he is; off, the server listens on loopback only"),
    Setting(
        "bootstrap_token",
        "server",
        TEXT,
        None,
        "Token of an identity that may do everything, to begin with; RAINER_BOOTSTRAP_TOKEN keeps it out of `ps`",
        secret=True,
    ),
    Setting("token_path", "server", SWITCH, False, "Take tokens in the path, /-/t/TOKEN/diary, from old clients"),
    Setting("oidc_issuer", "server", TEXT, None, "OpenID Connect issuer whose JWTs say who asks"),
    Setting("oidc_audience", "server", TEXT, None, "Audience that these JWTs must be made for"),
    Setting("oidc_jwks_url", "server", TEXT, None, "Where that issuer's keys are; none: its own document tells"),
    Setting("oidc_name_claim", "server", TEXT, None, "Claim that tells the name; none: a verified email, else sub"),
    Setting("oidc_groups_claim", "server", TEXT, "groups", "Claim that tells the groups"),
    Setting("tls_certificate", "server", PATH, None, "File of the server's certificate: HTTPS instead of HTTP"),
    Setting("tls_key", "server", PATH, None, "File of that certificate's private key"),
    Setting("tls_client_ca", "server", PATH, None, "File of the authorities of clients' certificates: mutual TLS"),
    Setting("tls_client_crl", "server", PATH, None, "File of their lists of revoked certificates; may be replaced"),
    Setting("rate_per_s", "server", whole(0, 1_000_000), 0, "Calls a second of one identity to all workers; 0: any"),
    Setting("rate_burst", "server", whole(0, 1_000_000), 0, "Calls at once of one identity; 0: those of one second"),
    Setting("connections_max", "server", whole(0), 0, "Connections to one worker; 0: as many as it may open files for"),
    Setting("hosts", "server", TEXT, None, "Names the server is called by, beside addresses and localhost, as a,b"),
    Setting("zookeeper", "server", TEXT, None, "ZooKeeper, as zk1:2181,zk2:2181/chroot; none: nothing is published"),
    Setting("zookeeper_path", "server", TEXT, "/rainer", "Node that holds the namespaces' trees"),
    Setting("zookeeper_user", "server", TEXT, None, "User for ZooKeeper's digest authentication"),
    Setting(
        "zookeeper_password",
        "server",
        TEXT,
        None,
        "That user's password; in RAINER_ZOOKEEPER_PASSWORD `ps` does not show it",
        secret=True,
    ),
    Setting(
        "zookeeper_sasl",
        "server",
        TEXT,
        None,
        "Authenticate that user by SASL instead: digest-md5 or gssapi (Kerberos)",
    ),
    Setting(
        "zookeeper_acl", "server", TEXT, None, "ACLs of what is created, as SCHEME:ID:PERMISSIONS with spaces between"
    ),
    Setting("zookeeper_tls", "server", SWITCH, False, "Speak TLS with ZooKeeper"),
    Setting(
        "zookeeper_ca", "server", PATH, None, "File of the authorities that ZooKeeper's certificates are signed by"
    ),
    Setting("zookeeper_certificate", "server", PATH, None, "File of our own certificate for ZooKeeper"),
    Setting("zookeeper_key", "server", PATH, None, "File of that certificate's private key"),
    Setting("zookeeper_timeout_s", "server", SECONDS, 10.0, "Seconds until ZooKeeper gives up a silent session"),
    Setting(
        "store_contents", "server", TEXT, _default_contents, "Folder, or store's URL, for the server store's files"
    ),
    Setting(
        "store_file_bytes_max", "server", BYTES, limits.STORE_FILE_BYTES_MAX, "Largest file the server store takes"
    ),
    Setting("namespaces", "mirror", TEXT, "diary", "Namespaces that `rainer mirror` serves, as a,b"),
    Setting("editor", "terminal", TEXT, "vi", "Editor for `rainer edit`", ("VISUAL", "EDITOR"), in_file=False),
    Setting("pager", "terminal", TEXT, "less -FRX", "Pager for long output; `cat` for none", ("PAGER",), in_file=False),
    Setting("state_dir", "terminal", PATH, _user_folder("state"), "Folder for the files that `rainer edit` opens"),
    Setting("debug", "terminal", SWITCH, False, "Show the traceback of an error", in_file=False),
)

BY_NAME: Final[dict[str, Setting]] = {row.name: row for row in TABLE}
DEFAULT: Final = "default"


@dataclass(frozen=True)
class Settings:
    """The value of every setting; `origins` says where each came from: a flag, a variable, a file or the default."""

    config: Path | None
    url: str
    author: str | None
    token: str | None
    tls_ca: Path | None
    client_certificate: Path | None
    client_key: Path | None
    timeout_s: float
    connect_timeout_s: float
    manifest: str
    store: str | None
    store_credentials: str | None
    store_timeout_s: float
    store_dir: Path
    cache_dir: Path
    cache_bytes_max: int
    cache_timeout_s: float
    cache_immutable: str | None
    cache_read_only: bool
    cache_shared: bool
    offline: bool
    host: str
    port: int
    data_dir: Path
    database: str
    workers: int
    log_format: str
    log_level: str
    queue_items_max: int
    queue_bytes_max: int
    head_memory_bytes: int
    pages: bool
    pages_memory_bytes: int
    pages_secret: str | None
    body_timeout_s: float
    identity: bool
    bootstrap_token: str | None
    token_path: bool
    oidc_issuer: str | None
    oidc_audience: str | None
    oidc_jwks_url: str | None
    oidc_name_claim: str | None
    oidc_groups_claim: str
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    tls_client_crl: Path | None
    rate_per_s: int
    rate_burst: int
    connections_max: int
    hosts: str | None
    zookeeper: str | None
    zookeeper_path: str
    zookeeper_user: str | None
    zookeeper_password: str | None
    zookeeper_sasl: str | None
    zookeeper_acl: str | None
    zookeeper_tls: bool
    zookeeper_ca: Path | None
    zookeeper_certificate: Path | None
    zookeeper_key: Path | None
    zookeeper_timeout_s: float
    store_contents: str
    store_file_bytes_max: int
    namespaces: str
    editor: str
    pager: str
    state_dir: Path
    debug: bool
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read the settings from `flags` (by setting name), the environment and rainer.toml.

    A name that is not a setting's, and a value that cannot be read, are InvalidErrors that say where they stand.
    `environ` and `folder` stand in for this process's environment and working folder.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, tuple[object, str]] = _from_environment(environ)
    given |= {name: (value, f"flag {BY_NAME[name].flag}") for name, value in (flags or {}).items() if value is not None}
    path = _find_file(given, Path() if folder is None else folder)
    if path is not None:
        given = _from_file(path) | given
    values: dict[str, Any] = {}
    for row in TABLE:
        value, origin = given.get(row.name, (None, DEFAULT))
        if origin == DEFAULT:
            values[row.name] = row.default(values) if callable(row.default) else row.default
        else:
            values[row.name] = _parse(row, value, origin)
    if path is not None:
        values["config"] = path
    return Settings(**values, origins={row.name: given.get(row.name, (None, DEFAULT))[1] for row in TABLE})


def child_environment(**unless_set: str) -> dict[str, str]:
    """This process's environment for a program we start, with variables that the user has not set himself."""
    return unless_set | dict(os.environ)


def completion_instruction() -> str:
    """What the shell's completion script asks of this run, if it is what started us; else nothing."""
    return os.environ.get(COMPLETION_VARIABLE, "")


def _parse(row: Setting, value: object, origin: str) -> Any:
    try:
        return row.kind.parse(value)
    except ValueError as e:
        raise InvalidError(f"{origin}: {redact(str(e))}", hint=f"{row.name}: {row.help}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX) and _is_ours(name, value)}
    _refuse_unknown(
        (name for name in ours if name not in {row.environment for row in TABLE}),
        [row.environment for row in TABLE],
        "the environment",
    )
    given: dict[str, tuple[object, str]] = {}
    for row in TABLE:
        for name in (row.environment, *row.aliases):
            # An empty variable is the shell's way to unset one for a single command.
            if (ours.get(name) if name == row.environment else environ.get(name)) and row.name not in given:
                given[row.name] = (environ[name], name)
    return given


def _is_ours(name: str, value: str) -> bool:
    if name.startswith(_NOT_OURS) or _KUBERNETES.fullmatch(name):
        return False
    return not (name == "RAINER_PORT" and _KUBERNETES_PORT.match(value))


def _find_file(given: Mapping[str, tuple[object, str]], folder: Path) -> Path | None:
    if "config" in given:
        value, origin = given["config"]
        path = Path(str(value)).expanduser()
        if not path.is_file():
            raise InvalidError(f"{origin}: there is no file {str(path)!r}")
        return path
    import platformdirs

    user = Path(platformdirs.user_config_dir("rainer", appauthor=False))
    return next((place / FILE_NAME for place in (folder, user) if (place / FILE_NAME).is_file()), None)


def _from_file(path: Path) -> dict[str, tuple[object, str]]:
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else str(e)
        raise InvalidError(f"{path} cannot be read: {reason}") from None
    allowed = [row.name for row in TABLE if row.in_file]
    for row in TABLE:
        if row.name in found and not row.in_file:
            raise InvalidError(
                f"{path}: {row.name!r} is not taken from a file",
                hint=f"set {row.environment} or give {row.flag}",
            )
    _refuse_unknown((name for name in found if name not in allowed), allowed, str(path))
    return {name: (_beside(path, BY_NAME[name], value), str(path)) for name, value in found.items()}


def _beside(path: Path, row: Setting, value: object) -> object:
    """A relative path in a file is meant from that file's folder, wherever the command is run."""
    if row.kind is PATH and isinstance(value, str) and not value.startswith("~"):
        return str(path.absolute().parent / value)
    return value


def _refuse_unknown(unknown: Iterable[str], known: list[str], where: str) -> None:
    for name in unknown:
        match = nearest(name, known)
        hint = f"did you mean {match}?" if match else "`rainer config show` lists all settings"
        raise InvalidError(f"{name!r} in {where} names no setting of Rainer", hint=hint)


def share_figures_in(folder: str) -> None:
    """Have this process share its Prometheus figures with its sibling workers; before prometheus_client is loaded."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
