"""Trained model packages that ship with the wheel. Data, no logic."""
