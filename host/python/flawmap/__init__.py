"""flawmap finds flaws in pictures of products: it learns from pictures of good ones alone.

    import flawmap

    flawmap.train("pictures", "bottle.flawmap", method="padim", size=256)
    detector = flawmap.load("bottle.flawmap")
    result = detector.score(array)

The work is done by the shared library libflawmap, on any OpenCL device. A session and its detectors are used by one
thread at a time; threads have sessions of their own.
"""

from ._detector import Detector, Region, Result, calibrate, load, train, update
from ._session import FlawmapError, Session, Stopped, version

__all__ = [
    "Detector",
    "FlawmapError",
    "Region",
    "Result",
    "Session",
    "Stopped",
    "calibrate",
    "load",
    "train",
    "update",
    "version",
]
__version__ = version()
