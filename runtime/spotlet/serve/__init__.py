"""A run in a browser: a page, events, pictures and metrics, through `serve.sink.ServeSink`.

Nothing is imported here: the libraries of the extra `serve` load only when they are used.
"""
