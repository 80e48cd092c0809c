"""The localization experiment: a network that classifies well, localizes poorly, and the cure."""
