"""Detectors: a model on a device, that scores numpy arrays; and how models are learned."""

import ctypes
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

import numpy as np

from ._library import BGR, BGRA, GREY, RGB, RGBA, DetectorOptions, Picture, PictureRegion, library
from ._session import Path, Session, encode, option_list

_MOST_REGIONS = 256


class Region(NamedTuple):
    """A connected part of what is over the threshold; all in the picture's pixels."""

    x: int
    y: int
    width: int
    height: int
    area: int
    share: float  #: of the picture's pixels
    peak: float  #: of the map in it
    mean: float
    centre_x: float
    centre_y: float


class Result(NamedTuple):
    """What a picture came to."""

    score: float
    flagged: bool  #: False also where the model has no threshold
    map: np.ndarray  #: float32 [height][width]
    mask: np.ndarray  #: bool [height][width]: True in regions
    regions: List[Region]  #: the highest peak first
    repaired: Optional[np.ndarray]  #: uint8 [height][width][3]; None where maps are not sharpened


def _pixels(array: np.ndarray, bgr: bool) -> "tuple[np.ndarray, int]":
    """The array with rows that have no gaps between pixels, and the order of its channels."""
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise TypeError("a picture is an array of uint8, not of %s" % array.dtype)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        order = GREY
    elif array.ndim == 3 and array.shape[2] in (3, 4):
        order = ((BGRA if bgr else RGBA) if array.shape[2] == 4 else BGR if bgr else RGB)
    else:
        raise ValueError("a picture has the shape (height, width) or (height, width, 3 or 4), not %s" % (array.shape,))
    if 0 in array.shape:
        raise ValueError("a picture of the shape %s has no pixels" % (array.shape,))
    channels = 1 if array.ndim == 2 else array.shape[2]
    plain = array.strides[1] == channels and array.strides[-1] == 1 and array.strides[0] >= channels * array.shape[1]
    return (array if plain else np.ascontiguousarray(array)), order


class Detector:
    """A model that is ready to score. Made by ``load``."""

    def __init__(self, session: Session, pointer: ctypes.c_void_p, owns_session: bool):
        self.session = session
        self._pointer = pointer
        self._owns_session = owns_session

    @property
    def pointer(self) -> ctypes.c_void_p:
        if not self._pointer:
            raise ValueError("the detector is closed")
        return self._pointer

    @property
    def threshold(self) -> float:
        """A picture is flawed where its score is greater; NaN: the model has none."""
        return library.fm_detector_threshold(self.pointer)

    @property
    def pixel_threshold(self) -> float:
        """The same for the pixels of a map."""
        return library.fm_detector_pixel_threshold(self.pointer)

    @property
    def threshold_origin(self) -> str:
        """Where the threshold comes from and what it promises."""
        return library.fm_detector_threshold_origin(self.pointer).decode()

    @property
    def sharpens(self) -> bool:
        """Whether maps are sharpened to the flaws' outlines, so that there are repaired pictures, too."""
        return bool(library.fm_detector_sharpens(self.pointer))

    @property
    def facts(self) -> Dict[str, str]:
        """What is known about the model: method, size, what it learned from, ..."""
        facts, name, value, i = {}, ctypes.c_char_p(), ctypes.c_char_p(), 0
        while library.fm_detector_fact(self.pointer, i, ctypes.byref(name), ctypes.byref(value)):
            facts[(name.value or b"").decode("utf-8", "replace")] = (value.value or b"").decode("utf-8", "replace")
            i += 1
        return facts

    def score(self, picture: np.ndarray, bgr: bool = False) -> Result:
        """Scores one picture: uint8, [height][width] (grey), [height][width][3] (RGB) or [height][width][4] (with an
        alpha channel, which is ignored). ``bgr``: blue comes first, as OpenCV has it."""
        return self.score_all([picture], bgr)[0]

    def score_all(self, pictures: Sequence[np.ndarray], bgr: bool = False) -> List[Result]:
        """Scores any number of pictures of any sizes, as many at a time as ``load``'s ``at_once`` says."""
        held, places = [], (Picture * len(pictures))()
        for place, picture in zip(places, pictures):
            array, order = _pixels(picture, bgr)
            height, width = array.shape[:2]
            out = np.empty((height, width), np.float32), np.empty((height, width), np.uint8)
            repaired = np.empty((height, width, 3), np.uint8) if self.sharpens else None
            regions = (PictureRegion * _MOST_REGIONS)()
            held.append((array, out, repaired, regions))
            place.size, place.width, place.height = ctypes.sizeof(Picture), width, height
            place.pixels = array.ctypes.data_as(type(place.pixels))
            place.stride, place.order = array.strides[0], order
            place.map = out[0].ctypes.data_as(type(place.map))
            place.mask = out[1].ctypes.data_as(type(place.mask))
            if repaired is not None:
                place.repaired = repaired.ctypes.data_as(type(place.repaired))
            place.regions, place.region_room = regions, _MOST_REGIONS
        self.session.check(library.fm_detector_score(self.pointer, len(places), places))
        return [
            Result(
                float(place.score),
                bool(place.flagged),
                out[0],
                out[1] != 0,
                [_region(regions[i]) for i in range(min(place.region_count, _MOST_REGIONS))],
                repaired,
            )
            for place, (_, out, repaired, regions) in zip(places, held)
        ]

    def close(self) -> None:
        """Frees the model's memory on the device; a session that ``load`` made goes with it."""
        if self._pointer:
            library.fm_detector_close(self._pointer)
            self._pointer = ctypes.c_void_p()
            if self._owns_session:
                self.session.close()

    def __enter__(self) -> "Detector":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _region(region: PictureRegion) -> Region:
    return Region(*(getattr(region, name) for name in Region._fields))


