"""INT-15: parser, embedding and chat model, as every document and answer shows them, are those of the descriptor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from acceptance.checks import pipeline, retrieval_qa
from acceptance.checks.pipeline import Processed
from acceptance.clients.database import Row
from acceptance.deployment.descriptor import Providers
from acceptance.errors import expect_none, violation
from acceptance.run import Run


async def parser_is_the_declared_one(run: Run) -> None:
    """Every document was parsed by the declared parser, under a job of its own there (needs `sql`)."""
    documents = await _documents(run)
    rows = await run.database.rows("documents", document_id=[each.upload.document_id for each in documents])
    if len(rows) != len(documents):
        raise violation("named query 'documents'", expected=f"{len(documents)} documents", observed=len(rows))
    run.observe("INT-15", "parser", ", ".join(sorted({str(row["parser"]) for row in rows})), "text", samples=len(rows))
    declared = run.descriptor.providers.parser
    wanted = f"'{declared.name}' with jobs like {declared.job_id_pattern}, as the descriptor declares"
    expect_none(other_parsers(rows, run.descriptor.providers), "parser", expected=wanted)


async def embeddings_are_of_the_declared_model(run: Run) -> None:
    """Every chunk's vector is of the declared model and dimension (needs `sql`)."""
    documents, declared = await _documents(run), run.descriptor.providers.embedding
    vectors = [vector for each in documents for vector in each.stored.vectors]
    bare = (each.name for each in documents if not each.stored.vectors)
    expect_none(bare, "complete documents without a vector", expected="none")
    seen = Counter((vector.model, vector.dimension) for vector in vectors)
    run.observe(
        "INT-15", "embedding_model", ", ".join(sorted(model for model, _ in seen)), "text", samples=len(vectors)
    )
    others = [
        f"'{each.document.name}' has {number} vectors of '{model}' with dimension {dimension}"
        for each in documents
        for (model, dimension), number in Counter((one.model, one.dimension) for one in each.stored.vectors).items()
        if (model, dimension) != (declared.name, declared.dimensions)
    ]
    wanted = f"'{declared.name}' with dimension {declared.dimensions}, as the descriptor declares"
    expect_none(others, "embedding", expected=wanted)


async def answers_are_of_the_declared_model(run: Run) -> None:
    """Every answer of the conversation was given by the declared model."""
    told = await retrieval_qa.answered_facts(run)
    answers = [answer for each in told for answer in (each.answer, each.follow_up)]
    run.observe(
        "INT-15", "model", ", ".join(sorted({answer.model for answer in answers})), "text", samples=len(answers)
    )
    declared = run.descriptor.providers.model
    others = (f"'{answer.model}' answered; {answer.response.look}" for answer in answers if answer.model != declared)
    expect_none(others, "model", expected=f"'{declared}', as the descriptor declares")


def other_parsers(rows: Sequence[Row], declared: Providers) -> Iterator[str]:
    """Documents that another parser parsed, or under a job that is not the declared parser's, or not their own."""
    jobs = Counter(row["parser_job_id"] for row in rows)
    for row in rows:
        if row["parser"] != declared.parser.name:
            yield f"'{row['filename']}' was parsed by {row['parser']!r}"
        if not re.search(declared.parser.job_id_pattern, row["parser_job_id"] or ""):
            yield f"'{row['filename']}' was parsed as {row['parser_job_id']!r}"
        elif jobs[row["parser_job_id"]] > 1:
            yield f"'{row['filename']}' has its parser's job {row['parser_job_id']!r} in common with another document"


async def _documents(run: Run) -> list[Processed]:
    """Every complete document whose processing the suites look at; whether others should be is not asked here."""
    both = [*await pipeline.processed(run, "the sample documents"), *await pipeline.processed(run, "the handbooks")]
    complete = [each for each in both if each.ended_as == run.contract.jobs.complete.status]
    if not complete:
        raise violation("documents", expected="one at least to be complete", observed="none")
    return complete
