from .dataset import DataMissingError as DataMissingError
from .dataset import Dataset as Dataset
from .registry import DATASETS as DATASETS
from .registry import load as load
