"""The card of a model package: what the model does, how it is used, what was measured."""
