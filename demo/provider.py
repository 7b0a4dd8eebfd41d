"""A model provider on this machine, spoken to by the real ``openai`` and ``anthropic`` clients.

It answers chat completions, embeddings and messages, whole or streamed, and keeps an invoice of what it billed.
A client steers it with request headers, since a demonstration has to be repeatable:

- ``x-demo-fault: 429`` refuses the request with that status; ``429-once`` only until the client's own retry.
- ``x-demo-hold: KEY`` holds the answer back before its first byte, until the client gives up. Nothing is billed then.
- ``x-demo-archive: TOKENS`` makes the prompt so much longer, without sending it.
- ``x-demo-chunk-delay: SECONDS`` is the pause before each chunk. Who leaves half-way pays for what was generated.

It bills by a price list of its own (`demo.pricelist`), to the account whose API key it is.
``GET /invoice`` returns the book, ``GET /held?key=KEY`` returns when that call has arrived and is being held back.
"""

import argparse
import itertools
import json
import math
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

from demo.dialects import DIALECTS, Call, Chunk, Dialect
from demo.invoice import Bill, Invoice, Status, Tokens, tokens_for
from demo.loopback import Handler, LoopbackServer, announce, child_arguments, stop_requested
from demo.pricelist import account_of, charge

__all__ = ["Provider"]

_LONGEST_HOLD_S = 20.0
_RETRY_AFTER_S = "0.01"


class Provider:
    """The provider as a context manager; give `url` to Anthropic's client and `openai_url` to OpenAI's."""

    def __init__(self, *, port: int = 0) -> None:
        self.invoice = Invoice()
        self._server = _ProviderServer(self.invoice, port=port)
        self._is_stopped = False

    @property
    def url(self) -> str:
        """Base address for ``anthropic`` and for the invoice."""
        return self._server.url

    @property
    def openai_url(self) -> str:
        """Base address for ``openai``."""
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Cut every connection; calls that are being held back count as left. May be called twice."""
        if not self._is_stopped:
            self._is_stopped = True
            self.invoice.close()
            self._server.stop()


class _ProviderServer(LoopbackServer):
    def __init__(self, invoice: Invoice, *, port: int) -> None:
        super().__init__(_ProviderHandler, port=port)
        self.invoice = invoice
        self._numbers = itertools.count(1)

    def next_id(self, prefix: str) -> str:
        """A new id for a response; `itertools.count` is atomic under the interpreter's lock."""
        return f"{prefix}{next(self._numbers):06d}"


class _ProviderHandler(Handler):
    server: _ProviderServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/invoice":
            self.answer_json(200, {"rows": self.server.invoice.as_json()})
        elif url.path == "/held":
            key = parse_qs(url.query).get("key", [""])[0]
            held = self.server.invoice.wait_held(key, timeout=_LONGEST_HOLD_S)
            self.answer_json(200 if held else 504, {"held": held})
        else:
            self.answer_json(404, {"error": {"message": f"no such page: {url.path}"}})

    def do_POST(self) -> None:
        raw = self.read_body()
        dialect = DIALECTS.get(urlsplit(self.path).path)
        if dialect is None:
            self.answer_json(404, {"error": {"message": f"no such endpoint: {self.path}", "type": "not_found_error"}})
            return
        body = _parsed(raw)
        if body is None:
            self.answer_json(400, {"error": {"message": "the body is not a JSON object", "type": "invalid_request"}})
            return
        tokens = tokens_for(body, archive=int(self.headers.get("x-demo-archive", "0")))
        if dialect.operation == "embeddings":
            tokens = Tokens(input=tokens.input)
        self._serve(dialect, Call(request_id=self.server.next_id(dialect.id_prefix), body=body, tokens=tokens))

    def _serve(self, dialect: Dialect, call: Call) -> None:
        fault = self._fault()
        if fault is not None:
            self._bill(dialect, call, "overloaded" if fault >= 500 else "rate_limited", Tokens())
            headers = {"retry-after": _RETRY_AFTER_S} | _id_headers(call)
            self.answer_json(fault, dialect.error(fault), headers=headers)
        elif self._client_gave_up():
            self._bill(dialect, call, "canceled", Tokens())
            self.close_connection = True
        elif call.body.get("stream"):
            self._stream(dialect, call)
        else:
            self._bill(dialect, call, "ok", call.tokens)
            self.answer_json(200, dialect.whole(call), headers=_id_headers(call))

    def _fault(self) -> int | None:
        status, _, once = self.headers.get("x-demo-fault", "").partition("-")
        is_retry = self.headers.get("x-stainless-retry-count", "0") != "0"
        return int(status) if status.isdigit() and not (once and is_retry) else None

    def _client_gave_up(self) -> bool:
        key = self.headers.get("x-demo-hold")
        if key is None:
            return False
        self.server.invoice.hold(key)
        return self.client_left(_LONGEST_HOLD_S)

    def _stream(self, dialect: Dialect, call: Call) -> None:
        delay_s = float(self.headers.get("x-demo-chunk-delay", "0"))
        generated = 0.0
        *chunks, last = dialect.chunks(call)
        try:
            self._open_stream(call)
            for chunk in chunks:
                if delay_s and self.client_left(delay_s):
                    raise ConnectionAbortedError
                self._send_chunk(chunk)
                generated = chunk.share
        except OSError:
            self._bill(dialect, call, "interrupted", _so_far(call.tokens, generated))
            self.close_connection = True
            return
        # Before the last byte: a client that has its whole answer finds it on the invoice.
        self._bill(dialect, call, "ok", call.tokens)
        self._send_chunk(last)
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _open_stream(self, call: Call) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        for name, value in _id_headers(call).items():
            self.send_header(name, value)
        self.end_headers()

    def _send_chunk(self, chunk: Chunk) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk.data), chunk.data))
        self.wfile.flush()

    def _account(self) -> str:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return account_of(self.headers.get("x-api-key") or bearer)

    def _bill(self, dialect: Dialect, call: Call, status: Status, tokens: Tokens) -> None:
        account = self._account()
        charged = charge(call.model, call.service_tier, tokens, account)
        self.server.invoice.add(
            Bill(
                request_id=call.request_id,
                provider=dialect.provider,
                model=call.model,
                operation=dialect.operation,
                status=status,
                account=account,
                service_tier=call.service_tier,
                list_usd=str(charged[0]) if charged is not None else "",
                due_usd=str(charged[1]) if charged is not None else "",
                input_tokens=tokens.input,
                output_tokens=tokens.output,
                cached_tokens=tokens.cached,
                cache_write_tokens=tokens.cache_write,
            )
        )


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _so_far(tokens: Tokens, share: float) -> Tokens:
    """What an interrupted stream costs: the whole prompt, and the output that had been generated."""
    return Tokens(
        input=tokens.input,
        output=math.ceil(tokens.output * share),
        cached=tokens.cached,
        cache_write=tokens.cache_write,
        reasoning=math.floor(tokens.reasoning * share),
    )


def _id_headers(call: Call) -> dict[str, str]:
    return {"x-request-id": call.request_id, "request-id": call.request_id}


def main() -> None:
    """Serve until SIGTERM or SIGINT; the first line on standard output is ``{"port": …}``."""
    parser = argparse.ArgumentParser(prog="python -m demo.provider", description=Provider.__doc__)
    wanted = child_arguments(parser)
    asked_to_stop = stop_requested()
    with Provider(port=wanted.port) as provider:
        announce(port=provider.port)
        asked_to_stop.wait()


if __name__ == "__main__":
    main()
