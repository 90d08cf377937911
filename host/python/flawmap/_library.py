"""The shared library as ctypes sees it: the structs and functions of flawmap.h."""

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_long, c_size_t, c_ubyte, c_void_p

RGB, BGR, GREY, RGBA, BGRA = range(5)
STOPPED = 8

LINE = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)
PROGRESS = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_long, c_long)


class DetectorOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("at_once", c_int),
        ("sharpen", c_int),
        ("untrained", c_int),
        ("weights", c_char_p),
        ("has_threshold", c_int),
        ("has_pixel_threshold", c_int),
        ("threshold", c_double),
        ("pixel_threshold", c_double),
        ("min_area", c_long),
    ]


class PictureRegion(ctypes.Structure):
    _fields_ = [
        ("x", c_int),
        ("y", c_int),
        ("width", c_int),
        ("height", c_int),
        ("area", c_long),
        ("share", c_double),
        ("peak", c_double),
        ("mean", c_double),
        ("centre_x", c_double),
        ("centre_y", c_double),
    ]


class Picture(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("width", c_int),
        ("height", c_int),
        ("pixels", POINTER(c_ubyte)),
        ("stride", c_size_t),
        ("order", c_int),
        ("map", POINTER(c_float)),
        ("mask", POINTER(c_ubyte)),
        ("repaired", POINTER(c_ubyte)),
        ("regions", POINTER(PictureRegion)),
        ("region_room", c_long),
        ("region_count", c_long),
        ("score", c_float),
        ("flagged", c_int),
    ]


_FUNCTIONS = {
    "fm_version": (c_char_p, []),
    "fm_session_open": (c_int, [c_char_p, POINTER(c_void_p)]),
    "fm_session_close": (None, [c_void_p]),
    "fm_session_device": (c_char_p, [c_void_p]),
    "fm_session_failed": (c_int, [c_void_p]),
    "fm_session_message": (c_char_p, [c_void_p]),
    "fm_session_clear": (None, [c_void_p]),
    "fm_session_log": (None, [c_void_p, LINE, c_void_p]),
    "fm_session_progress": (None, [c_void_p, PROGRESS, c_void_p]),
    "fm_session_cancel": (None, [c_void_p]),
    "fm_detector_open": (c_int, [c_void_p, c_char_p, POINTER(DetectorOptions), POINTER(c_void_p)]),
    "fm_detector_open_bytes": (
        c_int,
        [c_void_p, c_char_p, c_size_t, c_char_p, POINTER(DetectorOptions), POINTER(c_void_p)],
    ),
    "fm_detector_close": (None, [c_void_p]),
    "fm_detector_threshold": (c_double, [c_void_p]),
    "fm_detector_pixel_threshold": (c_double, [c_void_p]),
    "fm_detector_threshold_origin": (c_char_p, [c_void_p]),
    "fm_detector_sharpens": (c_int, [c_void_p]),
    "fm_detector_fact": (c_int, [c_void_p, c_int, POINTER(c_char_p), POINTER(c_char_p)]),
    "fm_detector_score": (c_int, [c_void_p, c_int, POINTER(Picture)]),
    "fm_train": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(c_char_p)]),
    "fm_calibrate": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(c_char_p)]),
    "fm_update": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(c_char_p)]),
}


def _open() -> ctypes.CDLL:
    wanted = os.environ.get("FLAWMAP_LIBRARY")
    try:
        library = ctypes.CDLL(wanted or "libflawmap.so.0")
    except OSError as error:
        raise ImportError(
            "the library libflawmap.so.0 is not there; install flawmap, or name the file in FLAWMAP_LIBRARY: %s" % error
        ) from None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


library = _open()
