"""Sentence encoders: `local` loads models in this process, `remote` asks servers; all texts go through `engine`."""
