"""The report of a database as Markdown, with the paper's figures."""
