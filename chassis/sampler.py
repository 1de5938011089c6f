"""Selects the new traces that are recorded: an OpenTelemetry sampler with a budget of traces a second."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from chassis.tracing import TraceBudget


class BudgetSampler(Sampler):
    """Samples a new trace while the budget is not used up."""

    def __init__(self, budget: TraceBudget) -> None:
        self._budget = budget

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,  # noqa: ARG002 - ParentBased asks for roots only
        trace_id: int,  # noqa: ARG002
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Take a trace from the budget."""
        decision = Decision.RECORD_AND_SAMPLE if self._budget.take() else Decision.DROP
        return SamplingResult(decision, attributes, trace_state)

    def get_description(self) -> str:
        """Its name in the SDK's own logs."""
        return "BudgetSampler"


def head_sampler(budget: TraceBudget) -> Sampler:
    """Follows the decision of a parent; a new trace needs budget."""
    return ParentBased(BudgetSampler(budget))
