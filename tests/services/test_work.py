"""Work on a job by its services: one action one group, told to whoever sees the asset or the customer next."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.job import JobState
from fieldapp.domain.problem import Problem
from fieldapp.store.queries.jobs import JobLine, find_job
from fieldapp.store.queries.log import LogLine, log_of
from fieldapp.store.queries.states import asset_state, customer_state
from fieldapp.store.rows import Saved

JOB = "J-1051"


def job(device: DeviceServices) -> JobLine:
    return find_job(device.reader, JOB)


def own(device: DeviceServices) -> list[LogLine]:
    line = job(device)
    return [entry for entry in log_of(device.reader, line.log, line.stream) if entry.pos is None]


def begin(device: DeviceServices) -> None:
    for verb in ("accept", "travel", "arrive", "start"):
        device.work.move(JOB, verb)


def groups(device: DeviceServices, saved: Saved) -> set[str]:
    return {line.entry.envelope.group for line in own(device) if line.entry.id in saved.entries}


def test_one_action_is_one_group(technician: DeviceServices) -> None:
    begin(technician)
    given = technician.work.feedback(JOB, csat=5, name="Dr. Brandt", consent=True)
    assert len(given.saved.entries) == 2
    assert len(groups(technician, given.saved)) == 1
    assert len({line.entry.envelope.group for line in own(technician)}) == 5


def test_what_a_service_changed_is_named_by_stream(technician: DeviceServices) -> None:
    begin(technician)
    stream = job(technician).stream
    assert technician.work.note(JOB, "hello").saved.streams == {stream}
    assert technician.work.reading(JOB, "hour_meter", "14203", unit="h").saved.streams == {stream, "asset:wk-ch1"}
    assert technician.work.feedback(JOB, csat=5).saved.streams == {stream, "customer:weser"}


def test_the_next_technician_sees_it_on_the_asset_and_the_office_on_the_customer(technician: DeviceServices) -> None:
    before, told = asset_state(technician.reader, "wk-ch1"), customer_state(technician.reader, "weser")
    begin(technician)
    technician.work.reading(JOB, "hour_meter", "14203", unit="h")
    technician.work.fault(JOB, "trip", cause="fouled")
    technician.work.part(JOB, "OIL-FILTER", quantity="2")
    technician.work.move(JOB, "cannot-complete", reason="part missing")
    technician.work.feedback(JOB, csat=4)
    after, now = asset_state(technician.reader, "wk-ch1"), customer_state(technician.reader, "weser")
    assert after.readings[-1].value == "14203"
    assert len(after.readings) == len(before.readings) + 1
    assert (after.faults[-1].symptom, after.parts[-1].part) == ("trip", "OIL-FILTER")
    assert after.timeline[-1].type == "job.cannot_complete"
    assert len(now.feedback) == len(told.feedback) + 1
    assert now.timeline[-1].type == "job.cannot_complete"


def test_a_refusal_writes_nothing(technician: DeviceServices, tmp_path: Path) -> None:
    begin(technician)
    before = [line.entry.id for line in own(technician)]
    empty = tmp_path / "empty.jpg"  # as a camera leaves it whose card is full
    empty.touch()
    for action, code in (
        (lambda: technician.work.move(JOB, "accept"), "not-now"),
        (lambda: technician.work.move(JOB, "complete"), "completion-blocked"),
        (lambda: technician.work.move(JOB, "pause"), "reason-needed"),
        (lambda: technician.work.record(JOB, "chw_out", "warm"), "bad-value"),
        (lambda: technician.work.record(JOB, "nowhere", "1"), "unknown-step"),
        (lambda: technician.work.amend(JOB, "chw_out", "7", reason="x"), "nothing-to-amend"),
        (lambda: technician.work.note(JOB, "  "), "bad-value"),
        (lambda: technician.work.part(JOB, "OIL-FILTER", quantity="some"), "bad-value"),
        (lambda: technician.work.attach(JOB, "alarm_photo", tmp_path / "none.jpg"), "file-unusable"),
        (lambda: technician.work.attach(JOB, "alarm_photo", empty), "file-empty"),
        (lambda: technician.work.feedback(JOB, ces=0), "bad-score"),
        (lambda: technician.work.feedback(JOB, name="X"), "consent-needed"),
        (lambda: technician.office.cancel(JOB, "no"), "not-your-role"),
    ):
        with pytest.raises(Problem) as refused:
            action()
        assert refused.value.code == code
        assert refused.value.message
    assert [line.entry.id for line in own(technician)] == before


def test_the_signature_binds_exactly_what_was_shown(technician: DeviceServices) -> None:
    begin(technician)
    shown = technician.work.handover_text(JOB)
    technician.work.record(JOB, "cause", "Algae")
    given = technician.work.feedback(JOB, csat=5, name="Dr. Brandt", consent=True, shown=shown)
    assert given.text == shown
    assert given.shown == hashlib.sha256(shown.encode()).hexdigest()
    view: JobState = job(technician).view
    assert view.signatures[-1].shown == given.shown
    signed = next(line for line in own(technician) if line.entry.envelope.type == "signature.given")
    assert signed.body_value()["text"] == shown


def test_words_around_the_work(technician: DeviceServices) -> None:
    begin(technician)
    technician.work.time_spent(JOB, "travel", 25)
    technician.work.expense(JOB, "parking", 350, "EUR", note="garage")
    technician.work.question(JOB, "Is this noise normal?", step="cooling_back")
    technician.work.suggestion(JOB, "chw_out", "Wait 20 minutes, not 15")
    technician.work.opportunity(JOB, "The cooling tower has no water treatment")
    technician.work.commitment(JOB, "Quote for a strainer", "2026-12-01")
    view = job(technician).view
    assert (view.times[0].minutes, view.expenses[0].amount) == (25, 350)
    assert view.questions[0].step == "CHILLER-CALL/cooling_back"
    assert (view.suggestions[0].procedure, view.suggestions[0].step) == ("CHILLER-CALL", "chw_out")
    assert view.suggestions[0].version == next(pin.version for pin in view.procedures if pin.code == "CHILLER-CALL")
    assert view.opportunities
    assert "Quote for a strainer (2026-12-01)" in technician.work.handover_text(JOB)


def test_the_handover_text_in_three_languages(technician: DeviceServices) -> None:
    begin(technician)
    technician.work.record(JOB, "alarm", "high_pressure")
    technician.work.record(JOB, "discharge_pressure", "12")
    technician.work.part(JOB, "OIL-FILTER")
    texts = {language: technician.work.handover_text(JOB, language) for language in ("en", "zh_CN", "zh_TW", "fr")}
    assert texts["fr"] == texts["en"]
    assert "What was found\n" in texts["en"]
    assert "(not good)" in texts["en"]
    assert "发现的情况" in texts["zh_CN"]
    assert "（不合格）" in texts["zh_CN"]
    assert "發現的情況" in texts["zh_TW"]
    assert all(text.endswith("\n") and len(text.encode()) < 60_000 for text in texts.values())
