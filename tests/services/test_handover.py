from __future__ import annotations

from pathlib import Path

import msgspec

from fieldapp.bootstrap import DeviceServices
from fieldapp.domain.entry import BODY_LIMIT, encode
from fieldapp.domain.entry_types.customer import SignatureGiven
from fieldapp.domain.job import Fault, JobState, PartUsed, Stamp
from fieldapp.domain.signing import MOST_POINTS
from fieldapp.services.handover import handover_text
from fieldapp.store.database import Database
from fieldapp.store.migrations import migrate_device
from fieldapp.store.queries.documents import Documents
from fieldapp.store.queries.reader import Reader


def test_the_longest_text_with_the_longest_drawing_fits_into_one_entry(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'fieldapp.db'}")
    migrate_device(db)
    db.close()
    documents = Documents(Reader(tmp_path / "fieldapp.db"), tmp_path)
    stamp = Stamp("e", "p", 0)
    long = "水" * 900
    job = JobState(
        id="1",
        number="J-1",
        title={"zh_CN": long},
        faults=tuple(Fault(stamp, long, long, long) for _ in range(200)),
        parts=tuple(PartUsed(stamp, long, "1") for _ in range(200)),
    )
    text = handover_text(job, {}, documents, language="zh_CN", technician=long, now_ms=0, zone="UTC")
    strokes = "4000x4000;" + " ".join("3999,3999" for _ in range(MOST_POINTS))
    body = SignatureGiven(name="名" * 200, shown="0" * 64, consent=True, text=text, strokes=strokes)
    assert len(encode(body)) < BODY_LIMIT
    assert "另有" in text
    assert msgspec.json.decode(encode(body), type=SignatureGiven).text == text


def test_the_customer_reads_no_codes_and_no_findings_on_the_technicians_own_gear(technician: DeviceServices) -> None:
    technician.work.record("J-1052", "SAFE-PREP/job_read", "yes")
    early = technician.work.handover_text("J-1052", "en")
    assert "Steps of the standard recorded so far: 1" in early
    assert "further" not in early, "there is nothing before it"
    technician.work.leave_out("J-1052", "HANDOVER/receiver", "not_done", "customer_refused")
    technician.work.record("J-1052", "SAFE-PREP/ppe", "shoes")
    technician.work.record("J-1052", "CHILLER-Q/oil_pressure", "0.5")
    text = technician.work.handover_text("J-1052", "en")
    assert "Received by (name of the person who takes over): Customer refused (not done)" in text
    assert "Oil pressure difference: 0.5 bar (not good)" in text
    assert "Protective equipment" not in text
    assert "客户拒绝" in technician.work.handover_text("J-1052", "zh_CN")
