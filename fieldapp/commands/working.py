"""Doing the work: every command is one action, saved on this disk before it says so, with or without a network."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldapp.commands.calling import OK, Command
from fieldapp.commands.output import Output

if TYPE_CHECKING:
    from fieldapp.bootstrap import DeviceServices
    from fieldapp.services.work import Recorded

VERBS = ("accept", "decline", "travel", "arrive", "start", "pause", "resume", "complete", "cannot-complete", "leave")


def _number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMBER", help="number of the job")


def _step(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("step", metavar="STEP", help="the step: STEP, STEP#2 in a repeat, or CODE/STEP")


def _do_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("verb", choices=VERBS, metavar="WHAT", help=", ".join(VERBS))
    parser.add_argument("--reason", default="", help="why (decline, pause and cannot-complete need one)")
    parser.add_argument("--note", default="", help="a remark")


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    _step(parser)
    parser.add_argument("value", metavar="VALUE", help="the value; it may begin with a minus sign")
    parser.add_argument("--note", default="", help="a remark on the result")
    parser.add_argument("--reason", default="", help="why a result that stands is changed")
    parser.add_argument("--asset", default="", metavar="TAG", help="whose reading it is, where the job has several assets")


def _amend_arguments(parser: argparse.ArgumentParser) -> None:
    _step(parser)
    parser.add_argument("value", metavar="VALUE", help="the new value; the old one stays in the log")
    parser.add_argument("--reason", required=True, help="why")
    parser.add_argument("--note", default="", help="a remark on the result")


def _left_out_arguments(parser: argparse.ArgumentParser) -> None:
    _step(parser)
    parser.add_argument("--reason", required=True, help="why: a code of the step where it has some, else your own words")
    parser.add_argument("--note", default="", help="a remark")


def _attach_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("step", metavar="STEP", help="the step; `-` attaches it to the job itself")
    parser.add_argument("file", metavar="FILE", help="the file; it is copied")


def _note_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("value", metavar="TEXT", help="the remark")
    parser.add_argument("--step", default="", metavar="STEP", help="on this step")


def _part_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("part", metavar="PART", help="code from the parts list")
    parser.add_argument("--quantity", default="1", metavar="N", help="how many (1)")
    parser.add_argument("--serial", default="", metavar="SERIAL", help="its serial number")


def _reading_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("quantity", metavar="QUANTITY", help="what was read, such as hour_meter")
    parser.add_argument("value", metavar="VALUE", help="the number")
    parser.add_argument("--unit", default="", help="its unit, where the asset does not say it")
    parser.add_argument("--asset", default="", metavar="TAG", help="which asset, where the job has several")


def _fault_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("symptom", metavar="SYMPTOM", help="code from the list of symptoms, or your own words")
    parser.add_argument("--cause", default="", help="code or words")
    parser.add_argument("--remedy", default="", help="code or words")
    parser.add_argument("--asset", default="", metavar="TAG", help="which asset, where the job has several")
    parser.add_argument("--note", default="", help="a remark")


def _feedback_arguments(parser: argparse.ArgumentParser) -> None:
    _number(parser)
    parser.add_argument("--csat", type=int, metavar="1-5", help="how satisfied the customer is")
    parser.add_argument("--nps", type=int, metavar="0-10", help="how likely they are to recommend us")
    parser.add_argument("--ces", type=int, metavar="1-7", help="how easy it was for them")
    parser.add_argument("--comment", default="", help="what they said")
    parser.add_argument("--contact-me", action="store_true", help="they wish to be called")
    parser.add_argument("--name", default="", help="who signs")
    parser.add_argument("--consent", action="store_true", help="they agreed that their signature is kept")
    parser.add_argument("--language", default="", choices=("en", "zh_CN", "zh_TW"), metavar="CODE", help="en, zh_CN or zh_TW")
    parser.add_argument("--show", action="store_true", help="only print the text that the customer signs; record nothing")


def _saved(arguments: argparse.Namespace, out: Output, what: str, recorded: Recorded) -> int:
    """Say what was saved. It is on this disk, twice, when this is said."""
    plan = recorded.plan
    if arguments.json:
        out.json(
            {
                "saved": list(recorded.saved.entries),
                "number": recorded.number,
                "status": recorded.status,
                "step": plan.key if plan else None,
                "value": plan.value if plan else None,
                "verdict": plan.verdict.name if plan else None,
                "because": plan.verdict.because if plan else "",
                "warnings": list(plan.warnings) if plan else [],
            }
        )
        return OK
    out.line(f"Saved: {what}")
    if plan is not None:
        verdict = plan.verdict
        if verdict.name in ("pass", "borderline", "fail"):
            out.line(f"  {verdict.name}" + (f": {verdict.because}" if verdict.because else ""))
        for body in plan.bodies[1:]:
            out.line(f"  also: {body.summary()}")
        for warning in plan.warnings:
            out.line(f"  note: {warning}")
    return OK


def _on_device(what: str, action: Callable[[DeviceServices, argparse.Namespace], tuple[str, Recorded]]) -> Any:
    """A command that opens the home for writing, does one action, and says what was saved."""

    def run(arguments: argparse.Namespace, out: Output) -> int:
        from fieldapp.bootstrap import writing

        with writing(f"fieldapp {what}", arguments.home) as device:
            words, recorded = action(device, arguments)
            return _saved(arguments, out, words, recorded)

    return run


def _do(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.move(given.number, given.verb, reason=given.reason, note=given.note)
    return f"{done.number} is now {done.status.replace('_', ' ')}", done


def _record(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.record(
        given.number, given.step, given.value, note=given.note, reason=given.reason, asset=given.asset
    )  # fmt: skip
    return _result(done), done


def _amend(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.amend(given.number, given.step, given.value, reason=given.reason, note=given.note)
    return _result(done), done


def _result(done: Recorded) -> str:
    plan = done.plan
    assert plan is not None
    unit = getattr(plan.bodies[0], "unit", "")
    return f"{done.number} {plan.key} = {plan.value} {unit}".rstrip()


def _not_done(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.leave_out(given.number, given.step, "not_done", given.reason, note=given.note)
    assert done.plan is not None
    return f"{done.number} {done.plan.key} not done", done


def _not_applicable(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.leave_out(given.number, given.step, "not_applicable", given.reason, note=given.note)
    assert done.plan is not None
    return f"{done.number} {done.plan.key} does not apply", done


def _attach(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    step = "" if given.step == "-" else given.step
    done = device.work.attach(given.number, step, Path(given.file))
    return f"{Path(given.file).name} at {done.plan.key if done.plan and done.plan.key else done.number}", done


def _note(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.note(given.number, given.value, step=given.step)
    return f"remark on {done.number}", done


def _part(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.part(given.number, given.part, quantity=given.quantity, serial=given.serial)
    return f"{given.quantity} x {given.part} on {done.number}", done


def _reading(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.reading(given.number, given.quantity, given.value, unit=given.unit, asset=given.asset)
    return f"{given.quantity} {given.value} on {done.number}", done


def _fault(device: DeviceServices, given: argparse.Namespace) -> tuple[str, Recorded]:
    done = device.work.fault(
        given.number, given.symptom, cause=given.cause, remedy=given.remedy, asset=given.asset, note=given.note
    )  # fmt: skip
    return f"fault {given.symptom} on {done.number}", done


def _feedback(arguments: argparse.Namespace, out: Output) -> int:
    from fieldapp.bootstrap import writing

    with writing("fieldapp feedback", arguments.home) as device:
        if arguments.show:
            text = device.work.handover_text(arguments.number, arguments.language)
            if arguments.json:
                out.json({"text": text})
            else:
                out.line(text.rstrip("\n"), lines=True)
            return OK
        done = device.work.feedback(
            arguments.number, csat=arguments.csat, nps=arguments.nps, ces=arguments.ces, comment=arguments.comment,
            contact_me=arguments.contact_me, name=arguments.name, consent=arguments.consent, language=arguments.language,
        )  # fmt: skip
        if arguments.json:
            out.json({"saved": list(done.saved.entries), "shown": done.shown, "text": done.text})
        else:
            out.line(f"Saved: the customer's verdict on {arguments.number}")
            if arguments.name:
                out.line(f"  signed by {arguments.name}; SHA-256 of the text shown: {done.shown}")
    return OK


COMMANDS = {
    "do": Command(
        _on_device("do", _do),
        "fieldapp do J-1042 pause --reason waiting_customer",
        _do_arguments,
        description="Move a job through its life. `complete` is refused while something required is open, and says what",
    ),
    "record": Command(
        _on_device("record", _record),
        "fieldapp record J-1042 rssi_dbm -67 --note 'at the reception desk'",
        _record_arguments,
        description="Record the result of a step and hear its verdict at once",
    ),
    "amend": Command(_on_device("amend", _amend), "fieldapp amend J-1042 oil_pressure 1.2 --reason 'misread'", _amend_arguments),
    "not-done": Command(
        _on_device("not-done", _not_done), "fieldapp not-done J-1042 oil_sample --reason no_access", _left_out_arguments
    ),
    "not-applicable": Command(
        _on_device("not-applicable", _not_applicable),
        "fieldapp not-applicable J-1042 oil_sample --reason 'oil-free compressor'",
        _left_out_arguments,
    ),
    "attach": Command(_on_device("attach", _attach), "fieldapp attach J-1042 nameplate photo.jpg", _attach_arguments),
    "note": Command(_on_device("note", _note), "fieldapp note J-1042 'Key is at the gate house'", _note_arguments),
    "part": Command(_on_device("part", _part), "fieldapp part J-1042 FILTER-20 --quantity 2", _part_arguments),
    "reading": Command(_on_device("reading", _reading), "fieldapp reading J-1042 hour_meter 14203", _reading_arguments),
    "fault": Command(
        _on_device("fault", _fault), "fieldapp fault J-1042 high_pressure_trip --cause fouled_condenser", _fault_arguments
    ),
    "feedback": Command(
        _feedback,
        "fieldapp feedback J-1042 --csat 5 --nps 9 --comment 'Quick and clean' --name 'Wu Xiaomei' --consent",
        _feedback_arguments,
        description="Record the customer's verdict, and with --name and --consent their signature under the text --show prints",
    ),
}
