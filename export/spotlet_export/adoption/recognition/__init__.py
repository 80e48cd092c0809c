"""How a network is read: its input, its layout or family, and what its outputs mean."""
