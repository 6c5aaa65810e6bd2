"""The program speaks English and Chinese in both scripts, completely: no text untranslated, no catalogue behind its source."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from textual.content import Content

from fieldapp.checks import checks
from fieldapp.domain import decided, outcome, progress
from fieldapp.domain.problem import Problem
from fieldapp.domain.words import Spoken
from fieldapp.language import LANGUAGES, _, language_of_environment, plural, set_language
from fieldapp.locales import catalogues
from fieldapp.screens.actions import ACTIONS
from fieldapp.screens.cause_words import cause_shown, cause_words
from fieldapp.screens.office import open_points
from fieldapp.screens.problem_words import BY_CODE, problem_words
from fieldapp.screens.states import LANE, PROMISE, STATUS, VERDICT
from fieldapp.screens.values import skill_words
from fieldapp.store import import_words, judge
from fixtures.company import read_company
from tests.screens.conftest import NOW, FieldHome
from tests.screens.frames import FOLDER

TRANSLATED = [code for code in LANGUAGES if code != "en"]


def test_catalogues_are_complete_and_compiled() -> None:
    """Run `python -m fieldapp.locales` after changing a text, and translate what it names."""
    assert catalogues.check() == []


def test_every_language_offered_has_a_catalogue() -> None:
    assert sorted(TRANSLATED) == sorted(catalogues.LANGUAGES)
    assert tuple(LANGUAGES) == get_args(Spoken)


@pytest.mark.parametrize("code", TRANSLATED)
def test_the_program_speaks_what_the_catalogue_says(code: str) -> None:
    set_language(code)
    compiled = gettext.translation("fieldapp", catalogues.FOLDER, [code])
    assert _("accept") == compiled.gettext("accept") == {"zh_CN": "接单", "zh_TW": "接單"}[code]
    found = plural("{count} job found", "{count} jobs found", 3).format(count=3)
    assert found == {"zh_CN": "找到 3 张工单", "zh_TW": "找到 3 張工單"}[code]


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"LANG": "zh_TW.UTF-8"}, "zh_TW"), ({"LANG": "zh_HK.UTF-8"}, "zh_TW"), ({"LANG": "de_DE@euro"}, "en"), ({}, "en"),
        ({"LANG": "en_GB.UTF-8", "FIELDAPP_LANGUAGE": "zh_CN"}, "zh_CN"), ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "zh_CN"),
    ],
)  # fmt: skip
def test_the_terminal_names_the_language(environment: dict[str, str], code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIELDAPP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language_of_environment() == code


def test_a_text_without_a_translation_stays_as_it_is() -> None:
    set_language("zh_CN")
    assert _("Nobody has ever translated this.") == "Nobody has ever translated this."
    assert _("") == ""


@pytest.mark.parametrize("code", TRANSLATED)
def test_labels_fit_the_footer_and_words_their_columns(code: str) -> None:
    set_language(code)
    wide = {action.id: _(action.label) for action in ACTIONS.values() if Content(_(action.label)).cell_length > 12}
    assert not wide
    looks = [*STATUS.values(), *VERDICT.values(), *PROMISE.values(), *LANE.values()]
    assert not [word for _glyph, word, _colour in looks if Content(_(word)).cell_length > 12]


def test_simplified_and_traditional_are_not_mixed() -> None:
    """Characters that exist in one script only do not stand in the other's catalogue."""
    simplified, traditional = set("单设务页线户网络问题记录发处时间这为开关审"), set("單設務頁線戶網絡問題記錄發處時間這為開關審")
    for code, foreign in (("zh_CN", traditional - simplified), ("zh_TW", simplified - traditional)):
        texts = [text for message in catalogues.read(code) if message.id for text in catalogues.strings(message)]
        assert not [text for text in texts if foreign & set(text)]


