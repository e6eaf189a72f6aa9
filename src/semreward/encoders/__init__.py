"""Sentence encoders: `local` loads models in this process, `server` asks servers; all texts go through `engine`."""
