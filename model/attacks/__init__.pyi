from .loop import AttackResult as AttackResult
from .methods import METHODS as METHODS
from .methods import Method as Method
from .near_median import near_median_stream as near_median_stream
from .one_pixel import attack_stream as attack_stream
from .one_pixel import one_pixel_attack as one_pixel_attack
from .parameters import Parameter as Parameter
from .sweep import corner_sweep as corner_sweep
