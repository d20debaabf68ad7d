"""Data sets as arrays of images and labels, registered in DATASETS, and image files of people."""

from model.data.dataset import DataMissingError, Dataset
from model.data.registry import DATASETS, load

__all__ = ["DATASETS", "DataMissingError", "Dataset", "load"]
