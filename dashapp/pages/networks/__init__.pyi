from .page import PATH as PATH
from .page import TITLE as TITLE
from .page import layout as layout
from .page import register as register
