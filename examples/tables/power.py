"""How small an alignment tax a reading test can see: the power of a paired comparison of exact matches."""

import math
from statistics import NormalDist

from semreward.errors import ArgumentError


def detectable_difference(items: int, discordant: float, *, power: float = 0.8, level: float = 0.05) -> float | None:
    r"""The smallest difference of exact match between two policies that a test of paired answers finds.

    Both policies answer the same questions. With psi the share of questions that exactly one of them gets right and d
    the difference of their exact matches, McNemar's test rejects equality with the given power where

    $$d \sqrt{n} = z_{1-\alpha/2} \sqrt{\psi} + z_{power} \sqrt{\psi - d^2}$$

    which is solved for d. Only the choice of questions is random here: how much a policy changes from one training to
    another is not in it, so comparisons of methods need several seeds beside it.

    Args:
        items: Number of questions n, at least 1.
        discordant: Share psi of questions with exactly one right answer, in [0, 1].
        power: Chance to find a true difference of this size, above `level / 2` and below 1.
        level: Chance to find one where there is none, two-sided, in (0, 1).

    Returns:
        The difference in [0, psi], as a share; `None` where no difference that psi allows is found with this power.

    Raises:
        ArgumentError: An argument is out of its range.

    Source:
        Connor 1987, Biometrics 43(1), https://doi.org/10.2307/2531961, solved for the difference.

    Example:
        >>> round(detectable_difference(2500, 0.10), 4)
        0.0177
        >>> detectable_difference(20, 0.10) is None
        True
    """
    if items < 1:
        raise ArgumentError(f"`items` must be at least 1, got {items}")
    if not 0 <= discordant <= 1:
        raise ArgumentError(f"`discordant` must be a share in [0, 1], got {discordant}")
    if not 0 < level < 1 or not level / 2 < power < 1:
        raise ArgumentError(f"`level` must be in (0, 1) and `power` in (level / 2, 1), got {level} and {power}")
    z_level, z_power = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    under_root = items + z_power**2 - z_level**2
    if under_root < 0:
        return None
    difference = math.sqrt(discordant) * (math.sqrt(items) * z_level + z_power * math.sqrt(under_root))
    difference /= items + z_power**2
    return difference if difference <= discordant else None
