"""Sessions: an OpenCL device, what is said about failures, and who hears of notes and progress."""

import ctypes
import os
from typing import Any, Callable, List, Optional, Union

from ._library import LINE, PROGRESS, STOPPED, library

Path = Union[str, "os.PathLike[str]"]


class FlawmapError(RuntimeError):
    """What could not be done, in one sentence; ``kind`` is the number of flawmap.h's enum fm_error_kind."""

    def __init__(self, message: str, kind: int):
        super().__init__(message)
        self.kind = kind


class Stopped(FlawmapError):
    """The work was stopped by ``Session.cancel`` or by a progress function."""


def version() -> str:
    """The library's version, "0.1.0"."""
    return library.fm_version().decode()


def encode(path: Optional[Path]) -> Optional[bytes]:
    return None if path is None else os.fsencode(path)


class Session:
    """A device. ``device``: an index or a part of a name, as ``flawmap devices`` lists them; None: the best one.

    ``log`` is called with every note, ``progress`` with (text, done, total) of long work; it stops the work by
    returning True. An exception in either stops the work, too, and comes out of the call that was at work.
    """

    def __init__(
        self,
        device: Optional[str] = None,
        log: Optional[Callable[[str], Any]] = None,
        progress: Optional[Callable[[str, int, int], Any]] = None,
    ):
        self._raised: Optional[BaseException] = None
        self._pointer = ctypes.c_void_p()
        # They must live as long as the session: the library holds their addresses.
        self._line = LINE(lambda _, text: self._hear(log, text.decode("utf-8", "replace")))
        self._progress = PROGRESS(
            lambda _, text, done, total: bool(self._hear(progress, text.decode("utf-8", "replace"), done, total))
        )
        failed = library.fm_session_open(None if device is None else str(device).encode(), ctypes.byref(self._pointer))
        if failed:
            try:
                self.check(failed)
            finally:
                self.close()
        if log:
            library.fm_session_log(self._pointer, self._line, None)
        if progress:
            library.fm_session_progress(self._pointer, self._progress, None)

    def _hear(self, function: Optional[Callable[..., Any]], *arguments: Any) -> Any:
        try:
            return function(*arguments) if function else None
        except BaseException as error:  # it cannot pass through the library
            self._raised = error
            self.cancel()
            return True

    @property
    def pointer(self) -> ctypes.c_void_p:
        if not self._pointer:
            raise ValueError("the session is closed")
        return self._pointer

    @property
    def device(self) -> str:
        """The device's name."""
        return library.fm_session_device(self.pointer).decode()

    def cancel(self) -> None:
        """What is at work ends soon, with Stopped; from any thread."""
        if self._pointer:
            library.fm_session_cancel(self._pointer)

    def check(self, failed: int) -> None:
        """Raises what the library says where a call of it failed."""
        raised, self._raised = self._raised, None
        if not failed and not raised:
            return
        message = library.fm_session_message(self._pointer).decode("utf-8", "replace")
        if self._pointer:
            library.fm_session_clear(self._pointer)
        if raised:
            raise raised
        raise (Stopped if failed == STOPPED else FlawmapError)(message, failed)

    def close(self) -> None:
        """Gives the device back; its detectors are to be closed before."""
        if self._pointer:
            library.fm_session_close(self._pointer)
            self._pointer = ctypes.c_void_p()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def option_list(options: dict) -> "ctypes.Array[ctypes.c_char_p]":
    """Keywords as the library's list: false_alarms=0.01 is the option false-alarms."""
    words: List[Optional[bytes]] = []
    for name, value in options.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        words += [name.replace("_", "-").encode(), os.fsencode(value) if isinstance(value, os.PathLike) else str(value).encode()]
    words.append(None)
    return (ctypes.c_char_p * len(words))(*words)
