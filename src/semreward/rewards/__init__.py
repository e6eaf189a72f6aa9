"""Reward functions: `similarity`, `language`, `overlap`, and `composite`, which combines any of them."""
