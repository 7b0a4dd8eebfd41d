"""gRPC channels with their stock instrumentors: metadata goes by the target that a channel was made for."""

import asyncio
from concurrent import futures

import grpc
import grpc.aio
import pytest

import botanu
from botanu_core.sdk.grpc_targets import host_of_target
from tests.adapters.outbound import OURS, in_a_run

pytestmark = pytest.mark.usefixtures("outside_is_here", "arrived")


@pytest.fixture
def grpc_service():
    """A service that keeps the metadata of its calls: its port, and what came."""
    came = []

    def answer(request, call):
        came.append(call.invocation_metadata())
        return request

    def answers(request, call):
        came.append(call.invocation_metadata())
        yield request

    handlers = {
        "Answer": grpc.unary_unary_rpc_method_handler(answer),
        "Answers": grpc.unary_stream_rpc_method_handler(answers),
        "Join": grpc.stream_unary_rpc_method_handler(lambda requests, call: answer(b"".join(requests), call)),
    }
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("desk.Desk", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, came
    server.stop(None).wait()


def ask(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.unary_unary("/desk.Desk/Answer")(b"hello", timeout=5, metadata=(("x-mine", "1"),)) == b"hello"


def ask_later(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.unary_unary("/desk.Desk/Answer").future(b"hello", timeout=5).result() == b"hello"


def ask_for_a_stream(target):
    with grpc.insecure_channel(target) as channel:
        assert list(channel.unary_stream("/desk.Desk/Answers")(b"hello", timeout=5)) == [b"hello"]


def ask_with_a_stream(target):
    with grpc.insecure_channel(target) as channel:
        assert channel.stream_unary("/desk.Desk/Join")(iter([b"hel", b"lo"]), timeout=5) == b"hello"


def ask_in_a_loop(target):
    async def call():
        async with grpc.aio.insecure_channel(target) as channel:
            return await channel.unary_unary("/desk.Desk/Answer")(b"hello", timeout=5)

    assert asyncio.run(call()) == b"hello"


NOWHERE = "0.0.0.0"
"""Leads to this machine, and is nobody's address: outside."""


@pytest.mark.parametrize(
    ("call", "host", "mode", "expected"),
    [
        *((call, "127.0.0.1", "inside", True) for call in (ask, ask_later, ask_for_a_stream, ask_with_a_stream)),
        *((call, NOWHERE, "inside", False) for call in (ask, ask_later, ask_for_a_stream, ask_with_a_stream)),
        (ask_in_a_loop, "127.0.0.1", "inside", True),
        (ask_in_a_loop, NOWHERE, "inside", False),
        (ask, "ipv4:127.0.0.1", "inside", True),
        (ask, NOWHERE, "always", True),
        (ask, "127.0.0.1", "never", False),
    ],
)
def test_grpc_calls_go_by_the_target_of_their_channel(switch_on, grpc_service, call, host, mode, expected):
    """Which its instrumentor does not say: the run is in the metadata once, beside all that was there."""
    switch_on(propagate_to=mode)
    port, came = grpc_service
    run = in_a_run(call, f"{host}:{port}")
    (metadata,) = came
    (line,) = [value for name, value in metadata if name == "baggage"]
    assert line.count(run.run_id) == int(expected)
    assert expected or not OURS.search(repr(metadata))
    assert "tier=gold" in line
    assert len([name for name, _ in metadata if name == "traceparent"]) == 1
    assert call is not ask or ("x-mine", "1") in [tuple(pair) for pair in metadata]


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("desk:50051", "desk"),
        ("desk", "desk"),
        ("dns:desk:50051", "desk"),
        ("dns:///desk.internal:50051", "desk.internal"),
        ("dns://8.8.8.8/desk.internal:50051", "desk.internal"),
        ("ipv4:10.0.0.1:50051", "10.0.0.1"),
        ("ipv6:[fd00::1]:50051", "fd00::1"),
        ("[::1]:50051", "::1"),
        ("passthrough:///desk:1", "desk"),
        ("unix:/run/desk.sock", "localhost"),
        ("unix-abstract:desk", "localhost"),
        ("ipv4:10.0.0.1:1,8.8.8.8:1", None),
        ("dns:///evil.example/desk", None),
        ("desk@evil.example:1", None),
        ("", None),
        ("dns:", None),
        ("[::1", None),
    ],
)
def test_targets_of_every_form(target, host):
    """One host, or none that can be told."""
    assert host_of_target(target) == host


def test_after_disable_channels_are_as_they_were(switch_on):
    """And none of the functions of gRPC is ours."""
    before = grpc.insecure_channel, grpc.secure_channel, grpc.aio.insecure_channel, grpc.aio.secure_channel
    switch_on()
    assert grpc.insecure_channel is not before[0]
    botanu.disable()
    assert (grpc.insecure_channel, grpc.secure_channel, grpc.aio.insecure_channel, grpc.aio.secure_channel) == before
