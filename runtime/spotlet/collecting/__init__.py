"""Frames of a run that are worth a person's time, kept as a labelled set."""
