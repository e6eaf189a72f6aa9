"""Where `language_report` is looked up from; it lives in `semreward.inspection`."""

from semreward.inspection import language_report

__all__ = ["language_report"]
