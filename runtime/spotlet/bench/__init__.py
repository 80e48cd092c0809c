"""How fast a model runs here, and which session settings are fastest."""
