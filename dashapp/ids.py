"""Every component id of the dashboard, so that a typo is an import error and not a silent page."""

# The shell, present on every page.
LOCATION = "location"  # dcc.Location: the address; a page reads `pathname` and `search` from it
PAGE = "page"  # where the router puts the current page
SHOWN_PATH = "shown-path"  # dcc.Store: the pathname of the page that PAGE shows now
PAGE_TITLE = "page-title"  # dcc.Store: the title of the current page, copied to the browser's tab
TITLE_DONE = "title-done"  # dcc.Store: sink of the callback that does so
THEME = "theme"  # dcc.Store: 'light' or 'dark', what is shown now; an Input for figures
THEME_TOGGLE = "theme-toggle"  # html.Button in the header
GO_TO_CASE = "go-to-case"  # dcc.Input in the header: a case id, Enter opens it
