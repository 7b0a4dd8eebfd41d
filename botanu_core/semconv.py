"""Every attribute, metric and baggage key, once, with where it is defined.

Keys under ``botanu.`` are ours (docs/attributes.md). The others are OpenTelemetry's: ``gen_ai.*`` from the GenAI
conventions, ``db.*``, ``messaging.*``, ``http.*``, ``url.*`` and ``error.type`` from the general ones.
"""

from typing import Final

# --- the run, on every span ------------------------------------------------------------------------------------
RUN_ID: Final = "botanu.run_id"
WORKFLOW: Final = "botanu.workflow"
WORKFLOW_VERSION: Final = "botanu.workflow.version"
ENVIRONMENT: Final = "botanu.environment"
EVENT_ID: Final = "botanu.event_id"
CUSTOMER_ID: Final = "botanu.customer_id"
TENANT_ID: Final = "botanu.tenant_id"
PARENT_RUN_ID: Final = "botanu.parent_run_id"
ROOT_RUN_ID: Final = "botanu.root_run_id"
RETRY_OF_RUN_ID: Final = "botanu.retry_of_run_id"
ATTEMPT: Final = "botanu.attempt"
STEP: Final = "botanu.step"
TEAM: Final = "botanu.team"
COST_CENTER: Final = "botanu.cost_center"
REGION: Final = "botanu.region"
DEADLINE: Final = "botanu.deadline"  # baggage only
CANCELLED: Final = "botanu.cancelled"  # baggage only
CAPTURE: Final = "botanu.capture"  # baggage only

# --- the run's own span, and what leaves when it ends -----------------------------------------------------------
RUN_STARTED: Final = "botanu.run.started"  # span event
RUN_COMPLETED: Final = "botanu.run.completed"  # span event, log event and counter
RUN_DURATION_MS: Final = "botanu.run.duration_ms"
RUN_JOINED: Final = "botanu.run.joined"
RUN_STARTED_AT: Final = "botanu.run.started_at"
RUN_ENDED_AT: Final = "botanu.run.ended_at"
RUN_DURATION: Final = "botanu.run.duration"
RUN_TASKS_PUBLISHED: Final = "botanu.run.tasks_published"

OUTCOME_STATUS: Final = "botanu.outcome.status"
OUTCOME_VALUE_TYPE: Final = "botanu.outcome.value_type"
OUTCOME_VALUE_AMOUNT: Final = "botanu.outcome.value_amount"
OUTCOME_CONFIDENCE: Final = "botanu.outcome.confidence"
OUTCOME_REASON: Final = "botanu.outcome.reason"
OUTCOME_ERROR_TYPE: Final = "botanu.outcome.error_type"
OUTCOME_EXPECTED: Final = "botanu.outcome.expected"
OUTCOME_METADATA: Final = "botanu.outcome.metadata."
CORRELATION: Final = "botanu.correlation."

# --- model calls ------------------------------------------------------------------------------------------------
GEN_AI_OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_TOP_P: Final = "gen_ai.request.top_p"
GEN_AI_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
GEN_AI_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
GEN_AI_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
GEN_AI_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_PROMPT: Final = "gen_ai.prompt."
GEN_AI_COMPLETION: Final = "gen_ai.completion."
MESSAGES_OMITTED: Final = "botanu.messages.omitted"
TOOLS_OMITTED: Final = "botanu.messages.tools_omitted"
OPENAI_USER: Final = "gen_ai.openai.request.user"
OPENAI_SEED: Final = "gen_ai.openai.request.seed"
OPENAI_RESPONSE_FORMAT: Final = "gen_ai.openai.request.response_format"
OPENAI_TOOLS: Final = "gen_ai.openai.request.tools."
BEDROCK_TOOLS: Final = "gen_ai.bedrock.request.tools."
BEDROCK_AGENT_ALIAS: Final = "gen_ai.bedrock.agent_alias.id"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_WORKFLOW_NAME: Final = "gen_ai.workflow.name"
GEN_AI_DATA_SOURCE: Final = "gen_ai.data_source.id"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  (a metric label, not a secret)
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
USAGE_CACHED_TOKENS: Final = "botanu.usage.cached_tokens"
USAGE_CACHE_READ_TOKENS: Final = "botanu.usage.cache_read_tokens"
USAGE_CACHE_WRITE_TOKENS: Final = "botanu.usage.cache_write_tokens"
VENDOR: Final = "botanu.vendor"
VENDOR_REQUEST_ID: Final = "botanu.vendor.request_id"
VENDOR_CLIENT_REQUEST_ID: Final = "botanu.vendor.client_request_id"
REQUEST_STREAMING: Final = "botanu.request.streaming"
REQUEST_INCLUDE_USAGE: Final = "botanu.request.include_usage"
REQUEST_CACHE_HIT: Final = "botanu.request.cache_hit"
REQUEST_ATTEMPT: Final = "botanu.request.attempt"
COST_USD: Final = "botanu.cost.usd"
COST_SOURCE: Final = "botanu.cost.source"
COST_DUPLICATE: Final = "botanu.cost.duplicate"
USAGE_QUALITY: Final = "botanu.usage.quality"
EVAL_INPUT_CONTENT: Final = "botanu.eval.input_content"
EVAL_OUTPUT_CONTENT: Final = "botanu.eval.output_content"

