"""The words that criteria and verdicts are said in, in the three languages of the program.

They are kept here, and not with the texts of the screens, because reports and the command line say them too.
"""

from __future__ import annotations

from fieldapp.domain.words import Spoken, spoken

_WORDS: dict[str, tuple[str, str, str]] = {
    # key: English, Simplified Chinese, Traditional Chinese
    "between": ("between {low} and {high}", "{low} 至 {high} 之间", "{low} 至 {high} 之間"),
    "exactly": ("exactly {limit}", "正好 {limit}", "正好 {limit}"),
    "at_least": ("at least {limit}", "不低于 {limit}", "不低於 {limit}"),
    "at_most": ("at most {limit}", "不高于 {limit}", "不高於 {limit}"),
    "options": ("{limit}", "{limit}", "{limit}"),
    "or": (" or ", " 或 ", " 或 "),
    "or_limit": (" or ", " 或", " 或"),
    "yes": ("yes", "是", "是"),
    "no": ("no", "否", "否"),
    "minutes": ("min", "分钟", "分鐘"),
    "photo_wanted": ("{limit} photo", "{limit} 张照片", "{limit} 張照片"),
    "photos_wanted": ("at least {limit} photos", "至少 {limit} 张照片", "至少 {limit} 張照片"),
    "of_form": ("of the form {limit}", "格式为 {limit}", "格式為 {limit}"),
    "by_procedure": ("as the procedure works out", "按规程判定", "按規程判定"),
    "warning": ("warning {limit}", "{limit} 时警告", "{limit} 時警告"),
    "warn_below": ("below {limit}", "低于 {limit}", "低於 {limit}"),
    "warn_above": ("above {limit}", "高于 {limit}", "高於 {limit}"),
    "separator": ("; ", "；", "；"),
    "below_min": ("below {limit}, the least that passes", "低于下限 {limit}", "低於下限 {limit}"),
    "above_max": ("above {limit}, the most that passes", "高于上限 {limit}", "高於上限 {limit}"),
    "below_warn_min": ("below the warning limit {limit}", "低于警告值 {limit}", "低於警告值 {limit}"),
    "above_warn_max": ("above the warning limit {limit}", "高于警告值 {limit}", "高於警告值 {limit}"),
    "not_accepted": ("only these pass: {limit}", "合格的选项：{limit}", "合格的選項：{limit}"),
    "pattern": ("not of the form {limit}", "格式应为 {limit}", "格式應為 {limit}"),
    "photos": ("fewer photos than the {limit} asked for", "照片不足 {limit} 张", "照片不足 {limit} 張"),
    "expression": ("the procedure's condition does not hold", "不满足规程条件", "不滿足規程條件"),
    "not_a_number": ("not a number, so it cannot be held against the limits", "不是数字，无法判定", "不是數字，無法判定"),
}  # fmt: skip
_COLUMN: dict[Spoken, int] = {"en": 0, "zh_CN": 1, "zh_TW": 2}


def phrase(key: str, language: str, **parts: str) -> str:
    """The words for a key in a language (English where it is another); the key itself where it has none (an option's id)."""
    words = _WORDS.get(key)
    if words is None:
        return key
    text = words[_COLUMN[spoken(language)]]
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text
