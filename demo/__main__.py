"""Send tickets through a service and a worker, then compare the ledger with the model provider's own invoice."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.bills import Entry, Finished, compare, entries_of, finished_of
from demo.otlp import LogEvent, MetricPoint, Span, SpanEvent
from demo.processes import Child, ChildFailed, Children
from demo.reading import faults_of, runs_of, tokens_of_metrics
from demo.report import draw_run, most_telling
from demo.statement import print_bills, print_comparison, print_explanation, print_models, print_sampling
from demo.tickets import Ticket, plan

_AT_ONCE = 8
_TICKET_TIMEOUT_S = 30.0
_SHOWN_FAULTS = 5
_STATUS = {"failure": 500, "timeout": 504}


class UnexpectedAnswer(Exception):
    """A ticket did not end as its twist says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the receiver got, what the provider billed, and how the front desk explains it.

    Attributes:
        explained: By the ticket's id, what `botanu.explain` says in the front desk.
    """

    spans: list[Span]
    points: list[MetricPoint]
    events: list[LogEvent]
    explained: dict[str, str]
    invoice: list[dict[str, Any]]


def main() -> None:
    """Run the demonstration; exit code 1 when what it shows is not true, 2 when it could not be run."""
    wanted = _arguments()
    console = Console()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        sys.exit(_demonstrate(console, wanted))
    except ChildFailed as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("Stopped; all processes of the demonstration have ended.")
        sys.exit(130)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--tickets", type=_positive, default=200, metavar="N", help="how many tickets (default: 200)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="which tickets (default: 7)")
    parser.add_argument(
        "--sample",
        type=_ratio,
        metavar="RATIO",
        default=0.1,
        help="the head sampler of both, 0.0 to 1.0 (default: 0.1); the ledger does not depend on it",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number, at least 1, got {text}")
    return int(text)


def _ratio(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"a ratio from 0.0 to 1.0, got {text}")
    return number


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _demonstrate(console: Console, wanted: argparse.Namespace) -> int:
    tickets = plan(wanted.tickets, seed=wanted.seed)
    evidence = _gather(console, tickets, sample=wanted.sample)
    return _show(console, evidence, tickets, sample=wanted.sample)


def _gather(console: Console, tickets: Sequence[Ticket], *, sample: float) -> Evidence:
    """Start everything, send the tickets, let the services flush, and read what came out."""
    with tempfile.TemporaryDirectory(prefix="demo-queue-") as queue, Children() as children:
        console.print("Starting four processes: model provider, OTLP receiver, front desk, worker.")
        provider, receiver = children.start("demo.provider"), children.start("demo.receiver")
        provider_url, receiver_url = _url(provider), _url(receiver)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver_url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(sample),
        }
        where = ("--provider", provider_url, "--queue", queue)
        research = children.start("demo.research", *where, environment=environment)
        desk = children.start("demo.frontdesk", *where, environment=environment)
        research.ready()
        desk_url = _url(desk)
        try:
            explained = asyncio.run(_send_all(console, tickets, desk_url=desk_url, provider_url=provider_url))
        except* (httpx.HTTPError, UnexpectedAnswer) as group:
            raise ChildFailed(f"{group.exceptions[0]!r}\n{children.stderr_tails()}") from None
        children.end(desk, research)
        return Evidence(
            spans=[_span(row) for row in _get(f"{receiver_url}/spans")],
            points=[MetricPoint(**row) for row in _get(f"{receiver_url}/points")],
            events=[LogEvent(**row) for row in _get(f"{receiver_url}/events")],
            explained=explained,
            invoice=_get(f"{provider_url}/invoice")["rows"],
        )


def _url(child: Child) -> str:
    return f"http://127.0.0.1:{child.ready()['port']}"


def _get(url: str) -> Any:
    return httpx.get(url, timeout=_TICKET_TIMEOUT_S).raise_for_status().json()


def _span(row: dict[str, Any]) -> Span:
    return Span(**row | {"events": tuple(SpanEvent(**event) for event in row["events"])})


async def _send_all(console: Console, tickets: Sequence[Ticket], *, desk_url: str, provider_url: str) -> dict[str, str]:
    """Send the tickets, eight at a time, each customer over a connection of their own.

    Returns:
        By the id of each ticket that was answered, where its cents come from.
    """
    explained: dict[str, str] = {}
    room = asyncio.Semaphore(_AT_ONCE)
    no_reuse = httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(timeout=_TICKET_TIMEOUT_S, limits=no_reuse) as client,
        _progress(console, len(tickets)) as done,
    ):

        async def send(ticket: Ticket) -> None:
            async with room:
                answer = await _send(client, ticket, desk_url=desk_url, provider_url=provider_url)
            if answer is not None:
                explained[ticket.event_id] = answer["explained"]
            done()

        async with asyncio.TaskGroup() as group:
            for ticket in tickets:
                group.create_task(send(ticket))
    return explained


async def _send(client: httpx.AsyncClient, ticket: Ticket, *, desk_url: str, provider_url: str) -> Any:
    """Send one ticket; an impatient customer closes the connection while the model is thinking.

    Which moment that is, the provider says: it holds that call back before its first byte and does not bill it. So
    what was given up is known to cost nothing, and nobody has to guess what an answer that was never read has cost.

    Returns:
        The answer; `None` without one.
    """
    posted = asyncio.ensure_future(client.post(f"{desk_url}/tickets", json=ticket.model_dump()))
    if ticket.twist == "cancel":
        held = asyncio.ensure_future(client.get(f"{provider_url}/held", params={"key": ticket.event_id}))
        await asyncio.wait((posted, held), return_when=asyncio.FIRST_COMPLETED)
        if not posted.done():
            (await held).raise_for_status()
            posted.cancel()
            await asyncio.wait((posted,))
            return None
        held.cancel()
    response = await posted
    if response.status_code != _STATUS.get(ticket.twist, 200):
        raise UnexpectedAnswer(f"{ticket.event_id} ({ticket.twist}) was answered {response.status_code}")
    return response.json() if response.is_success else None


@asynccontextmanager
async def _progress(console: Console, total: int) -> AsyncIterator[Any]:
    """Yields what to call after each ticket: it moves a bar, or prints a line now and then without a terminal."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("Tickets", total=total)
            yield lambda: bar.advance(task)
    else:
        count = 0

        def done() -> None:
            nonlocal count
            count += 1
            if count % 50 == 0 or count == total:
                console.print(f"{count} of {total} tickets", highlight=False)

        yield done


