"""The paper's figures (arXiv 2605.14366, Tables 1 to 6), by table, task, condition and column, to stand beside ours.

They come from other data, another policy and another encoder: which condition is ahead compares, the values do not.
"""

Key = tuple[str, str, str]
"""Task, condition, column."""


def _rows(task: str, columns: str, **rows: str) -> dict[Key, float]:
    """Read one line of numbers a condition; a dash stands for what the paper does not report."""
    return {
        (task, condition, column): float(value)
        for condition, values in rows.items()
        for column, value in zip(columns.split(","), values.split(), strict=True)
        if value != "-"
    }


TABLE_1 = _rows("mt", "BLEU-4,similarity", cold_start="0.3953 0.5593", rl="0.4519 0.7164")

TABLE_2 = _rows("hg", "ROUGE-L,similarity", cold_start="0.2204 0.5774", rl="0.2530 0.6404")

TABLE_3 = _rows(
    "mt",
    "BLEU-4,similarity,CMRC Avg,CMRC F1,win %",
    strong_sft="0.6006 0.8282 41.82 62.99 59.2",
    rl="0.4519 0.7164 46.97 65.79 33.5",
) | _rows(
    "hg",
    "ROUGE-L,similarity,CMRC Avg,CMRC F1,win %",
    strong_sft="0.3095 0.6499 44.20 65.30 35.1",
    rl="0.2530 0.6404 45.10 65.20 51.2",
)

TABLE_4 = _rows(
    "hg",
    "ROUGE-L,similarity",
    transfer_base="0.1585 0.4695",
    transfer_sft="0.1935 0.5456",
    transfer_rl="0.1918 0.5690",
)

TABLE_5 = _rows(
    "mt",
    "similarity",
    rl="0.7164",
    rl_bleu_language="0.6375",
    rl_bleu_embedding_language="0.6175",
    rl_bleu_embedding="0.2312",
)

TABLE_6 = _rows(
    "mt",
    "NLL mean,NLL median,NLL P10,NLL P90,KL mean,KL median,KL P10,KL P90",
    base="2.6097 1.4285 0.3636 5.8844 - - - -",
    cold_start="- - - - 0.0471 0.0099 0.0000 0.0912",
    rl="2.8533 1.5543 0.3848 6.5000 0.0410 0.0073 0.0000 0.0839",
    strong_sft="3.2504 1.7390 0.4636 7.3188 0.0404 0.0113 0.0000 0.0932",
)
"""The paper does not say which task's policies these are; they stand with translation."""
