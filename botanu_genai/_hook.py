"""The completion hook: called when a call has ended and its span is still open."""

from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.util.genai.completion_hook import CompletionHook, load_completion_hook

from botanu_core.clients import WITHHELD, Capture, failed, scrubbed_value, set_attributes, warn_once
from botanu_core.clients import semconv as sc
from botanu_genai._asked import Asked, take
from botanu_genai._messages import Message, Prompts, of_parts
from botanu_genai._writing import Format, room_on, written

__all__ = ["Hook"]

# OpenTelemetry's words for OpenAI's: the documented attribute has the provider's own.
_OPENAI_REASONS: Final = {"tool_call": "tool_calls"}
_CONTENT: Final = (
    sc.GEN_AI_INPUT_MESSAGES,
    sc.GEN_AI_OUTPUT_MESSAGES,
    sc.GEN_AI_SYSTEM_INSTRUCTIONS,
    "gen_ai.tool.definitions",
)


class Hook:
    """Writes a call's messages on its span, then calls the hook of the user's.

    Args:
        form: In which shape.
        room: How many attributes at most; `None` for as many as the span holds.
        theirs: The user's hook; without one, the one that OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK names.
    """

    def __init__(self, form: Format, room: int | None, theirs: CompletionHook | None) -> None:
        self._form, self._room = form, room
        found = theirs if theirs is not None else load_completion_hook()
        self._theirs = None if type(found).__name__ == "_NoOpCompletionHook" else found

    def written_on(
        self, span: Any, asked: Asked, prompts: Prompts, choices: Sequence[Message], more: int = 0
    ) -> dict[str, Any]:
        """What is to be written of the messages of a call.

        Args:
            span: The call's.
            asked: The call.
            prompts: What it asked.
            choices: What was answered.
            more: How many other attributes are to be written.
        """
        return written(asked, prompts, choices, self._form, room_on(span, self._room, more))

    @property
    def is_chained(self) -> bool:
        """Whether there is a hook of the user's."""
        return self._theirs is not None

    def on_completion(
        self,
        *,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        system_instruction: Sequence[Any],
        tool_definitions: Sequence[Any] | None = None,
        span: Any = None,
        log_record: Any = None,
    ) -> None:
        """See `opentelemetry.util.genai.completion_hook.CompletionHook`."""
        try:
            asked = take(span)
            if asked is not None:
                self._write(asked, span, inputs, outputs, system_instruction)
        except Exception as error:
            failed("genai", error)
        finally:
            if log_record is not None:
                _clean_event(log_record, asked.capture if asked is not None else None)
        if self._theirs is None:
            return
        try:
            self._theirs.on_completion(
                inputs=list(inputs),
                outputs=list(outputs),
                system_instruction=list(system_instruction),
                tool_definitions=list(tool_definitions) if tool_definitions is not None else None,
                span=span,
                log_record=log_record,
            )
        except Exception as error:
            warn_once("genai.hook", "the completion hook raised; the call goes on without it", error=error)

    def _write(
        self, asked: Asked, span: Any, inputs: Sequence[Any], outputs: Sequence[Any], system: Sequence[Any]
    ) -> None:
        prompts = asked.prompts
        if prompts is None:
            read = of_parts(inputs, system)
            prompts = Prompts(read, len(read))
        attributes = self.written_on(span, asked, prompts, _choices(asked, outputs))
        attributes.update(asked.agent)
        if attributes:
            set_attributes(span, attributes)


def _choices(asked: Asked, outputs: Sequence[Any]) -> list[Message]:
    if asked.choices is not None:
        return asked.choices()
    if asked.stop_reason is not None:
        return [each._replace(finish_reason=asked.stop_reason) for each in of_parts(outputs)]
    choices = of_parts(outputs, (), _OPENAI_REASONS)
    return _with_streamed_arguments(choices, asked) if asked.stream is not None else choices


def _with_streamed_arguments(choices: list[Message], asked: Asked) -> list[Message]:
    """The arguments as they were streamed; the hook is given what they mean, without their spacing."""
    buffers = getattr(asked.stream() if asked.stream is not None else None, "_self_choice_buffers", None)
    if buffers is None or len(buffers) != len(choices):
        return choices
    found = []
    for choice, buffer in zip(choices, buffers, strict=True):
        streamed = [each for each in buffer.tool_calls_buffers if each is not None]
        if len(streamed) == len(choice.tool_calls):
            pairs = zip(choice.tool_calls, streamed, strict=True)
            calls = [call._replace(arguments="".join(each.arguments) or call.arguments) for call, each in pairs]
            choice = choice._replace(tool_calls=calls)
        found.append(choice)
    return found


def _clean_event(record: Any, capture: Capture | None) -> None:
    """Scrub what an event is about to say, or take it out: of a call that goes nowhere, or whose run is barred."""
    attributes = record.attributes
    for name in _CONTENT:
        if not attributes or name not in attributes:
            continue
        if capture is None or capture.is_barred:
            del attributes[name]
            continue
        try:
            attributes[name] = scrubbed_value(attributes[name])
        except Exception:
            attributes[name] = WITHHELD
