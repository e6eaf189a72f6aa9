"""Sentence encoders: `local` loads models in this process; `engine` is the path all texts take."""
