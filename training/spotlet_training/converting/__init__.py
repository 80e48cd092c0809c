"""A labelled set, written in another format."""
