"""The only package that writes samples, cases, scores, activations and a network's other results on images.

Each function writes missing rows and leaves existing ones as they are, within its caller's transaction.
"""

from ingest.record.activations import encode_activations, write_activations
from ingest.record.attacks import write_attack_images, write_attacks
from ingest.record.batches import discard_batch, find_batch, register_batch
from ingest.record.cases import NewCase, Original, write_cases, write_originals, write_scores
from ingest.record.maps import write_maps, write_repairs
from ingest.record.networks import (
    compare_layers,
    register_dataset,
    register_dataset_named,
    register_network,
)
from ingest.record.predictions import write_predictions
from ingest.record.reference import write_near_duplicates, write_reference_samples
from ingest.record.samples import make_image_rows, write_images, write_kept_samples, write_samples
from ingest.record.transfers import write_transfers

__all__ = [
    "NewCase",
    "Original",
    "compare_layers",
    "discard_batch",
    "encode_activations",
    "find_batch",
    "make_image_rows",
    "register_batch",
    "register_dataset",
    "register_dataset_named",
    "register_network",
    "write_activations",
    "write_attack_images",
    "write_attacks",
    "write_cases",
    "write_images",
    "write_kept_samples",
    "write_maps",
    "write_near_duplicates",
    "write_originals",
    "write_predictions",
    "write_reference_samples",
    "write_repairs",
    "write_samples",
    "write_scores",
    "write_transfers",
]