def load(
    model: Union[Path, bytes],
    session: Optional[Session] = None,
    at_once: int = 8,
    sharpen: Optional[bool] = None,
    untrained: bool = False,
    weights: Optional[Path] = None,
    threshold: Optional[float] = None,
    pixel_threshold: Optional[float] = None,
    min_area: int = 0,
) -> Detector:
    """A model file, or its bytes, ready to score.

    ``session``: where; None: one of its own on the best device. ``at_once``: pictures that are scored together at
    most. ``sharpen``: None: where the model learned to. ``untrained``: accept a model whose expert is untrained.
    ``threshold``, ``pixel_threshold``: in place of the model's. ``min_area``: regions of fewer pixels are none.
    """
    used = session or Session()
    options = DetectorOptions(
        size=ctypes.sizeof(DetectorOptions),
        at_once=at_once,
        sharpen=0 if sharpen is None else 1 if sharpen else -1,
        untrained=untrained,
        weights=encode(weights),
        has_threshold=threshold is not None,
        has_pixel_threshold=pixel_threshold is not None,
        threshold=threshold or 0,
        pixel_threshold=pixel_threshold or 0,
        min_area=min_area,
    )
    pointer = ctypes.c_void_p()
    if isinstance(model, bytes):
        failed = library.fm_detector_open_bytes(
            used.pointer, model, len(model), None, ctypes.byref(options), ctypes.byref(pointer)
        )
    else:
        failed = library.fm_detector_open(used.pointer, encode(model), ctypes.byref(options), ctypes.byref(pointer))
    used.check(failed)
    return Detector(used, pointer, session is None)


def _work(function: Any, session: Optional[Session], options: Dict[str, Any], *arguments: Optional[bytes]) -> None:
    used = session or Session()
    try:
        used.check(function(used.pointer, *arguments, option_list(options)))
    finally:
        if session is None:
            used.close()


def train(data: Path, model: Path, session: Optional[Session] = None, **options: Any) -> None:
    """Learns from the good pictures of a data set, as ``flawmap train DATA -o MODEL`` does, with its options:
    ``train("pictures", "a.flawmap", method="padim", size="384x256", false_alarms=0.01, refine=True)``."""
    _work(library.fm_train, session, options, encode(data), encode(model))


def calibrate(
    model: Path,
    good: Optional[Path] = None,
    out: Optional[Path] = None,
    session: Optional[Session] = None,
    **options: Any,
) -> None:
    """New thresholds from a folder of good pictures, or by hand (``threshold=...``), as ``flawmap calibrate``."""
    _work(library.fm_calibrate, session, options, encode(model), encode(good), encode(out))


def update(model: Path, good: Path, out: Optional[Path] = None, session: Optional[Session] = None, **options: Any) -> None:
    """New good pictures join a model, as ``flawmap update``."""
    _work(library.fm_update, session, options, encode(model), encode(good), encode(out))
