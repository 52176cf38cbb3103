"""Complementary gaps of matching decoders."""
