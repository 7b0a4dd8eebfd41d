"""One websocket as ASGI leads it: a run from the handshake until the application returns."""

from typing import Final

from botanu_fastapi._connection import Connection, Message

__all__ = ["Websocket"]

_SWITCHING: Final = 101
_FORBIDDEN: Final = 403
_NO_STATUS: Final = 1005
# RFC 6455, section 7.4: a goodbye, with or without a word. What else a client says is that it broke off.
_GOODBYES: Final = frozenset({1000, 1001, _NO_STATUS})
# What the application says when the mistake is its own: an internal error, a restart, too much to do, a bad gateway.
_OWN_FAULTS: Final = frozenset({1011, 1012, 1013, 1014})


class Websocket(Connection):
    """A connection. Its outcome is told by who ends it, and by which close code."""

    __slots__ = ()

    async def receive(self) -> Message:
        """Pass a message on, and see whether the client has said goodbye, or gone without."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self._is_over:
            self._is_over = True
            self._code = message.get("code", _NO_STATUS)
            # uvicorn says 1005 of a connection that was lost, too; of a goodbye without a code it has a reason, "".
            is_lost = self._code == _NO_STATUS and "reason" not in message
            self.client_is_gone = is_lost or self._code not in _GOODBYES or not self.status
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on, with our header where it answers the handshake."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.started(_SWITCHING)
            message = self.with_run(message)
        elif kind == "websocket.http.response.start":
            self.started(message["status"])
            message = self.with_run(message)
        elif kind == "websocket.close" and not self._is_over:
            self._is_over = True
            self._code = message.get("code", 1000)
            if not self.status:
                self.started(_FORBIDDEN)  # so servers answer a handshake that is closed
        try:
            await self._send(message)
        except OSError:
            self.client_is_gone = True
            raise

    def ended(self, error: BaseException | None = None) -> None:
        """The application has returned or raised."""
        if error is not None and self._is_over and type(error).__name__ == "WebSocketDisconnect":
            error = None  # how Starlette tells the application what the client has said
        if error is not None or self.status != _SWITCHING or self._code is None or self.client_is_gone:
            self.is_complete = self.status != 0 and not self.client_is_gone
            super().ended(error)
        elif self._code in _GOODBYES:
            self.finish("success")
        elif self._code in _OWN_FAULTS:
            self.finish("failed")
        else:
            self.leave_open()
