"""The model package: its files, written at once or not at all."""
