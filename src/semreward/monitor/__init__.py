"""Warns of reward hacking while training runs. Only `RewardMonitor` loads transformers."""
