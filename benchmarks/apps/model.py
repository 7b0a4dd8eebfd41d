"""A model: its client, and a provider that answers at once, which ``python -m benchmarks.apps.model`` starts."""

import asyncio
import json
import os
import sys
from functools import cache
from typing import Any

__all__ = ["answer", "answer_in_thread"]

_ID = b"chatcmpl-%09d"
_SAID = json.dumps(
    {
        "id": (_ID % 0).decode(),
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "We are sorry. " * 20},
            }
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 80, "total_tokens": 980},
    }
).encode()
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_SAID)


async def answer(ticket: dict[str, Any]) -> str:
    """What the model says of the last messages of a ticket."""
    said = await _client("AsyncOpenAI").chat.completions.create(**_asked(ticket))
    return str(said.choices[0].message.content)


def answer_in_thread(ticket: dict[str, Any]) -> str:
    """The same, while the thread waits."""
    said = _client("OpenAI").chat.completions.create(**_asked(ticket))
    return str(said.choices[0].message.content)


def _asked(ticket: dict[str, Any]) -> dict[str, Any]:
    asked = "\n".join(f"{each['author']}: {each['text']}" for each in ticket["messages"][-10:])
    messages = [{"role": "system", "content": "You answer customers."}, {"role": "user", "content": asked}]
    return {"model": "gpt-4o-mini", "messages": messages}


@cache
def _client(kind: str) -> Any:
    import openai

    make = getattr(openai, kind)
    return make(api_key="k", base_url=f"http://127.0.0.1:{os.environ['BENCH_MODEL']}/v1", max_retries=0)


class _Provider(asyncio.Protocol):
    """One connection; each answer has an id of its own, for a ledger counts none twice."""

    answered = 0

    def __init__(self) -> None:
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, _, body = self._got.partition(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"content-length:")
        if length and len(body) >= int(length.partition(b"\r\n")[0]):
            self._got = b""
            _Provider.answered += 1
            self._transport.write(_HEAD + _SAID.replace(_ID % 0, _ID % _Provider.answered))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
