"""A labelled set without files: squares and discs on noise, with exact boxes."""

from dataclasses import dataclass

import numpy as np

from spotlet_training.datasets import Sample


@dataclass(frozen=True)
class Shapes:
    """Pictures of blue squares and red discs; a `Dataset`."""

    count: int
    seed: int = 0
    size_hw: tuple[int, int] = (120, 160)
    class_names: tuple[str, ...] = ("square", "disc")

    def __len__(self) -> int:
        return self.count

    def load(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        height, width = self.size_hw
        image = rng.integers(60, 120, (height, width, 3), np.uint8)
        boxes, class_ids = [], []
        for slot in range(int(rng.integers(1, 4))):
            side = int(rng.integers(20, 45))
            x = int(rng.integers(slot * width // 3, (slot + 1) * width // 3 - min(side, 40)))
            y = int(rng.integers(0, height - side))
            x = min(x, width - side)
            class_id = int(rng.integers(2))
            if class_id == 0:
                image[y : y + side, x : x + side] = (230, 40, 30)
            else:
                yy, xx = np.mgrid[:side, :side] + 0.5 - side / 2
                image[y : y + side, x : x + side][yy**2 + xx**2 <= (side / 2) ** 2] = (30, 40, 230)
            boxes.append((x, y, x + side, y + side))
            class_ids.append(class_id)
        return Sample(
            image,
            np.array(boxes, np.float32),
            np.array(class_ids, np.int64),
            np.zeros(len(boxes), np.bool_),
            f"shapes-{index}",
        )
