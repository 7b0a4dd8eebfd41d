"""One HTTP request as ASGI leads it, and which message is the last of its response."""

from collections.abc import Awaitable
from typing import Final

from botanu_fastapi._connection import Connection, Message

__all__ = ["Http"]

_TRAILERS: Final = "http.response.trailers"
# Messages that may be the last of a response, and what says that they are not.
_MORE: Final = {
    "http.response.body": "more_body",
    "http.response.zerocopysend": "more_body",
    "http.response.pathsend": "",
    _TRAILERS: "more_trailers",
}


class Http(Connection):
    """A request and its response."""

    __slots__ = ()

    async def receive(self) -> Message:
        """Pass a message on, and see whether the client has gone away."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.client_is_gone = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message on; the run ends with the last one of the response."""
        # A chunk among others goes straight to the server: there may be thousands, and each frame would show.
        if self._is_told and message.get("more_body"):
            return self._send(message)
        return self._sent(message)

    async def _sent(self, message: Message) -> None:
        kind, is_last = message["type"], False
        if kind == "http.response.start":
            self.started(message["status"])
            self._trailers = bool(message.get("trailers"))
            message = self.with_run(message)
        elif (more := _MORE.get(kind)) is not None:
            is_last = not message.get(more) and (kind == _TRAILERS or not self._trailers)
        if is_last and not self.run.owns_span:
            # Its maker ends it when this message has gone out.
            self.finish()
        try:
            await self._send(message)
        except OSError:
            self.client_is_gone = True
            raise
        if is_last:
            # Behind a 5xx there may come the exception it stands for: where this is outside of what answers for it.
            self.is_complete = True
            if self.status < 500:
                self.finish()
