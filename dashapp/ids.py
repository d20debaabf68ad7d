"""All component ids of the dashboard, so that a typo is an import error and not a page that does nothing."""

# The shell, present on every page.
LOCATION = "location"  # dcc.Location: the address; a page reads `pathname` and `search` from it
PAGE = "page"  # where the router puts the current page
ROUTE = "route"  # dcc.Store: the router's input: pathname, search, theme
FOLLOWED_PATH = "followed-path"  # dcc.Store: pathname of the current page, if it follows its query itself
PAGE_TITLE = "page-title"  # dcc.Store: the title of the current page, copied to the browser's tab
TITLE_DONE = "title-done"  # dcc.Store: unused output of the callback that copies it
THEME = "theme"  # dcc.Store: 'light' or 'dark', the current theme; an Input for figures
THEME_TOGGLE = "theme-toggle"  # html.Button in the header
GO_TO_CASE = "go-to-case"  # dcc.Input in the header: a case id, Enter opens it
FACTS = "app-facts"  # html.Dl in the header: the network that the page is about
NAV = "nav"  # html.Nav in the header: the pages, the current one marked


def nav_link(to: str) -> dict[str, str]:
    """A link in the header to the page at `to`; a redrawn link has the same id, so it can get focus back."""
    return {"type": "nav-link", "to": to}


# The case list.
def list_link(part: str, value: str) -> dict[str, str]:
    """A control of the list; when redrawn it has the same id, so it can get keyboard focus back."""
    return {"type": "list-link", "part": part, "value": value}


LIST_FIND = "list-find"  # field: case numbers, or words of notes and file names
LIST_RANDOM = "list-random"  # html.Button: opens a random case under the filters
LIST_SAVED = "list-saved"  # the saved views, with their form
LIST_SAVE_NAME = "list-save-name"  # dcc.Input: the name of a new one; Enter saves it
LIST_SAVE = "list-save"  # html.Button


def saved_view(number: int) -> dict[str, str | int]:
    """The button that deletes a saved view."""
    return {"type": "saved-view", "view": number}


# The case view.
CASE_ID = "case-id"  # dcc.Store: id of the case on the page
CASE_NOTICE = "case-notice"  # a line about an address that is not understood, or nothing
CASE_VERDICT = "case-verdict"  # how many layers alarm, and the outcome in the chosen one
CASE_LAYER_TITLE = "case-layer-title"  # heading of the neighbors: names the chosen layer
CASE_SOFTMAX = "case-softmax"  # dcc.Graph
CASE_SOFTMAX_TEXT = "case-softmax-text"  # the true class's rank and probability
CASE_CLASSES = "case-classes"  # the classes that the reader has added to the charts
CASE_COUNTS = "case-counts"  # dcc.Graph: the neighbors distribution
CASE_COUNTS_TEXT = "case-counts-text"  # what was counted, by which metric and rule
CASE_NEIGHBORS = "case-neighbors"  # graph and list; hidden when a layer has no neighbors
CASE_GRAPH = "case-graph"  # cyto.Cytoscape: the neighbor graph; assets/case/graph.js drives it
CASE_GRAPH_TEXT = "case-graph-text"  # what the lengths mean
CASE_GRAPH_VERSION = "case-graph-version"  # dcc.Store: identifies the elements that were sent last
CASE_GRAPH_PLACED = "case-graph-placed"  # dcc.Store: unused output of the graph's browser callbacks
CASE_FIT = "case-fit"  # html.Button: fits the whole graph into view
CASE_LEGEND = "case-legend"  # classes among the neighbors, with their counts
CASE_LIST_HEAD = "case-list-head"  # column titles of the ranked list
CASE_LIST = "case-list"  # the neighbors as a ranked list
CASE_PAGE = "case-page"  # the whole page of a case
CASE_SHOWN = "case-shown"  # dcc.Store: what each part of the page shows now
CASE_DONE = "case-done"  # dcc.Store: unused output of browser callbacks
CASE_TOOLBAR = "case-toolbar"  # switches for the metric and the rule
CASE_PANEL = "case-panel"  # switches for graph, list and twin view; saves the graph as a picture
WHAT_IF = "what-if"  # part of the page; hidden before tuning
WHAT_IF_K = "what-if-k"  # dcc.Slider
WHAT_IF_THRESHOLD = "what-if-threshold"  # dcc.Slider
WHAT_IF_RESET = "what-if-reset"  # html.Button: back to the tuned point
WHAT_IF_LIVE = "what-if-live"  # dcc.Store: k and threshold while a slider is being moved
WHAT_IF_CASE = "what-if-case"  # this case's decision at the sliders' point
WHAT_IF_COUNTS = "what-if-counts"  # the validation cases by outcome, with the change
WHAT_IF_ROC = "what-if-roc"  # dcc.Graph
WHAT_IF_FLIPS = "what-if-flips"  # the cases whose alarm flips
PAIR = "pair"  # part of the page: the case beside one neighbor; hidden without one
PAIR_BODY = "pair-body"  # its content
TWIN = "twin"  # part of the page: the original's neighbors beside these; hidden at first
TWIN_BODY = "twin-body"  # its content


