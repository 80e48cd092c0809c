"""One training step after another: batches, assignment, losses, optimiser."""
