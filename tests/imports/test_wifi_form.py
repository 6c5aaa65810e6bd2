"""The Wi-Fi validation form: built from its source, imported without a complaint, judging as its limits say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldapp.domain.expression import Answers, evaluate, evaluate_bool
from fieldapp.domain.procedure import Procedure
from fieldapp.domain.verdict import canonical, judge
from fieldapp.imports.workbook import read_workbook
from fieldapp.imports.xlsform import read_procedure
from fieldapp.screens.values import value_words
from fixtures.forms import FOLDER, build

BOOK = FOLDER / "wifi-validation.xlsx"
SOURCE = FOLDER / "wifi-validation.toml"


@pytest.fixture(scope="module")
def wifi() -> Procedure:
    found = read_procedure(BOOK)
    assert found.refused == ()
    assert found.warnings == ()
    assert found.procedure is not None
    return found.procedure


def test_the_committed_workbook_is_what_its_source_builds() -> None:
    wanted = frozenset({"survey", "choices", "settings"})
    assert read_workbook(BOOK.read_bytes(), wanted) == read_workbook(build(SOURCE), wanted)


def test_building_twice_gives_the_same_bytes() -> None:
    assert build(SOURCE) == build(SOURCE)


def test_it_is_the_procedure_that_products_name(wifi: Procedure) -> None:
    assert (wifi.code, wifi.kind) == ("WIFI-VAL", "service")


def test_every_text_is_in_english_and_both_chinese_scripts(wifi: Procedure) -> None:
    texts = [
        words for step in wifi.steps for words in (step.title, step.instruction, step.hazard, step.constraint_message) if words
    ]
    texts += [step.criterion.message for step in wifi.steps if step.criterion and step.criterion.message]
    texts += [choice.label for choices in wifi.choice_lists.values() for choice in choices]
    texts += [group.title for group in wifi.groups]
    assert texts
    assert all(words.keys() == {"en", "zh_CN", "zh_TW"} for words in [*texts, wifi.title, wifi.purpose])


def test_a_calculated_choice_keeps_the_words_of_its_list(wifi: Procedure) -> None:
    result = wifi.step("result")
    assert result is not None
    assert (result.type, result.choices_from) == ("calculated", "results")
    assert {choice.id: choice.label["zh_CN"] for choice in wifi.choices_of(result)} == {"pass": "通过", "fail": "未通过"}
    assert value_words(wifi, result, "fail") == "not validated"


@pytest.mark.parametrize(
    ("step", "typed", "verdict"),
    [
        ("snr_db", "20", "fail"), ("snr_db", "24.9", "fail"), ("snr_db", "25", "borderline"), ("snr_db", "26", "borderline"),
        ("snr_db", "28", "pass"), ("snr_db", "32 dB", "pass"),
        ("rssi_dbm", "-68", "fail"), ("rssi_dbm", "-67", "borderline"), ("rssi_dbm", "-60", "pass"),
        ("co_channel_dbm", "-84", "fail"), ("co_channel_dbm", "-86", "borderline"), ("co_channel_dbm", "-92", "pass"),
        ("throughput_6ghz_mbps", "499", "fail"), ("throughput_6ghz_mbps", "520", "borderline"),
        ("throughput_6ghz_mbps", "900", "pass"),
        ("throughput_5ghz_mbps", "199", "fail"), ("throughput_24ghz_mbps", "49", "fail"),
        ("latency_ms", "16", "fail"), ("latency_ms", "13,5", "borderline"), ("latency_ms", "9", "pass"),
        ("jitter_ms", "11", "fail"), ("roaming_ms", "101", "fail"), ("roaming_ms", "90", "borderline"),
        ("roaming_ms", "50", "pass"),
        ("ssid_count", "5", "fail"), ("ssid_count", "4", "pass"),
        ("dead_zones", "some", "fail"), ("dead_zones", "none", "pass"), ("owe_guest", "not_met", "fail"),
        ("ssid_names", "corp other", "fail"), ("ssid_names", "corp guest", "pass"),
    ],
)  # fmt: skip
def test_limits(wifi: Procedure, step: str, typed: str, verdict: str) -> None:
    asked = wifi.step(step)
    assert asked is not None
    assert judge(wifi, asked, canonical(wifi, asked, typed), Answers(wifi)).name == verdict


@pytest.mark.parametrize(("name", "verdict"), [("AP-HQ-Lobby", "pass"), ("Lobby", "fail")])
def test_labels_of_access_points(wifi: Procedure, name: str, verdict: str) -> None:
    asked = wifi.step("ap_name")
    assert asked is not None
    assert judge(wifi, asked, name, Answers(wifi, {("ap_count", 0): "2"}), instance=1).name == verdict


GOOD = {
    "bands": "b5 b6", "ap_count": "2", "rssi_dbm": "-60", "snr_db": "32", "co_channel_dbm": "-90", "dead_zones": "none",
    "throughput_6ghz_mbps": "800", "throughput_5ghz_mbps": "300", "latency_ms": "5", "jitter_ms": "2", "roaming_ms": "40",
    "mlo_failover": "met", "client_capacity": "met", "ssid_count": "3", "ssid_names": "corp secure", "vlan_mapping": "met",
    "auth_8021x": "met", "pmf": "met", "rogue_detection": "met",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "result"),
    [
        ({}, "pass"), ({"snr_db": "20"}, "fail"), ({"bands": "b24 b5"}, "fail"), ({"ssid_names": "corp guest"}, "fail"),
        ({"pmf": "not_met"}, "fail"),
    ],
)  # fmt: skip
def test_result_is_calculated_from_all_tests(wifi: Procedure, changed: dict[str, str], result: str) -> None:
    answers = Answers(wifi, {(name, 0): value for name, value in {**GOOD, **changed}.items()})
    step, remediation = wifi.step("result"), wifi.step("remediation")
    assert step is not None
    assert step.calculation
    assert remediation is not None
    assert remediation.relevant
    value = evaluate(step.calculation, answers, ("result", 0))
    assert value == result
    with_result = answers.with_value("result", 0, value)
    assert judge(wifi, step, value, with_result).name == result
    assert evaluate_bool(remediation.relevant, with_result, ("remediation", 0)) is (result == "fail")


def test_one_instance_for_each_access_point_and_no_more_than_sixty(wifi: Procedure) -> None:
    repeat = next(group for group in wifi.groups if group.repeat)
    assert (repeat.id, repeat.repeat, repeat.count) == ("access_points", 60, "${ap_count}")
    assert [step.id for step in wifi.steps if step.group == repeat.id] == ["ap_name", "ap_uplink_gbps", "ap_ssids", "ap_photo"]


def test_a_source_with_a_misspelt_column_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "form.toml"
    path.write_text('[settings]\n[lists]\n[[survey]]\ntype = "text"\nname = "a"\nacept_min = 1\n', encoding="utf-8")
    with pytest.raises(ValueError, match="acept_min is no column"):
        build(path)
