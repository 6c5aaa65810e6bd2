"""The words of the handover text in the three languages of the program: English, Simplified and Traditional Chinese.

Changing what a customer is asked means a new WORDING (handover.py): old answers were given to the old question.
"""

from __future__ import annotations

WORDS: dict[str, tuple[str, str, str]] = {
    "title": ("Service record {number}: {title}", "服务记录 {number}：{title}", "服務紀錄 {number}：{title}"),
    "for": ("For {customer}, {site}", "客户：{customer}，{site}", "客戶：{customer}，{site}"),
    "by": ("Done by {technician}, {time}", "服务人员：{technician}，{time}", "服務人員：{technician}，{time}"),
    "done": ("What was done", "已完成的工作", "已完成的工作"),
    "line": ("{name}: {text}", "{name}：{text}", "{name}：{text}"),
    "more": ("... and {count} more", "……另有 {count} 项", "……另有 {count} 項"),
    "further": (
        "{count} further steps of the standard are recorded",
        "另有 {count} 个标准步骤已记录",
        "另有 {count} 個標準步驟已記錄",
    ),
    "recorded": ("Steps of the standard recorded so far: {count}", "已记录 {count} 个标准步骤", "已記錄 {count} 個標準步驟"),
    "found": ("What was found", "发现的情况", "發現的情況"),
    "parts": ("Parts used", "使用的配件", "使用的零件"),
    "promises": ("What we promised", "我们的承诺", "我們的承諾"),
    "next": ("What happens next", "后续安排", "後續安排"),
    "confirm": (
        "With my name I confirm that this was shown to me. It does not waive any of my rights.",
        "签名表示以上内容已向我出示，不代表放弃任何权利。",
        "簽名表示以上內容已向我出示，不代表放棄任何權利。",
    ),
    "yes": ("yes", "是", "是"),
    "no": ("no", "否", "否"),
    "files": ("{count} file(s)", "{count} 个文件", "{count} 個檔案"),
    "verdict_pass": ("(good)", "（合格）", "（合格）"),
    "verdict_borderline": ("(still good, close to the limit)", "（合格，接近限值）", "（合格，接近限值）"),
    "verdict_fail": ("(not good)", "（不合格）", "（不合格）"),
    "verdict_not_applicable": ("(does not apply)", "（不适用）", "（不適用）"),
    "verdict_not_done": ("(not done)", "（未执行）", "（未執行）"),
    "promise_kept": ("kept", "已兑现", "已兌現"),
    "promise_broken": ("not kept", "未兑现", "未兌現"),
    "promise_not_started": ("not decided yet", "尚未判定", "尚未判定"),
    "promise_running": ("on its way", "进行中", "進行中"),
    "promise_at_risk": ("at risk", "有风险", "有風險"),
    "promise_paused": ("paused", "已暂停", "已暫停"),
    "promise_not_applicable": ("does not apply", "不适用", "不適用"),
    "follow_follow_up_job": ("We plan another visit.", "我们将安排再次上门。", "我們將安排再次到場。"),
}
