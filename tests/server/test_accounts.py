"""Who may call: codes, devices, tokens, revoking."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import inspect, select, text

from fieldapp.server.answers import Refused
from fieldapp.server.codes import WRONG_TRIES, WrongTries, bare_code, new_code
from fieldapp.server.services import ServerServices
from fieldapp.store.tables import DeviceRow, TokenRow, table_of
from fieldapp.sync.protocol import EnrolAnswer, EnrolRequest, TokenRequest
from tests.server.conftest import Clock
from tests.server.office import Office

HOUR = 3_600_000
NONCE = "0123456789abcdef"


def enrol(services: ServerServices, code: str, nonce: str = NONCE, address: str = "192.0.2.1") -> EnrolAnswer:
    return services.accounts.enrol(EnrolRequest(code, "laptop", "0.1.0", nonce), address)


def refused(code: str) -> object:
    return pytest.raises(Refused, check=lambda error: error.code == code)


def test_a_code_makes_a_device_of_a_person(services: ServerServices, office: Office) -> None:
    answer = enrol(services, services.accounts.issue_code("tech-1").code)
    assert (answer.person, answer.name, answer.role, answer.log, answer.logs) == (
        "tech-1", "Ann Berg", "technician", "north", ("org", "north"),
    )  # fmt: skip
    assert answer.code == "A1"
    session = services.accounts.session(answer.token)
    assert (session.device, session.person, session.role, session.branch) == (answer.device, "tech-1", "technician", "north")


def test_codes_of_devices_count_up_and_are_short(services: ServerServices, office: Office) -> None:
    codes = [enrol(services, services.accounts.issue_code("tech-1").code, nonce=f"{number:032x}").code for number in range(26)]
    assert codes[:3] == ["A1", "B1", "C1"]
    assert codes[-2:] == ["A2", "B2"]


def test_a_code_is_taken_however_it_is_typed() -> None:
    code = new_code()
    assert bare_code(f" {code.lower().replace('-', ' ')} ") == bare_code(code) != ""
    assert bare_code("K7QF-2MX0") == bare_code("K7QF") == bare_code("ＫＱＱＦ２ＭＸＤ") == ""
    assert not set("ILO01") & set("".join(new_code() for _ in range(50)))


def test_a_lost_answer_can_be_asked_for_again_for_ten_minutes(services: ServerServices, office: Office, clock: Clock) -> None:
    code = services.accounts.issue_code("tech-1").code
    first = enrol(services, code)
    clock.now += 9 * 60_000
    again = enrol(services, code)
    assert (again.device, again.code, again.secret, again.token, again.token_expires) == (
        first.device, first.code, first.secret, first.token, first.token_expires,
    )  # fmt: skip
    with refused("enrol-code-used"):
        enrol(services, code, nonce="another nonce entirely")
    clock.now += 2 * 60_000
    with refused("enrol-code-used"):
        enrol(services, code)


def test_a_code_expires(services: ServerServices, office: Office, clock: Clock) -> None:
    issued = services.accounts.issue_code("tech-1")
    clock.now = issued.expires + 1
    with refused("enrol-code-expired"):
        enrol(services, issued.code)


def test_there_is_no_code_for_nobody(services: ServerServices, office: Office) -> None:
    with refused("person-unknown"):
        services.accounts.issue_code("nobody")


def test_wrong_codes_are_limited_by_address(services: ServerServices, office: Office, clock: Clock) -> None:
    good = services.accounts.issue_code("tech-1").code
    for _ in range(WRONG_TRIES):
        with refused("enrol-code-unknown"):
            enrol(services, "AAAA-AAAA")
    with refused("too-many-tries"):
        enrol(services, good)
    assert enrol(services, good, address="192.0.2.2").person == "tech-1"
    clock.now += 11 * 60_000
    with refused("enrol-code-unknown"):
        enrol(services, "AAAA-AAAA")


def test_the_memory_of_wrong_tries_is_bounded_and_sees_through_ipv6() -> None:
    tries = WrongTries()
    for number in range(WRONG_TRIES):
        tries.wrong(f"2001:db8::{number:x}", 0)
    assert tries.wait("2001:db8::ffff", 1) > 0
    assert tries.wait("2001:db8:0:1::1", 1) == 0
    for number in range(5000):
        tries.wrong(f"10.{number // 250}.{number % 250}.1", 1)
    assert len(tries._tries) <= 4096


def test_a_renewal_asked_again_gives_the_same_token(services: ServerServices, office: Office, clock: Clock) -> None:
    device = enrol(services, services.accounts.issue_code("tech-1").code)
    first = services.accounts.renew(TokenRequest(device.device, device.secret, "nonce-2"))
    clock.now += HOUR
    again = services.accounts.renew(TokenRequest(device.device, device.secret, "nonce-2"))
    assert (again.token, again.token_expires) == (first.token, first.token_expires)
    other = services.accounts.renew(TokenRequest(device.device, device.secret, "nonce-3"))
    assert other.token != first.token
    for token in (device.token, first.token, other.token):
        assert services.accounts.session(token).device == device.device


def test_tokens_expire_and_are_cleared_away(services: ServerServices, office: Office, clock: Clock) -> None:
    device = enrol(services, services.accounts.issue_code("tech-1").code)
    clock.now = device.token_expires
    with refused("token-expired"):
        services.accounts.session(device.token)
    for number in range(9):
        clock.now += 1
        services.accounts.renew(TokenRequest(device.device, device.secret, f"n{number}"))
    with services.db.read() as conn:
        assert len(conn.execute(select(table_of(TokenRow))).all()) == 5
    with refused("token-unknown"):
        services.accounts.session(device.token)


def test_wrong_secrets_and_tokens_are_refused(services: ServerServices, office: Office) -> None:
    device = enrol(services, services.accounts.issue_code("tech-1").code)
    for request in (TokenRequest(device.device, "0" * 64, NONCE), TokenRequest("dev-none", device.secret, NONCE)):
        with refused("secret-unknown"):
            services.accounts.renew(request)
    with refused("token-unknown"):
        services.accounts.session("0" * 64)
    with refused("token-missing"):
        services.accounts.session("")


def test_nothing_that_opens_anything_is_stored(services: ServerServices, office: Office) -> None:
    code = services.accounts.issue_code("tech-1").code
    device = enrol(services, code)
    stored = []
    with services.db.read() as conn:
        for table in inspect(conn).get_table_names():
            stored += [str(value) for row in conn.execute(text(f"SELECT * FROM {table}")) for value in row]
    secrets = (code, bare_code(code), device.secret, device.token, NONCE, hashlib.sha256(bare_code(code).encode()).hexdigest())
    assert not [value for value in stored for secret in secrets if secret in value]


def test_a_revoked_device_may_only_hand_over(services: ServerServices, office: Office, clock: Clock) -> None:
    device = enrol(services, services.accounts.issue_code("tech-1").code)
    first = services.accounts.revoke(device.code.lower())
    clock.now += 5
    assert services.accounts.revoke(device.device).revoked_at == first.revoked_at
    with refused("device-revoked"):
        services.accounts.session(device.token)
    renewed = services.accounts.renew(TokenRequest(device.device, device.secret, "after"))
    with refused("device-revoked"):
        services.accounts.session(renewed.token)
    assert services.accounts.session(renewed.token, revoked_too=True).device == device.device
    with refused("device-unknown"):
        services.accounts.revoke("Z9")


def test_being_seen_is_written_once_a_minute_for_all(services: ServerServices, office: Office, clock: Clock) -> None:
    one, two = office.enrol("tech-1"), office.enrol("tech-2")
    began = clock.now
    clock.now += 30_000
    services.accounts.seen(one.device, "0.2.0")
    services.accounts.seen(two.device)
    with services.db.read() as conn:
        assert set(conn.execute(select(table_of(DeviceRow).c.last_seen)).scalars()) == {began}
    clock.now += 31_000
    services.accounts.seen(two.device)
    with services.db.read() as conn:
        rows = {row.id: (row.last_seen, row.app_version) for row in conn.execute(select(table_of(DeviceRow)))}
    assert rows == {one.device: (began + 30_000, "0.2.0"), two.device: (began + 61_000, "0.1.0")}


def test_a_changed_role_counts_at_once(services: ServerServices, office: Office) -> None:
    device = enrol(services, services.accounts.issue_code("tech-1").code)
    services.people.add("tech-1", "Ann Berg", "supervisor", "north")
    assert services.accounts.session(device.token).role == "supervisor"
