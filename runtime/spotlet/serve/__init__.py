"""A run watched from a browser: a page, events, pictures, metrics. `ServeSink` is the way in.

Nothing is imported here: starlette and uvicorn are an extra, and load only where they are used.
"""
