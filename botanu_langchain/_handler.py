"""`BotanuCallbackHandler`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from opentelemetry import context as otel
from opentelemetry.trace import SpanKind, get_current_span

from botanu_core.callbacks import (
    GEN_AI_AGENT_NAME,
    GEN_AI_DATA_SOURCE,
    GEN_AI_OPERATION,
    GEN_AI_WORKFLOW_NAME,
    STEP,
    ConfigError,
    LLMTracker,
    RunContext,
    ToolTracker,
    Tracker,
    composed,
    current_run,
    current_step,
    failed,
    read_reported,
    track_llm_call,
    track_tool_call,
    under,
    warn_once,
)
from botanu_langchain._content import answered, asked
from botanu_langchain._open import Open, OpenCalls, enter, leave_batch, manager_of, note_manager
from botanu_langchain._read import (
    Answer,
    added_up,
    answer_of,
    asked_model,
    asked_provider,
    call_name,
    is_interrupt,
    request_params,
)

__all__ = ["BotanuCallbackHandler"]

_NOTHING: Final[Mapping[str, Any]] = {}
Id = str | Callable[[Mapping[str, Any]], object] | None


class BotanuCallbackHandler(BaseCallbackHandler):
    """One object for a whole process: threads, tasks and requests may share it.

    Uses the run that is current when a chain, graph or call begins. Where there is none, the outermost chain gets a run
    of its own: its name is the workflow, and its end the run's. Code inside a chain does not see that run: put an
    ``event`` around the chain for that.

    Args:
        workflow: The workflow of runs that are opened here; the chain's name without it.
        event_id: Their business key: a text, or a function of the metadata in the chain's config.
        customer_id: Whom they are for; likewise.
        tenant_id: Their tenant; likewise.
        capture: Whether prompts and answers may be captured, where the run is one that is captured.
        steps: Whether chains that are neither graph, agent nor node get a span.

    Raises:
        ConfigError: An option is of a wrong type.
    """

    raise_error = False
    ignore_llm = ignore_chat_model = ignore_chain = False  # properties there, of which every event asks for one

    def __init__(
        self,
        *,
        workflow: str | None = None,
        event_id: Id = None,
        customer_id: Id = None,
        tenant_id: Id = None,
        capture: bool = True,
        steps: bool = True,
    ) -> None:
        if workflow is not None and (not isinstance(workflow, str) or not workflow.strip()):
            raise ConfigError(f"workflow must be text of at least one character, got {type(workflow).__name__}")
        for name, value in (("event_id", event_id), ("customer_id", customer_id), ("tenant_id", tenant_id)):
            if value is not None and not isinstance(value, str) and not callable(value):
                raise ConfigError(f"{name} must be text or a function of the metadata, got {type(value).__name__}")
        for name, flag in (("capture", capture), ("steps", steps)):
            if not isinstance(flag, bool):
                raise ConfigError(f"{name} must be True or False, got {type(flag).__name__}")
        self._workflow, self._capture, self._steps = workflow, capture, steps
        self._ids = {"event_id": event_id, "customer_id": customer_id, "tenant_id": tenant_id}
        self.open = OpenCalls()

    @property
    def run_inline(self) -> bool:  # type: ignore[override]  # a class attribute there
        """Whether LangChain calls this in the caller's own task, and not in an executor at a tenfold cost.

        LangChain hands the start of a plain (not chat) model call to the inline handlers only, where there are any:
        there, and only there, this handler is none if it would be the only one and others went without.
        """
        frame: FrameType | None = sys._getframe(1)
        if frame is not None and frame.f_code.co_name == "<listcomp>":  # no frame of its own from Python 3.12 on
            frame = frame.f_back
        if frame is None or frame.f_code.co_name != "on_llm_start":
            return True
        manager = frame.f_locals.get("self")
        others = [each for each in getattr(manager, "handlers", ()) if not isinstance(each, BotanuCallbackHandler)]
        if not others or any(each.run_inline for each in others):
            return True
        note_manager(manager)
        return False

    # --- chains, graphs, agents ---------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chain, graph, agent or node begins."""
        try:
            name = call_name(serialized, kwargs.get("name"), "chain")
            opened = self._opened(run_id, parent_run_id)
            if opened.run is None and opened.parent is None:
                self._open_run(opened, name, metadata or _NOTHING)
            self._start_chain(opened, name, metadata or _NOTHING)
            self.open.put(opened)
        except Exception as error:
            failed("langchain", error)

    def _open_run(self, opened: Open, name: str, metadata: Mapping[str, Any]) -> None:
        ids = self._identify(metadata)
        run = RunContext.create(
            self._workflow or name[:256],
            event_id=ids.get("event_id"),
            customer_id=ids.get("customer_id"),
            tenant_id=ids.get("tenant_id"),
        )
        is_within = get_current_span(opened.context).get_span_context().is_valid
        kind = SpanKind.INTERNAL if is_within else SpanKind.SERVER
        run.start(f"botanu.run/{run.workflow}", kind, context=opened.context)
        run.announce()
        opened.run = opened.owned = run
        opened.context = composed(run, run.span, opened.context)

    def _identify(self, metadata: Mapping[str, Any]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, ask in self._ids.items():
            try:
                found[name] = ask(metadata) if callable(ask) else ask
            except Exception as error:
                warn_once(
                    f"langchain.{name}", "the function given for %s failed; the run goes on without", name, error=error
                )
        return found

    def _start_chain(self, opened: Open, name: str, metadata: Mapping[str, Any]) -> None:
        attributes: dict[str, Any]
        step = None
        agent, node = metadata.get("lc_agent_name"), metadata.get("langgraph_checkpoint_ns")
        if metadata.get("langgraph_node") == name and node != opened.node:
            opened.node = node
            step, span_name, attributes = name, f"botanu.step/{name}", {STEP: name}
        elif isinstance(agent, str) and agent != opened.agent:
            opened.agent, span_name = agent, f"invoke_agent {agent}"
            attributes = {GEN_AI_OPERATION: "invoke_agent", GEN_AI_AGENT_NAME: agent}
        elif metadata.get("ls_integration") == "langgraph" and opened.agent is None:
            opened.agent, span_name = name, f"invoke_workflow {name}"
            attributes = {GEN_AI_OPERATION: "invoke_workflow", GEN_AI_WORKFLOW_NAME: name}
        elif not self._steps or opened.owned is not None:
            return  # the run's own span tells of the outermost chain
        else:
            span_name, attributes = f"chain {name}", {}
        tracker = Tracker(span_name, SpanKind.INTERNAL, attributes)
        tracker.start(opened.context)
        opened.tracker = tracker
        opened.context = under(opened.run, tracker.span, opened.context)
        if step is not None:
            opened.context = composed(opened.run, tracker.span, opened.context, step)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It has ended."""
        self._end(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It has failed; or has been interrupted, which is no failure."""
        self._end(run_id, None if is_interrupt(error) else error)

    # --- model calls --------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Sequence[Sequence[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model is called."""
        self._start_call("chat", serialized, messages, run_id, parent_run_id, metadata, kwargs)

    def on_llm_start(
        self,
        serialized: Any,
        prompts: Sequence[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A model that completes plain text is called."""
        self._start_call("text_completion", serialized, prompts, run_id, parent_run_id, metadata, kwargs)

    def _start_call(
        self,
        operation: str,
        serialized: Any,
        prompts: Any,
        run_id: UUID,
        parent_run_id: UUID | None,
        metadata: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
    ) -> None:
        try:
            known, params = metadata or _NOTHING, kwargs.get("invocation_params") or _NOTHING
            opened = self._opened(run_id, parent_run_id)
            tracker = track_llm_call(asked_provider(known, params, serialized), asked_model(known, params), operation)
            if asked_with := request_params(params):
                tracker.set_request_params(**asked_with)
            batch = id(params) if kwargs.get("batch_size", 1) != 1 else 0  # alive as long as its prompts are begun
            if batch:
                leave_batch(batch)
            opened.tracker = tracker.start(opened.context)
            if self._capture and tracker.captures:
                asked(tracker, prompts)
            self.open.put(opened, manager_of())
            enter(opened, batch)
        except Exception as error:
            failed("langchain", error)

    def on_llm_new_token(
        self,
        token: Any,
        *,
        chunk: Any = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,  # this and the next are named so as not to be gathered, piece by piece
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """A piece of the answer. There may be thousands, and of most there is nothing to be said."""
        try:
            opened = self.open.by_key.get(run_id.int)
            if opened is None:
                return
            if not opened.has_token and isinstance(opened.tracker, LLMTracker):
                opened.has_token = True
                opened.tracker.set_first_token()
            if usage := getattr(getattr(chunk, "message", None), "usage_metadata", None):
                opened.usage = added_up(opened.usage, usage)
        except Exception as error:
            failed("langchain", error)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """The model has answered."""
        self._end_call(run_id, response, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """The call has failed, perhaps half-way through its answer."""
        self._end_call(run_id, kwargs.get("response"), error)

    def _end_call(self, run_id: UUID, response: Any, error: BaseException | None) -> None:
        try:
            opened = self.open.take(run_id)
            tracker = opened.tracker if opened is not None else None
            if opened is None:
                self._late(response)
            elif isinstance(tracker, LLMTracker):
                self._write(tracker, answer_of(response), response)
                if error is not None:
                    if opened.usage is not None and tracker.usage.input_tokens is None:
                        tracker.report(read_reported("langchain", opened.usage), opened.usage, "cached_tokens")
                    tracker.set_stream_over()
                    if not isinstance(error, Exception):
                        tracker.set_canceled()
                tracker.finish(error)
        except Exception as failure:
            failed("langchain", failure)

    def _late(self, response: Any) -> None:
        """A call that was ended before, or whose start went to other handlers only: what it used is paid for."""
        answer = answer_of(response)
        if answer.told.usage.input_tokens is None and answer.told.usage.output_tokens is None:
            return
        tracker = track_llm_call("unknown", answer.model).start()
        self._write(tracker, answer, response)
        tracker.finish()

    def _write(self, tracker: LLMTracker, answer: Answer, response: Any) -> None:
        answer.tell(tracker)
        if self._capture and tracker.captures:
            answered(tracker, response)

    # --- tools and retrievers -----------------------------------------------------------------------------------

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A tool is called."""
        try:
            opened = self._opened(run_id, parent_run_id)
            name = call_name(serialized, kwargs.get("name"), "tool")
            tracker = track_tool_call(name, kwargs.get("tool_call_id"))
            opened.tracker = tracker.start(opened.context)
            opened.context = under(opened.run, tracker.span, opened.context)
            self.open.put(opened, manager_of())
        except Exception as error:
            failed("langchain", error)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It has answered; a tool that handles its own errors says so in the message."""
        opened = self.open.get(run_id)
        if opened is not None and isinstance(opened.tracker, ToolTracker):
            opened.tracker.set_result(success=getattr(output, "status", None) != "error")
            if isinstance(called := getattr(output, "tool_call_id", None), str):
                opened.tracker.set_tool_call_id(called)
        self._end(run_id, None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It has failed; or has been interrupted, to ask somebody."""
        self._end(run_id, None if is_interrupt(error) else error)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Documents are looked for."""
        try:
            opened = self._opened(run_id, parent_run_id)
            name = call_name(serialized, kwargs.get("name"), "retriever")
            attributes = {GEN_AI_OPERATION: "retrieval", GEN_AI_DATA_SOURCE: name}
            tracker = Tracker(f"retrieval {name}", SpanKind.INTERNAL, attributes)
            opened.tracker = tracker.start(opened.context)
            opened.context = under(opened.run, tracker.span, opened.context)
            self.open.put(opened, manager_of())
        except Exception as error:
            failed("langchain", error)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """They were found."""
        opened = self.open.get(run_id)
        if opened is not None and opened.tracker is not None and isinstance(documents, Sequence):
            opened.tracker.set_items_returned(len(documents))
        self._end(run_id, None)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """They were not."""
        self._end(run_id, error)

    # --- what all share -----------------------------------------------------------------------------------------

    def _opened(self, run_id: UUID, parent_id: UUID | None) -> Open:
        key, parent, now = run_id.int, self.open.get(parent_id), otel.get_current()
        if parent is None:
            return Open(key, None, current_run(now), now, now)
        if now is not parent.around:
            run, around = current_run(now), parent.around
            is_other_run = run is not None and run is not current_run(around) and run is not parent.run
            if is_other_run or current_step(now) not in (None, current_step(around)):
                # A block of the user's, around this and inside the parent: its span is the nearer one.
                return Open(key, parent, run, now, now)
        return Open(key, parent, parent.run, parent.context, parent.around)

    def _end(self, key: UUID, error: BaseException | None) -> None:
        try:
            is_cut = error is not None and not isinstance(error, Exception)
            opened = self.open.take(key, is_cut=is_cut)
            if opened is None:
                return
            if opened.tracker is not None:
                if is_cut:
                    opened.tracker.set_canceled()
                opened.tracker.finish(error)
            if opened.owned is not None:
                if error is not None:
                    opened.owned.fail(error)
                opened.owned.finish(None if error is not None else "success", error)
        except Exception as failure:
            failed("langchain", failure)
