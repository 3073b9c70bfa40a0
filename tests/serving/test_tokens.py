"""Who may use the service: tokens by scope and time, loopback, and not too often."""

import hashlib
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.errors import GenretError
from genret_ops.registry.audit_trail import TOKEN_CREATED
from genret_ops.registry.home import Home
from genret_ops.settings import ServingSettings
from genret_ops.storage.home import make_home
from serving.auth.access import Access, is_loopback
from serving.auth.tokens import Tokens, create_token, read_tokens, revoke_token
from serving.errors import Refusal
from serving.launch import check_address
from tests.support.commands import call, result
from tests.support.service import Service, token

LOCAL = {"host": "localhost:8000"}
WRITES = [
    ("POST", "/v1/documents", {"id": "a", "text": "b"}),
    ("DELETE", "/v1/documents/parking.md", None),
    ("POST", "/v1/feedback", {"query": "q", "doc_id": "parking.md", "relevant": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_nothing_is_changed_without_a_token(service: Service, method: str, path: str, body: object) -> None:
    before = files(service.home)
    assert service.call(method, path, body)[0] == 401
    assert service.call(method, path, body, "genret_wrong")[0] == 401
    assert files(service.home) == before


def files(home: Path) -> set[tuple[str, int]]:
    """Every file with its size, but for those that SQLite has beside a database while somebody reads it."""
    paths = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal")))
    return {(str(path), path.stat().st_size) for path in paths}


def test_a_token_reaches_as_far_as_its_scope(service: Service) -> None:
    secret = token(service.home, "reader")
    assert service.search("visitors", secret)["hits"]
    status, refusal = service.call("DELETE", "/v1/documents/parking.md", token=secret)
    assert (status, refusal["error"]["code"]) == (403, "scope")
    assert service.call("GET", "/v1/shadow", token=secret)[0] == 403
    admin = token(service.home, "admin", "admin")
    assert service.call("GET", "/v1/shadow", token=admin)[0] == 404, "there is no candidate"


def test_a_revoked_token_is_refused_at_once(service: Service) -> None:
    secret = token(service.home, "short")
    assert service.call("GET", "/v1/releases", token=secret)[0] == 200
    revoke_token(service.home, "short")
    assert service.call("GET", "/v1/releases", token=secret)[0] == 401


def test_the_secret_is_kept_nowhere(tmp_path: Path) -> None:
    made, secret = create_token(tmp_path, "page", "search", {}, None)
    assert made.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in (tmp_path / "tokens.json").read_text()
    assert (tmp_path / "tokens.json").stat().st_mode & 0o077 == 0
    with pytest.raises(GenretError, match="already"):
        create_token(tmp_path, "page", "search", {}, None)
    with pytest.raises(GenretError, match="no token 'other'"):
        revoke_token(tmp_path, "other")


def test_a_token_ends_with_its_day(tmp_path: Path) -> None:
    _, secret = create_token(tmp_path, "guest", "search", {}, 1)
    tokens = Tokens(tmp_path)
    assert tokens.find(secret)
    ended(tmp_path)
    assert tokens.find(secret) is None


def test_tokens_are_made_and_listed_without_their_hashes(tmp_path: Path) -> None:
    make_home(tmp_path)
    options = ("red", "--scope", "write", "--filter", "team=Red Team", "--expires", "30")
    made = result("token", "create", *options, home=tmp_path)
    assert Tokens(tmp_path).find(made.pop("token")) == read_tokens(tmp_path)[0]
    assert made.keys() == {"name", "scope", "created_at", "expires_at", "filters"}
    assert result("token", "list", home=tmp_path) == [made]
    assert read_tokens(tmp_path)[0].allows("search")
    assert "revoked" in call("token", "revoke", "red", home=tmp_path)
    assert read_tokens(tmp_path) == []


def access(home: Path, **settings: object) -> Access:
    return Access(Tokens(home), ServingSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.9", True), ("10.0.0.1", False), ("", False)],
)
def test_only_this_machine_searches_without_a_token(tmp_path: Path, address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback
    if loopback:
        assert access(tmp_path).admit(LOCAL, address, "search", False).name == address
    else:
        with pytest.raises(Refusal, match="Bearer"):
            access(tmp_path).admit(LOCAL, address, "search", False)
    with pytest.raises(Refusal, match="Bearer"):
        access(tmp_path, require_token=True).admit(LOCAL, address, "search", False)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("localhost", "LocalHost:1", "127.0.0.1:80", "127.0.0.9", "[::1]", "[::1]:8000")),
        *((host, False) for host in ("", "evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1")),
        *((host, False) for host in ("127.0.0.1.evil.example", "[::1", "::1", "localhost:80:80", "a@localhost")),
    ],
)
def test_without_a_token_it_is_asked_under_its_own_name(service: Service, host: str, loopback: bool) -> None:
    secret = token(service.home, f"for {host}")
    body = b'{"query": "visitors"}'
    assert service.raw("POST", "/v1/search", body, {"Host": host})[0] == (200 if loopback else 401)
    headers = {"Host": host, "Authorization": f"Bearer {secret}"}
    assert service.raw("POST", "/v1/search", body, headers)[0] == 200, "a token is enough"


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
def test_what_a_proxy_passes_on_needs_a_token(service: Service, header: str) -> None:
    status, response = service.raw("GET", "/v1/releases", headers={header: "127.0.0.1"})
    assert status == 401 and b"requests from another machine need a token" in response


def test_a_limited_token_ends_what_is_let_in_without_one(tmp_path: Path) -> None:
    make_home(tmp_path)
    door = access(tmp_path)
    door.admit(LOCAL, "127.0.0.1", "search", False)
    output = call("token", "create", "red", "--filter", "team=Red Team", home=tmp_path)
    assert "From now on every request needs a token" in output
    with pytest.raises(Refusal, match="limited by filters"):
        door.admit(LOCAL, "127.0.0.1", "search", False)
    ended(tmp_path)
    assert door.admit(LOCAL, "127.0.0.1", "search", False).filters == {}, "one that has expired limits nobody"


def ended(home: Path) -> None:
    """Let the first token of a home expire."""
    rows = json.loads((home / "tokens.json").read_text())
    rows[0]["expires_at"] = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    (home / "tokens.json").write_text(json.dumps(rows))


def test_tokens_are_never_readable_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = list[int]()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (modes.append(os.fstat(file).st_mode), real(file)))
    create_token(tmp_path, "page", "search", {}, None)
    files = [stat.S_IMODE(mode) for mode in modes if stat.S_ISREG(mode)]
    assert files == [0o600], "before the file has its name, too"


