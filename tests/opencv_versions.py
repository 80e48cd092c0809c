"""What tests need of OpenCV."""

import cv2
import pytest

follows_sizes = pytest.mark.skipif(
    not hasattr(cv2, "IStreamReader"),
    reason="before 4.11, OpenCV neither follows a change of size nor reads a second fragment",
)
