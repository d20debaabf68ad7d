from .metrics import METRICS as METRICS
from .neighbors import nearest as nearest
from .neighbors import nearest_in_blocks as nearest_in_blocks
from .registry import DETECTORS as DETECTORS
from .registry import Detector as Detector
from .registry import Evidence as Evidence
from .repair import repair_sweep as repair_sweep
from .votes import RULES as RULES
