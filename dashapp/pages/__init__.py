"""One file a page, each with `layout(...)` and `register(app, engine)`."""
