"""Other readings, tried where a network finds nothing or nonsense."""