# --- the ledger -------------------------------------------------------------------------------------------------
LEDGER_ENTRY: Final = "botanu.ledger.entry"  # log event
ENTRY_ID: Final = "botanu.entry_id"
ENTRY_KIND: Final = "botanu.entry_kind"
ENTRY_NAME: Final = "botanu.entry_name"
COST_USD_EXACT: Final = "botanu.cost.usd_exact"
PRICE_ID: Final = "botanu.price.id"
PRICE_CONTEXT: Final = "botanu.price."
TOKENS: Final = "botanu.tokens."
UNITS: Final = "botanu.units."
CALL_STATUS: Final = "botanu.call.status"
CALL_DURATION_S: Final = "botanu.call.duration_s"
RUN_COST_USD: Final = "botanu.run.cost_usd"
RUN_COST_USD_EXACT: Final = "botanu.run.cost_usd_exact"
RUN_LLM_CALLS: Final = "botanu.run.llm_calls"
RUN_UNPRICED_CALLS: Final = "botanu.run.unpriced_calls"
RUN_DUPLICATE_CALLS: Final = "botanu.run.duplicate_calls"
RUN_INPUT_TOKENS: Final = "botanu.run.input_tokens"
RUN_OUTPUT_TOKENS: Final = "botanu.run.output_tokens"
RUN_TOOL_CALLS: Final = "botanu.run.tool_calls"

# --- tools ------------------------------------------------------------------------------------------------------
TOOL_SUCCESS: Final = "botanu.tool.success"
TOOL_ITEMS_RETURNED: Final = "botanu.tool.items_returned"
TOOL_BYTES_PROCESSED: Final = "botanu.tool.bytes_processed"
TOOL_DURATION_MS: Final = "botanu.tool.duration_ms"

# --- databases, storage, messaging ------------------------------------------------------------------------------
DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
DB_NAMESPACE: Final = "db.namespace"
DB_COLLECTION_NAME: Final = "db.collection.name"
DB_SYSTEM: Final = "db.system"  # the older spellings, which the documentation promises
DB_OPERATION: Final = "db.operation"
DB_NAME: Final = "db.name"
DATA_ROWS_RETURNED: Final = "botanu.data.rows_returned"
DATA_ROWS_AFFECTED: Final = "botanu.data.rows_affected"
DATA_OBJECTS_COUNT: Final = "botanu.data.objects_count"
DATA_BYTES_READ: Final = "botanu.data.bytes_read"
DATA_BYTES_WRITTEN: Final = "botanu.data.bytes_written"
WAREHOUSE_QUERY_ID: Final = "botanu.warehouse.query_id"
WAREHOUSE_BYTES_SCANNED: Final = "botanu.warehouse.bytes_scanned"
STORAGE_SYSTEM: Final = "botanu.storage.system"
STORAGE_OPERATION: Final = "botanu.storage.operation"
STORAGE_BUCKET: Final = "botanu.storage.bucket"
MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION: Final = "messaging.operation"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_MESSAGE_ID: Final = "messaging.message.id"
TASK_NAME: Final = "botanu.task.name"
TASK_ATTEMPT: Final = "botanu.task.attempt"
TASK_QUEUE_MS: Final = "botanu.task.queue_ms"
TASK_OWNER: Final = "botanu.task.owner"  # baggage only
MESSAGING_MESSAGE_COUNT: Final = "botanu.messaging.message_count"
MESSAGING_BYTES_TRANSFERRED: Final = "botanu.messaging.bytes_transferred"

# --- requests ---------------------------------------------------------------------------------------------------
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
URL_PATH: Final = "url.path"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# --- metrics ----------------------------------------------------------------------------------------------------
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  (a metric's name)
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_ATTEMPTS: Final = "botanu.gen_ai.attempts"
METRIC_RUN_DURATION: Final = "botanu.run.duration"
METRIC_RUN_COMPLETED: Final = "botanu.run.completed"
METRIC_RUN_COST: Final = "botanu.run.cost"
METRIC_LLM_UNPRICED: Final = "botanu.llm.unpriced"
METRIC_INBOUND_REFUSED: Final = "botanu.inbound.refused"
INBOUND_REASON: Final = "botanu.inbound.reason"  # label of the one above

# --- the wire ---------------------------------------------------------------------------------------------------
BAGGAGE_PREFIX: Final = "botanu."
SIGNATURE: Final = "botanu.sig"  # baggage only
BAGGAGE_HEADER: Final = "baggage"
RUN_HEADER: Final = "x-botanu-run"  # ours alone, for when the application's baggage leaves us no room
RESPONSE_HEADER: Final = "x-botanu-run-id"

__all__ = [name for name in dir() if name.isupper()]
