"""The card of a model package: what the model does, how to use it, what was measured."""
