"""Language consistency by script: is every letter of an answer written as the target language writes (eq. 3)?"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.languages import ScriptFilter, expand_scripts, scripts_of
from semreward.rewards.base import CompletionReward, MissingPolicy, Scores, check_missing_policy, column_of, is_column


@dataclass(frozen=True)
class LanguageConsistencyReward(CompletionReward):
    """1 where an answer has letters and all of them belong to the target language's scripts, else 0.

    Digits, punctuation, marks and spaces are neutral; an answer without any letter earns 0. Languages that share a
    script (Tibetan and Dzongkha, Chinese and Japanese kanji) are not told apart. A row is `None` only where its
    language is missing and `on_missing="none"`.

    Args:
        language: BCP-47 tag, such as `"bo"` or `"zh-Hant"`, whose scripts CLDR knows.
        scripts: Instead of a tag, ISO 15924 codes: `("Tibt", "Hani")`.
        language_column: For data in several languages, the column with a tag (or a list of scripts) a row. Rows where
            it is `None` fall back to `language` or `scripts`, if given.
        on_missing: `"raise"`, or `"none"` to let rows without any language pass without a reward.
        name: Metric key.
        reasoning: What becomes of `<think>` blocks; see `semreward.text.remove_reasoning`.

    Raises:
        ArgumentError: Both or none of the ways to name a language are used.
        UnknownLanguageError: A tag has no known script, or a script code does not exist.

    Source:
        Su et al. 2026, section 3.4.2, eq. 3, https://arxiv.org/abs/2605.14366. The paper gives no ranges; counting
        letters only, after NFC, by Unicode's Script and Script_Extensions is our reading.

    Example:
        >>> reward = LanguageConsistencyReward("bo")
        >>> reward(completions=["ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", "ཁོང་གིས་苹果་གསུམ་ཉོས།", "123"])
        [1.0, 0.0, 0.0]
    """

    language: str | None = None
    _: KW_ONLY
    scripts: tuple[str, ...] | None = None
    language_column: str | None = None
    on_missing: MissingPolicy = "raise"
    name: str = "language_consistency"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_missing_policy(self.on_missing)
        if self.language is not None and self.scripts is not None:
            raise ArgumentError("give `language` or `scripts`, not both")
        if self.language is None and self.scripts is None and self.language_column is None:
            raise ArgumentError(
                "give a `language` such as 'bo', or `scripts` such as ('Tibt',), or a `language_column`"
            )
        if self.scripts is not None:
            expand_scripts(self.scripts)
            object.__setattr__(self, "scripts", tuple(self.scripts))
        if self.language is not None:
            scripts_of(self.language)

    def _score(self, answers: list[str], columns: Mapping[str, Any]) -> Scores:
        filters = self._filters(columns, len(answers))
        values = [
            None if allowed is None else float(allowed.is_consistent(answer))
            for answer, allowed in zip(answers, filters, strict=True)
        ]
        return Scores(values)

    def _filters(self, columns: Mapping[str, Any], rows: int) -> list[ScriptFilter | None]:
        if self.language_column is None:
            return [self._default_filter()] * rows
        return [
            self._row_filter(language, row)
            for row, language in enumerate(column_of(columns, self.language_column, rows))
        ]

    def _default_filter(self) -> ScriptFilter | None:
        if self.scripts is not None:
            return ScriptFilter(expand_scripts(self.scripts))
        return None if self.language is None else ScriptFilter(scripts_of(self.language))

    def _row_filter(self, language: object, row: int) -> ScriptFilter | None:
        if language is None:
            default = self._default_filter()
            if default is None and self.on_missing == "raise":
                raise ArgumentError(
                    f"`{self.language_column}` must be a language tag, got None at row {row}; drop the row, give a "
                    "`language` to fall back to, or pass on_missing='none'"
                )
            return default
        try:
            if isinstance(language, str):
                return ScriptFilter(scripts_of(language))
            if is_column(language):
                return ScriptFilter(expand_scripts(language))  # type: ignore[arg-type] # a collection of codes
        except (ArgumentError, ArgumentTypeError) as error:
            raise type(error)(f"`{self.language_column}` at row {row}: {error}") from None
        raise ArgumentTypeError(
            f"`{self.language_column}` must be a language tag or a list of scripts, got {language!r} at row {row}"
        )
