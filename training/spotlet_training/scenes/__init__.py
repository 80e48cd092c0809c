"""Generated scenes: garments of Fashion-MNIST on photographs, with exact boxes."""

from spotlet_training.scenes.coco_set import write_coco_set
from spotlet_training.scenes.compose import SceneSettings, compose_scene
from spotlet_training.scenes.dataset import SceneDataset, training_scenes, validation_scenes
from spotlet_training.scenes.fashion import CLASS_NAMES, FashionObjects, load_fashion

__all__ = [
    "CLASS_NAMES",
    "FashionObjects",
    "SceneDataset",
    "SceneSettings",
    "compose_scene",
    "load_fashion",
    "training_scenes",
    "validation_scenes",
    "write_coco_set",
]
