"""Limits that sentences and pages name as well. Pure."""

CLAIM_MINUTES = 10
CLOCK_SKEW_MINUTES = 5
LONGEST_MEASURE_NAME = 100
