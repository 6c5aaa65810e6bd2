"""The work on job J-1051 (a chiller that tripped), as a technician would record it on site."""

from __future__ import annotations

JOB = "J-1051"
BEGIN = (("do", "accept"), ("do", "travel"), ("do", "arrive"), ("do", "start"))
STEPS = (
    ("SAFE-PREP/job_read", "yes"),
    ("SAFE-PREP/ppe", "shoes glasses gloves"),
    ("SAFE-PREP/tester_valid", "2099-01-31"),
    ("SAFE-PREP/arrived_contact", "Porter Meyer"),
    ("SAFE-PREP/permit", "issued"),
    ("SAFE-PREP/permit_number", "A-2231"),
    ("SAFE-PREP/height", "ground"),
    ("SAFE-PREP/exits", "y"),
    ("SAFE-PREP/last_minute", "Safe to begin"),
    ("CHILLER-CALL/tag", "WK-CH1"),
    ("CHILLER-CALL/down_since", "2026-11-21 20:10"),
    ("CHILLER-CALL/alarm", "high_pressure"),
    ("CHILLER-CALL/discharge_pressure", "9,7"),
    ("CHILLER-CALL/cause", "Condenser strainer full of algae"),
    ("CHILLER-CALL/cooling_back", "yes"),
    ("CHILLER-CALL/chw_out", "7.2"),
    ("CHILLER-CALL/downtime", "2:20"),
    ("CHILLER-CALL/prevent", "Clean the strainer monthly in summer"),
    ("HANDOVER/area_clean", "yes"),
    ("HANDOVER/guards", "yes"),
    ("HANDOVER/running", "running"),
    ("HANDOVER/explained", "done, next"),
    ("HANDOVER/left_at", "2026-11-21 23:50"),
    ("HANDOVER/receiver", "Dr. Brandt"),
)
FEEDBACK = (
    "feedback", JOB, "--csat", "5", "--nps", "9", "--ces", "6", "--comment", "Quick and clean",
    "--name", "Dr. Brandt", "--consent",
)  # fmt: skip
