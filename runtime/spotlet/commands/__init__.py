"""The commands that this package adds to `spotlet`, one module each."""
