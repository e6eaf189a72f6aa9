"""Where `language_report` is looked up from; it lives in `semreward.languages`."""

from semreward.languages import language_report

__all__ = ["language_report"]
