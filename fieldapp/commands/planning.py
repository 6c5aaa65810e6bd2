"""The office's commands: creating jobs, giving them to people, moving, cancelling and reviewing them."""

from __future__ import annotations

import argparse

from fieldapp.commands.calling import OK, Command, refuse_usage
from fieldapp.commands.output import Output

ORIGINS = ("reactive", "preventive", "proactive", "complaint", "opportunity")


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--customer", required=True, metavar="CUSTOMER", help="id, or a part of the name that only they have")
    parser.add_argument("--service", required=True, metavar="SERVICE", help="code of the service product, or a part of its title")
    parser.add_argument("--asset", action="append", default=[], metavar="ASSET", help="tag, serial or id; say it again for more")
    parser.add_argument(
        "--when", default="", metavar="WHEN", help='"2026-11-22 09:00" or "2026-11-22 09:00/12:00", in the branch\'s zone'
    )
    parser.add_argument("--site", default="", metavar="SITE", help="where, if asset and customer do not tell")
    parser.add_argument("--person", default="", metavar="PERSON", help="assign it at once")
    parser.add_argument("--title", default="", help="instead of the service's title")
    parser.add_argument("--description", default="", help="what the customer said")
    parser.add_argument("--origin", default="reactive", choices=ORIGINS, metavar="ORIGIN", help=", ".join(ORIGINS))
    parser.add_argument(
        "--procedure", action="append", default=[], metavar="CODE", help="a further procedure; say it again for more"
    )


def _new(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing
    from fieldapp.services.creating import JobWish

    wish = JobWish(
        arguments.customer, arguments.service, tuple(arguments.asset), arguments.when, arguments.site, arguments.title,
        arguments.description, arguments.origin, tuple(arguments.procedure),
    )  # fmt: skip
    with writing("fieldapp job-new", arguments.home) as device:
        made = device.office.create(wish, person=arguments.person)
    if arguments.json:
        out.json({"number": made.number, "saved": list(made.saved.entries), "warnings": list(made.warnings)})
        return OK
    out.line(f"Saved: job {made.number}" + (f", assigned to {made.person}" if made.person else ", not assigned yet"))
    for warning in made.warnings:
        out.line(f"  note: {warning}")
    return OK


def _assign_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")
    parser.add_argument("person", metavar="PERSON", help="id or name")


def _assign(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    with writing("fieldapp assign", arguments.home) as device:
        done = device.office.assign(arguments.number, arguments.person)
    if arguments.json:
        out.json(
            {
                "number": done.number,
                "person": done.person.id,
                "before": done.before or None,
                "saved": list(done.saved.entries),
                "warnings": list(done.warnings),
            }
        )
        return OK
    out.line(f"Saved: {done.number} is assigned to {done.person.name}")
    if done.before:
        out.line(
            f"  {done.before} had it. What they recorded and have not sent yet will still arrive: notes, times, parts and "
            "readings stand and are listed as late (`fieldapp desk`); results of steps with their photos, signatures and moves of "
            "the job wait there for a decision."
        )
    for warning in done.warnings:
        out.line(f"  note: {warning}")
    return OK


def _help_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")
    parser.add_argument("person", metavar="PERSON", nargs="*", help="id or name; all who help from now on, nobody to end it")


def _help(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    with writing("fieldapp helpers", arguments.home) as device:
        done = device.office.name_helpers(arguments.number, arguments.person)
    if arguments.json:
        people = [person.id for person in done.people]
        out.json({"number": done.number, "people": people, "saved": list(done.saved.entries)})
        return OK
    names = ", ".join(person.name for person in done.people)
    out.line(f"Saved: {names} on {done.number} as well" if names else f"Saved: nobody else works on {done.number}")
    return OK


def _reschedule_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")
    words = '"2026-11-22 09:00" or "2026-11-22 09:00/12:00", in the branch\'s zone'
    parser.add_argument("when", metavar="WHEN", nargs="?", help=words)
    parser.add_argument("--when", dest="when_option", metavar="WHEN", help="the same, as job-new has it")
    parser.add_argument("--reason", default="", help="why")


def _reschedule(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    if (arguments.when is None) == (arguments.when_option is None):
        refuse_usage("reschedule", "say once when: WHEN or --when WHEN")
    with writing("fieldapp reschedule", arguments.home) as device:
        done = device.office.reschedule(arguments.number, arguments.when or arguments.when_option, reason=arguments.reason)
    return _changed(arguments, out, done.number, done.saved.entries, f"{done.number} has a new time window")


def _cancel_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")
    parser.add_argument("--reason", required=True, help="why; the technician reads it")


def _cancel(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    with writing("fieldapp cancel", arguments.home) as device:
        done = device.office.cancel(arguments.number, arguments.reason)
    return _changed(arguments, out, done.number, done.saved.entries, f"{done.number} is cancelled")


def _review_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")
    parser.add_argument("decision", choices=("approve", "send-back"), metavar="DECISION", help="approve, or send-back STEP...")
    parser.add_argument("step", nargs="*", metavar="STEP", help="steps to be done again")
    parser.add_argument("--note", default="", help="what is wanted; shows on each step sent back")
    parser.add_argument("--anyway", action="store_true", help="approve although something is open; --note says why")


def _review(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    if arguments.decision == "approve" and arguments.step:
        refuse_usage("review", "approve takes no steps")
    if arguments.decision == "send-back" and arguments.anyway:
        refuse_usage("review", "--anyway belongs to approve")
    with writing("fieldapp review", arguments.home) as device:
        if arguments.decision == "approve":
            done = device.office.approve(arguments.number, note=arguments.note, anyway=arguments.anyway)
            words = f"{done.number} is approved"
        else:
            done = device.office.send_back(arguments.number, arguments.step, arguments.note)
            words = f"sent back {', '.join(done.steps)} of {done.number}"
    return _changed(arguments, out, done.number, done.saved.entries, words)


def _changed(arguments: argparse.Namespace, out: Output, number: str, entries: tuple[str, ...], words: str) -> int:
    if arguments.json:
        out.json({"number": number, "saved": list(entries)})
    else:
        out.line(f"Saved: {words}")
    return OK


COMMANDS = {
    "job-new": Command(
        _new,
        'fieldapp job-new --customer huaxin --service CH-QUARTER --asset CH-2 --when "2026-11-22 09:00/12:00" --person tech-chen',
        _new_arguments,
        description="Create a job. It copies what was sold, promised and covered, and pins the newest versions of its procedures",
    ),
    "assign": Command(_assign, "fieldapp assign J-1042 tech-chen", _assign_arguments),
    "helpers": Command(
        _help,
        "fieldapp helpers J-1042 tech-emre",
        _help_arguments,
        description="Say who works on a job beside the one it is assigned to. They hold it on their devices too",
    ),
    "reschedule": Command(_reschedule, 'fieldapp reschedule J-1042 "2026-11-23 13:00/15:00"', _reschedule_arguments),
    "cancel": Command(_cancel, "fieldapp cancel J-1042 --reason 'ordered twice'", _cancel_arguments),
    "review": Command(
        _review,
        "fieldapp review J-1042 send-back oil_pressure --note 'Photo of the gauge, please'",
        _review_arguments,
        description="Approve a job, or send steps back. Approving is refused while something is open, but for --anyway --note",
    ),
}