WIDE = "，。；：？！、（）"


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_gap_follows_a_full_width_sign(code: str) -> None:
    """Such a sign brings its own room along. A text that is followed by more says so in its source by a space at its end."""
    texts = {text for message in catalogues.read(code) if message.id for text in catalogues.strings(message)}
    assert len(texts) > 500
    assert not [text for text in texts if re.search(f"[{WIDE}] ", text)]


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_screen_shows_a_gap_after_a_full_width_colon(code: str) -> None:
    """Where a label and a value are joined by the program; and none joins two Chinese words by a narrow colon."""
    frames = [file.read_text(encoding="utf-8") for file in FOLDER.glob(f"*/*.{code}.*.txt")]
    assert frames
    lines = [line for frame in frames for line in frame.splitlines()]
    assert not [line for line in lines if re.search(r"： ?[ ][\w\"~/✓✗(]|[\u4e00-\u9fff]: [\w\"]", line)]


def test_marks_are_found_inside_f_strings_and_nowhere_else() -> None:
    source = 'a = f"✓ {_(\'Safe\')}"\nb = later("x") + other("y") + plural("one", "many", 3)\nc = _(name)\n'
    assert sorted(map(str, catalogues.marked(source))) == ["('one', 'many')", "Safe", "x"]


NEVER_ON_A_SCREEN = {
    "commands": """app-stopped
        file-not-found file-unreadable fixtures-loaded server-failed server-missing unknown-command not-exchanged
        import-not-installed import-refused import-took-too-long bad-code bad-mapping no-mapping not-a-form not-a-spreadsheet
        not-a-table spreadsheet-damaged spreadsheet-encrypted spreadsheet-links spreadsheet-macros spreadsheet-sheets
        spreadsheet-too-large table-too-large""",
    "whoever runs the server": """backup-exists backup-failed backup-newer backup-unreadable bad-name database-in-use
        database-not-empty history-damaged metrics-closed plain-http-refused port-taken role-unknown storage-doubted tls-incomplete
        worker-failed workers-need-postgresql""",
    "device and server among themselves": """bad-encoding bad-request cursor-diverged damaged-in-transit fork gap log-unknown
        part-missing parts-missing push-too-large request-cut-off request-too-large token-expired token-missing token-unknown
        too-many-listeners unknown-encoding unreadable-entry wrong-media-type wrong-part wrong-range""",
}
"""Codes that reach no screen, by who meets them."""
_ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
DOCUMENTED = re.findall(r"^\| `([a-z-]+)` \|", _ERRORS.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_problem_that_a_screen_can_show_has_its_sentence_in_each_language() -> None:
    """A new code in docs/errors.md gets its sentence in screens/problem_words.py, or a place among those that reach no screen."""
    elsewhere = {code for codes in NEVER_ON_A_SCREEN.values() for code in codes.split()}
    assert len(DOCUMENTED) > 100
    assert sorted(set(DOCUMENTED) - elsewhere - set(BY_CODE)) == []
    assert sorted((elsewhere | set(BY_CODE)) - set(DOCUMENTED)) == []
    for code in TRANSLATED:
        set_language(code)
        for problem in BY_CODE:
            said = problem_words(Problem(problem, "Said in English about 'J-1053'.", "Do this."))
            assert said == f"{_(BY_CODE[problem])}{_(' ({named})').format(named='J-1053')}"
            assert "English" not in said


def test_problems_stay_as_they_were_said_in_english() -> None:
    assert problem_words(Problem("not-now", "The job is paused.", "Resume it.")) == "The job is paused. Resume it."


@pytest.mark.parametrize("code", TRANSLATED)
def test_what_blocks_completion_is_said_in_each_language(code: str) -> None:
    """The domain names its blockers in English; the screens have words of their own for each."""
    named = set(blockers_of(Path(progress.__file__).read_text(encoding="utf-8")))
    assert named >= {"required", "corrective", "sent_back", "photos", "stop_work", "procedure_missing"}
    assert named <= set(open_points.WORDS)
    set_language(code)
    assert all(_(text) != text for text in open_points.WORDS.values())


def blockers_of(source: str) -> Iterator[str]:
    """The codes of what blocks: given to a Blocker, or gathered as (code, why) before one is made."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="Blocker"), args=[_, _, ast.Constant(value=str(code)), *_]):
                yield code
            case ast.Call(func=ast.Attribute(attr="append"), args=[ast.Tuple(elts=[ast.Constant(value=str(code)), *_])]):
                yield code


def test_every_cause_that_the_server_names_is_translated() -> None:
    """The texts of outcomes, gathered from where they are decided."""
    set_language("zh_CN")
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in (outcome, decided, judge)]
    causes = [text for source in sources for text in outcomes_of(source)]
    assert len(causes) > 20
    assert [text for text in causes if cause_words(text) == text] == []
    assert cause_words("a job that is in_progress does not allow job.accepted").startswith("作业中")


def outcomes_of(source: str) -> Iterator[str]:
    """Reasons given to an Outcome, or returned as one by a function that says why not; what is filled in stands as `x`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Outcome" and len(node.args) == 2:
            yield from texts_of(node.args[1])
        if isinstance(node, ast.FunctionDef) and node.name in ("misplaced", "_clash", "_in_the_way"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from texts_of(inner.value)


def texts_of(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Subscript):
        yield from texts_of(node.value)
    elif isinstance(node, ast.IfExp):
        yield from texts_of(node.body)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else _filled_in(part) for part in node.values)


def _filled_in(part: ast.expr) -> str:
    """The words of a constant of the domain, such as how a reason begins; `x` for everything else."""
    name = part.value.id if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name) else ""
    return str(getattr(decided, name)) if name.isupper() else "x"


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_finding_of_a_diagnosis_is_translated(field_home: Callable[[str], FieldHome], code: str) -> None:
    """Of a device that is well, and of one with something unsent, without its second copy, with a clock that is wrong."""
    well, troubled = field_home("tech-anna"), field_home("tech-anna")
    with troubled.services() as device:
        device.work.note("J-1053", "Pump runs warm")
        device.replica.set_settings(skew_ms="-900000")
    troubled.home.journal_file.write_bytes(b"")
    found = [check for home in (well, troubled) for check in checks(str(home.home.path), ask_server=False)]
    assert len({check.words for check in found}) > 12
    assert not all(check.ok for check in found)
    set_language(code)
    assert [check.words for check in found if cause_words(check.words) == check.words] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_skills_are_named_not_coded(code: str) -> None:
    """Every skill of the demo company has a name; in what the server says is missing as well; a company's own stay as they are."""
    wanted = {skill for person in read_company(NOW.date()).people.values() for skill in person.skills}
    assert len(wanted) > 3
    assert skill_words(["electrical", "drone_pilot"]) == "electrical, drone_pilot"
    set_language(code)
    named = skill_words(sorted(wanted))
    assert not re.search(r"[a-z_]", named)
    assert cause_words("Emre Aydin is not known to have: fibre, network.") == cause_words(
        "{name} is not known to have: {skills}."
    ).format(name="Emre Aydin", skills=skill_words(["fibre", "network"]))


@pytest.mark.parametrize("code", TRANSLATED)
def test_what_is_said_of_imported_bytes_and_of_files_that_the_server_refuses_is_translated(code: str) -> None:
    set_language(code)
    causes = [
        import_words.IMPORTED, import_words.IMPORTED_IN_PART, import_words.IMPORTED_OTHER, "The server has no room for files.",
        "This server takes files of at most 1,000 bytes.", "the answer was damaged on its way",
        "the server answered 500 without saying why", "the server does not take what was not sent",
    ]  # fmt: skip
    assert [cause for cause in causes if cause_words(cause) == cause] == []


def test_a_sentence_of_the_servers_own_is_not_put_beside_what_is_said_of_the_connection() -> None:
    not_saved = "The disk is full or takes no more, so this was not saved."
    assert cause_shown("server_full", not_saved) == ""
    assert cause_shown("other_server", "This server does not know this device.") == ""
    assert cause_shown("offline", "nothing answers at 127.0.0.1: the server is not running, or the port is wrong") != ""
