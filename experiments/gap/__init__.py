"""`qec gap`: calibration of complementary gaps and postselection."""
