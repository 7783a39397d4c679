"""Amounts of money are whole micros: millionths of the currency's unit. Pure."""

MICROS_PER_UNIT = 1_000_000
MICROS_PER_CENT = MICROS_PER_UNIT // 100
