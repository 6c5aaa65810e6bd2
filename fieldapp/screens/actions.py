"""Every action a person can do on a screen, defined once: its key, its label, its help, its name in the palette.

Screens say which they offer (`BINDINGS = bindings("accept", ...)`) and implement `action_<id>`; footer, help, palette and the key
card in the README come from here. `check_action` greys out what does not work now. Letters act only where nothing is typed, so
every action of a step has an F-key as well. tests/screens hold that no two actions of one screen share a key, and that none takes
ctrl+q or a key of terminals and editors.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from fieldapp.language import later as L


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    id: also the name of the method. keys: comma-separated, the first is shown. label: for the footer, one or two words.
    help: one sentence. noun: what it is about, for the palette ("Job: accept"). show: whether the footer lists it.
    """

    id: str
    keys: str
    label: str
    help: str
    noun: str
    show: bool = True


_ALL = (
    # Everywhere
    Action("help", "f1,question_mark", L("help"), L("What can be done on this screen, and how."), L("App")),
    Action("back", "escape", L("back"), L("One level back. Nothing is ever lost by it."), L("App")),
    Action("search", "slash", L("find"), L("Find a job, customer, asset or step by its words."), L("App")),
    Action("language", "f11", L("language"), L("The next language: English, 简体中文, 繁體中文."), L("App"), show=False),
    Action("theme", "ctrl+t", L("colours"), L("The next set of colours: dark, light, high contrast."), L("App"), show=False),
    Action("network", "f12", L("network"), L("Demo: cut or restore the network."), L("Demo"), show=False),
    Action("sync_centre", "s", L("sync"), L("What is saved here, what is sent, and whether it is safe to leave."), L("Sync")),
    Action("today", "f2", L("today"), L("The jobs of the day."), L("Go to"), show=False),
    Action("board", "f3", L("board"), L("All jobs by state and promise."), L("Go to"), show=False),
    Action("desk", "f5", L("desk"), L("What waits for a decision, silent devices, missing files."), L("Go to"), show=False),
    Action("review_queue", "f4", L("review"), L("Finished jobs that wait for a review."), L("Go to"), show=False),
    # A job
    Action("open", "enter", L("open"), L("Open what the cursor is on."), L("Job")),
    Action("accept", "a", L("accept"), L("Accept the job: the customer's response clock stops."), L("Job")),
    Action("decline", "x", L("decline"), L("Decline the job, with a reason."), L("Job")),
    Action("travel", "t", L("travel"), L("On the way to the site."), L("Job")),
    Action("arrive", "v", L("arrive"), L("Arrived on site: the arrival clock stops."), L("Job")),
    Action("start", "w", L("start work"), L("Start the work."), L("Job")),
    Action("pause", "p", L("pause"), L("Pause, with a reason; some reasons stop the promise's clock."), L("Job")),
    Action("resume", "r", L("resume"), L("Go on with the work."), L("Job")),
    Action("complete", "c", L("complete"), L("Check what is open, then hand over to the customer."), L("Job")),
    Action("cannot_complete", "z", L("cannot complete"), L("Say why the job cannot be completed."), L("Job")),
    Action("leave_site", "l", L("leave site"), L("Left the site."), L("Job"), show=False),
    Action("steps", "enter", L("steps"), L("Open the steps where you left off."), L("Job")),
    Action("next_tab", "tab,right_square_bracket", L("next tab"), L("The next part of the job."), L("Job")),
    Action("previous_tab", "shift+tab,left_square_bracket", L("previous tab"), L("The part before."), L("Job"), show=False),
    Action("job_note", "plus", L("note"), L("A note on the job."), L("Job"), show=False),
    Action("commitment", "m", L("commitment"), L("Promise the customer a follow-up by a date."), L("Job"), show=False),
    Action("opportunity", "o", L("opportunity"), L("A need seen on site that the company can serve."), L("Job"), show=False),
    Action("handover", "h", L("hand over"), L("Show the customer what was done; ratings and signature."), L("Job")),
    # A step. Leaving a step out has no letter: `n` in a yes-or-no step is the answer no, and `d` might be meant as done. F3 and F4
    # mean the same wherever the cursor is, and whatever kind of step is open.
    Action("record", "enter", L("record"), L("Record the value and go to the next step."), L("Step")),
    Action("next_step", "f8,ctrl+down", L("next"), L("The next step, without recording."), L("Step")),
    Action("previous_step", "f7,ctrl+up", L("previous"), L("The step before."), L("Step")),
    Action("not_applicable", "f3", L("not applicable"), L("This step does not apply here, with the reason."), L("Step")),
    Action("not_done", "f4", L("not done"), L("This step was not done, with the reason."), L("Step")),
    Action("read_on", "pagedown", L("read on"), L("The next page of a text that does not fit; PgUp goes back."), L("Step")),
    Action("step_note", "f5,plus", L("note"), L("A remark on this step."), L("Step")),
    Action("step_file", "f6,f", L("file"), L("Attach a photo or file from the inbox folder."), L("Step")),
    Action("ask_expert", "f9,e", L("ask"), L("Ask an expert; the answer comes back to this step."), L("Step")),
    Action("suggest", "f10,g", L("suggest"), L("Suggest a better way to do this step."), L("Step")),
    Action("outline", "f2", L("outline"), L("Between the outline and the step."), L("Step")),
    # Where something is typed
    Action("erase_word", "ctrl+w", L("erase word"), L("Take away the word before the cursor."), L("Text"), show=False),
    Action("erase_text", "ctrl+u", L("erase all"), L("Take away everything before the cursor."), L("Text"), show=False),
    # Sync centre
    Action("sync_now", "s", L("sync now"), L("Try to reach the server now."), L("Sync")),
    Action("export_unsent", "x", L("export"), L("Write what is only on this device to a file."), L("Sync")),
    Action("give_up_file", "g", L("give up"), L("Wait no longer for a file that is gone from this device."), L("Sync")),
    Action("diagnose", "d", L("diagnosis"), L("Copy a diagnosis of the connection, in plain words."), L("Sync")),
    # Office
    Action("assign", "a", L("assign"), L("Give the job to a technician."), L("Office")),
    Action("reschedule", "r", L("reschedule"), L("Another time window."), L("Office")),
    Action("cancel_job", "x", L("cancel"), L("Cancel the job, with a reason."), L("Office")),
    Action("approve", "a", L("approve"), L("Approve the job as it is."), L("Review")),
    Action("send_back", "b", L("send back"), L("Send marked steps back, with a note."), L("Review")),
    Action("mark", "space", L("mark"), L("Mark the step to be sent back."), L("Review")),
    Action("filter", "f", L("filter"), L("Only jobs of one state or person."), L("Office")),
    Action("group", "g", L("group"), L("Jobs by promise, by state, or by technician."), L("Office")),
    Action("new_job", "n", L("new job"), L("A new job for a customer."), L("Office")),
    Action("step_order", "o", L("order"), L("Steps in their order, or what failed first."), L("Review")),
    Action("other_side", "tab", L("side"), L("Between the steps and the job's log."), L("Review")),
    # Desk
    Action("desk_read", "space", L("read on"), L("The next page of what is below; after the last one from the top."), L("Desk")),
    Action("desk_theirs", "t", L("second stands"), L("The record that came second stands, with the reason."), L("Desk")),
    Action("desk_ours", "o", L("keep"), L("What stands is kept, with the reason."), L("Desk")),
    Action("desk_merge", "m", L("other value"), L("Neither: another value for the step, with the reason."), L("Desk")),
    Action("desk_release", "r", L("let stand"), L("Let the record stand after all."), L("Desk")),
    Action("desk_dismiss", "x", L("set aside"), L("Put the record aside for good; it stays in the log."), L("Desk")),
    # The customer's turn
    Action("page_on", "enter,f8", L("next"), L("The next page. Every question can be left out."), L("Handover")),
    Action("page_back", "f7", L("back"), L("The page before. What was entered stays."), L("Handover")),
    Action("customer_language", "f2", "English/中文", L("The next language of the customer's pages."), L("Handover")),
    Action("clear_drawing", "f4", L("draw again"), L("Clear the drawn signature."), L("Handover")),
    Action("new_pin", "f6", L("other PIN"), L("Choose another PIN for the locked screen."), L("Handover")),
    Action("unlock", "escape", L("for staff"), L("Back to the app: asks for the technician's PIN."), L("Handover")),
)

ACTIONS: dict[str, Action] = {action.id: action for action in _ALL}


def bindings(*ids: str) -> list[Binding]:
    """Textual bindings of these actions, in the order the footer shows them."""
    return [
        Binding(
            action.keys,
            action.id,
            action.label,
            show=action.show,
            key_display=display(action.keys.split(",")[0]),
            tooltip=action.help,
            id=action.id,
        )
        for action in (ACTIONS[name] for name in ids)
    ]


_SHOWN = {
    "enter": "Enter", "tab": "Tab", "shift+tab": "Shift+Tab", "escape": "Esc", "space": "Space", "slash": "/", "plus": "+",
    "pagedown": "PgDn", "question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]",
}  # fmt: skip


def display(key: str) -> str:
    """A key as footer, help and key card write it."""
    if key in _SHOWN:
        return _SHOWN[key]
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    return key.upper() if len(key) > 1 and key[0] == "f" and key[1:].isdigit() else key
