"""How fast a model runs on this machine, and which session settings are fastest."""
