"""Sets the threads of a program's onnxruntime sessions that has no option for it.

python with_threads.py THREADS PROGRAM [ARGUMENT ...]
"""

import importlib
import os
import runpy
import sys
from typing import Any


def main() -> None:
    """Makes sessions open with that number, then becomes the program."""
    threads = int(sys.argv[1])
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    ort: Any = importlib.import_module("onnxruntime")
    opened: Any = ort.InferenceSession

    def open_session(path: object, sess_options: Any = None, **others: Any) -> Any:
        options = sess_options or ort.SessionOptions()
        options.intra_op_num_threads = threads
        return opened(path, options, **others)

    ort.InferenceSession = open_session
    del sys.argv[:2]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