def _show(console: Console, evidence: Evidence, tickets: Sequence[Ticket], *, sample: float) -> int:
    """Print it all; 0 if ledger and invoice agree to the last digit and every span carries its run."""
    entries, runs = entries_of(evidence.events), finished_of(evidence.events)
    result = compare(entries, evidence.invoice)
    drawable = runs_of(evidence.spans)
    tokens = sum(entry.tokens for entry in entries)
    faults = [*faults_of(evidence.spans), *_faults_of_ledger(entries, runs, tickets, evidence.points)]
    console.print()
    print_bills(console, "What each customer cost, from the ledger", "customer", entries, runs)
    print_bills(console, "By workflow", "workflow", entries, runs)
    print_models(console, entries)
    _print_remarks(console, entries, runs)
    print_sampling(
        console, ratio=sample, traces=len(drawable), tickets=len(tickets), entries=len(entries), tokens=tokens
    )
    console.print()
    if drawable:
        run = most_telling(drawable)
        draw_run(console, run)
        console.print()
        if (explained := evidence.explained.get(run.event_id)) is not None:
            print_explanation(console, run.event_id, explained)
        console.print()
    print_comparison(console, result, entries)
    _print_footer(console, evidence, faults)
    return 1 if faults or result.differs or result.difference_usd else 0


def _faults_of_ledger(
    entries: Sequence[Entry], runs: Sequence[Finished], tickets: Sequence[Ticket], points: Sequence[MetricPoint]
) -> list[str]:
    """What must not be: a run or an entry that is lost, has no owner, or is not in the metrics."""
    faults = []
    if len({run.run_id for run in runs}) != len(tickets):
        faults.append(f"{len(tickets)} tickets made {len(runs)} runs")
    if strangers := {entry.run_id for entry in entries} - {run.run_id for run in runs}:
        faults.append(f"{len(strangers)} runs have entries and have not ended")
    if nobodys := [entry for entry in entries if entry.customer == "–"]:
        faults.append(f"{len(nobodys)} entries belong to no customer")
    in_ledger, in_metrics = sum(entry.tokens for entry in entries), sum(tokens_of_metrics(points))
    if in_ledger != in_metrics:
        faults.append(f"the ledger counts {in_ledger:,} tokens, the metrics {in_metrics:,}")
    return faults


def _print_remarks(console: Console, entries: Sequence[Entry], runs: Sequence[Finished]) -> None:
    unpriced = [entry for entry in entries if entry.usd is None and not entry.is_failed]
    silent = sum(bool(entry.response_id) for entry in unpriced)
    duplicates = sum(run.duplicates for run in runs)
    console.print(
        "Per success: all that was spent, failures included, over the runs that succeeded.\n"
        f"Unpriced: {silent} stream{'s' * (silent != 1)} whose usage nobody asked for, {len(unpriced) - silent} calls "
        "given up before an answer; no money is made up for them.\n"
        f"Seen twice, counted once: {duplicates:,} calls in the front desk, by Anthropic's client and by us.",
        highlight=False,
    )


def _print_footer(console: Console, evidence: Evidence, faults: Sequence[str]) -> None:
    console.print()
    for fault in faults[:_SHOWN_FAULTS]:
        console.print(f"Wrong: {fault}", style="red", markup=False, highlight=False)
    if len(faults) > _SHOWN_FAULTS:
        console.print(f"… and {len(faults) - _SHOWN_FAULTS} more.", style="red")
    if not faults:
        console.print(f"Each of the {len(evidence.spans):,} spans carries the one id of its run.", highlight=False)
    console.print(
        "What you saw: every ticket was one run, over a service, a Celery worker and two providers; its dollars come "
        "from the ledger and were checked against a book that the provider keeps by itself.\n"
        "Look next: [bold]demo/frontdesk.py[/], all a service has to do; then [bold]docs/ledger.md[/].",
        highlight=False,
    )


if __name__ == "__main__":
    main()
