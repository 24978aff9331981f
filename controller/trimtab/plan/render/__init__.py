"""A plan for readers: text for terminals, markdown for pull requests, JSON for programs. Pure."""

from trimtab.plan.render.document import FORMAT_VERSION, PlanHeader, plan_document
from trimtab.plan.render.markdown import plan_markdown
from trimtab.plan.render.summary import summary_line
from trimtab.plan.render.text import plan_text

__all__ = ["FORMAT_VERSION", "PlanHeader", "plan_document", "plan_markdown", "plan_text", "summary_line"]
