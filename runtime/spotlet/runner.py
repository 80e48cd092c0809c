"""A program that computes a network, spoken to over pipes."""
