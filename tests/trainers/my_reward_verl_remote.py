"""What the page says for verl's reward manager `remote`."""

from my_reward import reward

from semreward.integrations.verl import verl_reward

compute_score = verl_reward(reward, synchronous=True)
