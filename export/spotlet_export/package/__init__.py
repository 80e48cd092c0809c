"""The model package: its files and its record, written whole or not at all."""