def test_listening_to_others_wants_tokens() -> None:
    with pytest.raises(GenretError, match="require_token = true"):
        check_address(ServingSettings(host="0.0.0.0"))
    with pytest.raises(GenretError, match="'localhost' is not an address"):
        check_address(ServingSettings(host="localhost"))
    check_address(ServingSettings(host="0.0.0.0", require_token=True))
    check_address(ServingSettings())


def test_whoever_asks_too_often_is_told_so(tmp_path: Path) -> None:
    door = access(tmp_path, per_second=5)
    _, secret = create_token(tmp_path, "page", "search", {}, None)
    for _ in range(5):
        door.admit(LOCAL, "127.0.0.1", "search", False)
    with pytest.raises(Refusal, match="more than 5 requests a second") as refused:
        door.admit(LOCAL, "127.0.0.1", "search", False)
    assert refused.value.status == 429
    assert door.admit({"authorization": f"Bearer {secret}"}, "127.0.0.1", "search", False).name == "token page"
    for status in [*[403] * 4, 429]:
        with pytest.raises(Refusal) as refused:
            door.admit({"authorization": f"Bearer {secret}"}, "127.0.0.1", "write", True)
        assert refused.value.status == status


def test_tokens_are_in_the_trail_by_their_names(tmp_path: Path) -> None:
    make_home(tmp_path)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["token", *arguments, "--home", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.stdout

    run("create", "early")
    assert not list(tmp_path.glob("registry.*")), "before the first release there is no trail, and none is made"
    registry = Home(tmp_path).registry
    registry.create()
    secret = json.loads(run("create", "page", "--scope", "write", "--json"))["token"]
    run("revoke", "page")
    created, revoked = registry.events()
    assert (created.kind, created.facts) == ("token created", {"token": "page", "scope": "write"})
    assert (revoked.kind, revoked.facts) == ("token revoked", {"token": "page"})
    assert not any(secret in str(cell) for row in registry.rows() for cell in row) and registry.problems() == []


def test_a_name_in_another_encoding_is_kept_as_text(tmp_path: Path) -> None:
    make_home(tmp_path)
    Home(tmp_path).registry.create()
    created = result("token", "create", "w\udcff", home=tmp_path)
    assert created["name"] == "w\ufffd"
    (event,) = Home(tmp_path).registry.events(TOKEN_CREATED)
    assert event.facts["token"] == "w\ufffd"
