"""Complementary gaps: how much heavier the other logical class is."""
