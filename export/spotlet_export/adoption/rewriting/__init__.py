"""The file that is written: the original's graph between the runtime's contract."""
