"""Measuring tau: the threshold belongs to one encoder and one cold-start policy."""

from semreward.calibration.measures import area_under_curve, best_split, equal_share, mismatched_references
from semreward.calibration.threshold import Calibration, Statistic, calibrate, calibrate_threshold

__all__ = [
    "Calibration",
    "Statistic",
    "area_under_curve",
    "best_split",
    "calibrate",
    "calibrate_threshold",
    "equal_share",
    "mismatched_references",
]
