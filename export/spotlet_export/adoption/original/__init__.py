"""The original file: opened, made loadable, run, and decoded a second, slow way."""
