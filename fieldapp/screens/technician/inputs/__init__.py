"""One input for each kind of step. A new kind of step gets its input here and nowhere else."""

from __future__ import annotations

from fieldapp.domain.procedure import StepType
from fieldapp.domain.progress import by_person
from fieldapp.screens.technician.inputs.base import Asked, StepInput
from fieldapp.screens.technician.inputs.check import CheckInput
from fieldapp.screens.technician.inputs.duration import DurationInput
from fieldapp.screens.technician.inputs.files import FileInput
from fieldapp.screens.technician.inputs.long_text import LongTextInput
from fieldapp.screens.technician.inputs.moment import MomentInput
from fieldapp.screens.technician.inputs.number import NumberInput
from fieldapp.screens.technician.inputs.options import OptionInput
from fieldapp.screens.technician.inputs.scan import ScanInput
from fieldapp.screens.technician.inputs.shown import ShownInput
from fieldapp.screens.technician.inputs.signature import SignatureInput
from fieldapp.screens.technician.inputs.timer import TimerInput

__all__ = ["Asked", "StepInput", "input_for"]

_INPUTS: dict[StepType, type[StepInput]] = {
    "check": CheckInput,
    "choice": OptionInput,
    "multiple_choice": OptionInput,
    "number": NumberInput,
    "text": LongTextInput,
    "date": MomentInput,
    "time": MomentInput,
    "datetime": MomentInput,
    "duration": DurationInput,
    "file": FileInput,
    "scan": ScanInput,
    "signature": SignatureInput,
    "note": ShownInput,
    "timer": TimerInput,
    "calculated": ShownInput,
}


def input_for(asked: Asked, text: str) -> StepInput:
    """The input of a step, with what stands in it at first."""
    kind = _INPUTS[asked.place.step.type] if by_person(asked.place.step) else ShownInput
    return kind(asked, text)
