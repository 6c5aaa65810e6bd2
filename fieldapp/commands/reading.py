"""Looking at the work: `jobs`, `job`, `log`. They read beside a running app and change nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from fieldapp.commands.calling import OK, Command, refuse_usage
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceView
    from fieldapp.domain.progress import StepPlace
    from fieldapp.store.queries.jobs import JobLine

SHOWN_AS_TEXT = 50
"""A person reads the first page and is told that there is more; a script gets every job unless it says how many."""


def _jobs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", action="append", metavar="STATUS", help="only these; say it again for more")
    parser.add_argument("--mine", action="store_true", help="only jobs assigned to me")
    parser.add_argument("--person", metavar="PERSON", help="only jobs assigned to this person")
    parser.add_argument("--open", action="store_true", help="leave out approved, cancelled and declined jobs")
    parser.add_argument("--limit", type=int, metavar="N", help=f"at most so many ({SHOWN_AS_TEXT}, as JSON all; 0: all)")


def _jobs(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.domain.job import Status
    from fieldapp.services.names import person_named
    from fieldapp.store.queries.jobs import JobFilter, list_jobs

    unknown = [status for status in arguments.status or () if status not in get_args(Status)]
    if unknown:
        refuse_usage("jobs", f"{unknown[0]!r} is no status; choose from {', '.join(get_args(Status))}")
    limit = arguments.limit if arguments.limit is not None else 0 if arguments.json else SHOWN_AS_TEXT
    if limit < 0:
        refuse_usage("jobs", "--limit is 0 or more")
    with reading(arguments.home) as device:
        person = device.identity.person if arguments.mine else ""
        if arguments.person:
            person = person_named(device.documents, arguments.person).id
        wanted = JobFilter(person, tuple(arguments.status or ()), open_only=arguments.open, limit=limit)
        found = list_jobs(device.reader, wanted)
        if arguments.json:
            from fieldapp.commands.shapes import job_line

            out.json([job_line(device, line) for line in found.lines])
        elif not found.lines:
            out.line("No jobs here. `fieldapp sync` fetches what was assigned to you.")
        else:
            out.table(
                ("NUMBER", "STATUS", "SERVICE", "CUSTOMER", "WINDOW", "NEXT PROMISE", "STEPS", "UNSENT"), _rows(device, found.lines)
            )
        if found.total > len(found.lines):
            out.aside(f"{len(found.lines)} of {found.total} jobs shown; --limit 0 shows all.")
    return OK


def _rows(device: DeviceView, lines: tuple[JobLine, ...]) -> list[list[str]]:
    from fieldapp.commands.shapes import places_of
    from fieldapp.domain.instant import window_text, zone_of
    from fieldapp.domain.progress import progress_of
    from fieldapp.domain.words import say

    zone, language = zone_of(device.zone), device.language
    rows = []
    for line in lines:
        progress = progress_of(places_of(device, line))
        customer = device.documents.customer(line.view.customer)
        rows.append(
            [
                line.number,
                line.status,
                say(line.view.title, language)[:40],
                (say(customer.name, language) if customer else line.view.customer)[:30],
                window_text(line.view.window_start, line.view.window_end, zone),
                _next_promise(device, line),
                f"{progress.done}/{progress.total}",
                str(line.unsent or ""),
            ]
        )
    return rows


def _next_promise(device: DeviceView, line: JobLine) -> str:
    from fieldapp.domain.instant import duration_text
    from fieldapp.domain.promise import clocks

    if line.status in ("approved", "cancelled", "declined"):
        return ""
    now = device.clock.now()
    due = [
        (clock.due_ms, clock.name, clock.state)
        for clock in clocks(line.view, now)
        if clock.due_ms is not None and clock.state in ("running", "at_risk", "not_started", "broken") and not clock.decided_by
    ]
    if not due:
        return ""
    when, name, state = min(due)
    word = {"at_risk": " at risk", "broken": " broken"}.get(state, "")
    return f"{name} {duration_text(when - now)}{word}"


def _number_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")


def _job(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.store.queries.jobs import find_job

    with reading(arguments.home) as device:
        line = find_job(device.reader, arguments.number)
        if arguments.json:
            from fieldapp.commands.shapes import job_whole

            out.json(job_whole(device, line))
        else:
            _show_job(device, line, out)
    return OK


def _show_job(device: DeviceView, line: JobLine, out: Output) -> None:
    from fieldapp.commands.shapes import places_of, why_words
    from fieldapp.domain.coverage import coverage_words
    from fieldapp.domain.instant import duration_text, local_text, window_text, zone_of
    from fieldapp.domain.progress import blocks_completion, progress_of
    from fieldapp.domain.promise import clocks
    from fieldapp.domain.words import say
    from fieldapp.services.lost_files import lost_files
    from fieldapp.services.names import name_of_person, title_of
    from fieldapp.store.queries.late import late_of
    from fieldapp.store.queries.own import job_files

    lost = frozenset(file.sha256 for file in lost_files(device.home, device.reader, closely=True))
    view, language, zone = line.view, device.language, zone_of(device.zone)
    documents, now = device.documents, device.clock.now()
    places = places_of(device, line)
    progress = progress_of(places)
    customer, site = documents.customer(view.customer), documents.site(view.customer, view.site)
    coverage = coverage_words(view.coverage, view.included, view.excluded, language)
    assets = [documents.asset(asset) for asset in view.assets]
    out.line(f"{line.number}  {say(view.title, language)}  [{line.status}]")
    heads = {
        "Customer": say(customer.name, language) if customer else view.customer,
        "Site": ", ".join(part for part in (say(site.name, language), say(site.address, language)) if part) if site else view.site,
        "Access": say(view.access, language),
        "Asset": "; ".join(
            f"{asset.tag} {say(asset.title, language)} {asset.model} {asset.serial}".strip() if asset else key
            for key, asset in zip(view.assets, assets, strict=True)
        ),
        "Hazards": "; ".join(say(hazard, language) for hazard in view.hazards),
        "Service": f"{title_of(documents, view.product, language)} ({view.kind.replace('_', ' ')})" if view.product else "",
        "Coverage": f"{coverage.title}. {coverage.terms}",
        "Included": "; ".join(coverage.included),
        "Excluded": "; ".join(coverage.excluded),
        "Window": window_text(view.window_start, view.window_end, zone),
        "Assigned": name_of_person(documents, view.assignee) if view.assignee else "",
        "Steps": f"{progress.done}/{progress.total} done, {progress.required_open} required open, ~{progress.minutes_left} min",
        "Unsent": f"{line.unsent} only on this device" if line.unsent else "",
        "Files": "; ".join(files.words for files in job_files(device.reader, line.stream, lost=lost)),
        "About": view.description,
    }
    for head, text in heads.items():
        if text:
            out.line(f"  {head:<9} {text}")
    for clock in clocks(view, now):
        left = f", {duration_text(clock.due_ms - now)}" if clock.due_ms is not None and not clock.decided_by else ""
        due = f", due {local_text(clock.due_ms, zone)}" if clock.due_ms is not None else ""
        out.line(f"  Promise   {say(clock.title, language) or clock.name}: {clock.state.replace('_', ' ')}{due}{left}")
    if places:
        out.line()
        out.table(("STEP", "", "WHAT", "RESULT", "CRITERION"), [_step_row(place, language) for place in places if place.relevant])
    for place in places:
        state = place.state
        if state is not None and state.sent_back is not None and not state.sent_back.corrected:
            out.line(f"  Sent back {place.key}: {state.sent_back.note}")
    for item in view.unresolved:
        if not item.decided:
            out.line(f"  Does not stand: {item.type} by {item.author}: {item.outcome}, {item.reason}")
    for late in late_of(device.reader, line.log, line.stream):
        entry, why = late.line.entry.envelope, why_words(device, late.given_to, late.line.reason)
        received = local_text(late.line.received_at, zone)
        what = f"{entry.type} {late.line.summary}"[:60]
        out.line(f"  Came late, stands: {what} by {name_of_person(documents, entry.author)}, received {received}: {why}")
    blocking = blocks_completion(view, documents.pinned(view.procedures), now, device.zone)
    if blocking and line.status not in ("approved", "cancelled"):
        out.line(f"\n{len(blocking)} open before it can be completed:", lines=True)
        for blocker in blocking:
            out.line(f"  {blocker.key}: {blocker.why}")


_SIGNS = {"pass": "+", "borderline": "~", "fail": "!", "not_applicable": "-", "not_done": "x", "none": "."}


def _step_row(place: StepPlace, language: str) -> list[str]:
    from fieldapp.domain.verdict import criterion_in_words
    from fieldapp.domain.words import say

    step, result = place.step, place.state.result if place.state else None
    shown = ""
    if result is not None:
        value = f"{len(result.value.split())} file(s)" if step.type == "file" and result.value else result.value or ""
        verdict = result.verdict.replace("_", " ") if result.verdict != "none" else ""
        shown = " ".join(part for part in (value[:40], result.unit, verdict, result.reason) if part)
    sign = _SIGNS[result.verdict] if result is not None else "*" if place.required else ""
    criterion = criterion_in_words(step, language, place.procedure.choices_of(step))
    return [place.key, sign, say(step.title, language)[:50], shown, criterion[:60]]


def _log(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import reading
    from fieldapp.store.queries.jobs import find_job
    from fieldapp.store.queries.log import log_of

    with reading(arguments.home) as device:
        job = find_job(device.reader, arguments.number)
        lines = log_of(device.reader, job.log, job.stream)
        if arguments.json:
            from fieldapp.commands.shapes import log_line

            out.json([log_line(line) for line in lines])
            return OK
        from fieldapp.commands.shapes import recorded_text
        from fieldapp.domain.instant import local_text, zone_of
        from fieldapp.services.names import name_of_person

        zone = zone_of(device.zone)
        rows = []
        for line in lines:
            envelope = line.entry.envelope
            outcome = line.outcome or line.lane or ""
            rows.append(
                [
                    str(line.pos) if line.pos is not None else "-",
                    recorded_text(line, zone, seconds=True),
                    local_text(line.received_at, zone, seconds=True) or "not yet",
                    name_of_person(device.documents, envelope.author),
                    envelope.type,
                    line.summary[:80],
                    f"{outcome}: {line.reason}" if line.reason else outcome,
                ]
            )
        out.table(("POS", "RECORDED", "RECEIVED", "BY", "WHAT", "CONTENT", "OUTCOME"), rows)
    return OK


COMMANDS = {
    "jobs": Command(
        _jobs,
        "fieldapp jobs --open --mine",
        _jobs_arguments,
        description="List the jobs on this device: open ones by time window, then the closed ones",
    ),
    "job": Command(
        _job, "fieldapp job J-1042 --json", _number_argument, description="Show one job: where, what, promises, steps with results"
    ),
    "log": Command(
        _log,
        "fieldapp log J-1042",
        _number_argument,
        description="Show everything recorded on a job, in the order of the log, with both times; own unsettled work comes last",
    ),
}
