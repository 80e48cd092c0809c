"""Pictures labelled by other models, for a person to correct."""