def case_layer(part: str, layer: str) -> dict[str, str]:
    """A button that chooses a layer, in part 'network' (A) or 'decisions' (B)."""
    return {"type": "case-layer", "part": part, "layer": layer}


def case_range(shown: str) -> dict[str, str]:
    """A button that shows the 'first' k neighbors or 'all'."""
    return {"type": "case-range", "range": shown}


def case_link(to: str) -> dict[str, str]:
    """A link that keeps the address's choices: to the 'list', the 'previous' or the 'next' case."""
    return {"type": "case-link", "to": to}


# The case view: notes. Ids include the case, so that a late response never changes the next case.
def case_notes(case: int, part: str) -> dict[str, str | int]:
    """A part of a case's annotations: a text, a field or a field's save state."""
    return {"type": "case-notes", "case": case, "part": part}


def case_verdict(case: int, verdict: str) -> dict[str, str | int]:
    """A button that sets the expert's verdict on the case."""
    return {"type": "case-verdict", "case": case, "verdict": verdict}


def case_tag(case: int, tag: str) -> dict[str, str | int]:
    """A button that removes a tag from the case."""
    return {"type": "case-tag", "case": case, "tag": tag}


# The case view: maps over the images, and the maps of a conv layer.
CASE_PICTURES = "case-pictures"  # the images with the map that lies over them
CASE_CHANNELS = "case-channels"  # the panel of a conv layer's maps, or nothing


def case_map(over: str) -> dict[str, str]:
    """A button that lays a map over the images: 'plain', 'vulnerability' or 'repair'."""
    return {"type": "case-map", "over": over}


def case_channels(layer: str) -> dict[str, str]:
    """A button that opens all maps of a conv layer."""
    return {"type": "case-channels", "layer": layer}


# The detectors' page.
DETECTORS_SEARCH = "detectors-search"  # dcc.Store: the query string that the page shows
DETECTORS_ROC = "detectors-roc"  # dcc.Graph
DETECTORS_THRESHOLDS = "detectors-thresholds"  # dcc.Graph: rates of the chosen detector
DETECTORS_K = "detectors-k"  # dcc.Graph: its accuracy against k


def detector_link(part: str, value: str) -> dict[str, str]:
    """A control of the detectors' page: a filter's value, a column to sort by, a detector to show."""
    return {"type": "detector-link", "part": part, "value": value}


# The networks' page, and two networks side by side.
NETWORKS_FIND = "networks-find"  # field: words of names


def network_link(part: str, value: str) -> dict[str, str]:
    """A control of these pages: a column to sort by, a network or images to compare."""
    return {"type": "network-link", "part": part, "value": value}
