"""The work of the day: tickets of five customers in three workflows, some of which take a bad turn."""

import random
from typing import Literal

from pydantic import BaseModel

__all__ = ["CUSTOMERS", "WORKFLOWS", "Ticket", "Twist", "plan"]

Workflow = Literal["Customer Support", "Refund Review", "Weekly Report"]
Twist = Literal["none", "fallback", "retry", "failure", "cancel", "timeout", "silent", "archive"]

CUSTOMERS = ("acme", "birch-labs", "corvid", "dunmore", "elm-street")
WORKFLOWS: tuple[Workflow, ...] = ("Customer Support", "Refund Review", "Weekly Report")

# In every twenty tickets; a bad turn belongs to the workflow where it would happen.
_TWISTS: dict[int, Twist] = {
    1: "fallback",
    3: "retry",
    5: "failure",
    8: "cancel",
    11: "fallback",
    14: "timeout",
    16: "silent",
    18: "archive",
}
_WORKFLOW_OF: dict[Twist, Workflow] = {
    "retry": "Customer Support",
    "failure": "Refund Review",
    "cancel": "Customer Support",
    "timeout": "Weekly Report",
    "silent": "Weekly Report",
    "archive": "Weekly Report",
}
_QUESTIONS: dict[Workflow, str] = {
    "Customer Support": "Where is my order {order}?",
    "Refund Review": "Order {order} arrived broken, I want my money back.",
    "Weekly Report": "What went wrong this week with orders like {order}?",
}


class Ticket(BaseModel):
    """One ticket, as it is sent to the front desk.

    Attributes:
        event_id: The business key, such as ``TKT-0017``.
        twist: What shall happen to it: ``fallback`` (one provider answers 429), ``retry`` (one answers 500, once),
            ``failure`` (an exception in the service), ``cancel`` (the customer closes the connection), ``timeout``
            (the model is too slow), ``silent`` (a stream that nobody asked for its usage), ``archive`` (a prompt so
            long that it has a price of its own).
    """

    event_id: str
    customer_id: str
    workflow: Workflow
    question: str
    twist: Twist = "none"


def plan(count: int, *, seed: int) -> list[Ticket]:
    """The same tickets for the same seed."""
    chance = random.Random(seed)
    tickets = []
    for number in range(count):
        twist = _TWISTS.get(number % 20, "none")
        workflow = _WORKFLOW_OF[twist] if twist in _WORKFLOW_OF else chance.choice(WORKFLOWS)
        question = _QUESTIONS[workflow].format(order=f"ORD-{chance.randrange(100, 1_000)}")
        tickets.append(
            Ticket(
                event_id=f"TKT-{number + 1:04d}",
                customer_id=chance.choice(CUSTOMERS),
                workflow=workflow,
                question=question,
                twist=twist,
            )
        )
    return tickets
