"""How good a detector is: AP, operating point, latency."""
