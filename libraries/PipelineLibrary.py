"""Processed documents: what the pipeline left of them, and whether they behave as recorded."""

from __future__ import annotations

from typing import Literal

from acceptance.checks import baseline, fixtures, pipeline
from acceptance.checks.baseline import Outcome
from acceptance.checks.fixtures import CatalogueDocument
from acceptance.checks.pipeline import Aspect, OwnSentence, Processed, Which
from acceptance.errors import SuiteError
from acceptance.fixtures.documents import catalogue
from robot.api.deco import library
from robot_run.keywords import Observed, getter, keyword, step
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class PipelineLibrary:
    """Reads what processing left of documents; needs the capability ``sql``, except for `Get Catalogue Documents`.

    A *processed document* has ``document``, ``upload``, ``stored`` (``text``, ``chunks``, ``vectors``, ``events``) and
    ``name``. Documents are processed once in a run, by the first test that asks.
    """

    @step(within=120)
    async def get_pipeline_documents(self, which: Literal["handbooks", "catalogue", "complete"]) -> list[Processed]:
        """Returns processed documents, one at least.

        - ``handbooks``: large made documents, each observed over REST and realtime while it was processed.
        - ``catalogue``: every valid document of ``documents.yaml``; fails where one is not accepted.
        - ``complete``: the complete ones of both.

        | @{documents} =    Get Pipeline Documents    catalogue
        """
        if which == "complete":
            return await pipeline.complete_documents(the_run())
        chosen: Which = which
        return await pipeline.processed(the_run(), chosen)

    @step(within=120)
    async def get_catalogue_documents(self) -> list[CatalogueDocument]:
        """Returns every valid document of the catalogue with what became of it, complete or not; one at least.

        Those that the deployment's limits keep out are left out, and the criterion is met without them.

        | @{documents} =    Get Catalogue Documents
        """
        run = the_run()
        found = [each for each in await fixtures.samples(run) if each.valid]
        kept_out = (await fixtures.offered_catalogue(run)).left_out
        run.context.left_out |= {kept_out[name] for name in catalogue().expected("complete") if name in kept_out}
        if not found:
            raise SuiteError("the catalogue has no valid document")
        return found

    @getter()
    def get_pipeline_problems(self, document: Processed, aspect: Aspect) -> Observed:
        """Returns what is wrong with one aspect of a processed document, a line each; empty where all is right.

        - ``aspect``: ``events`` (each status once, in order), ``text`` (all that the document says, once), ``chunks``
          (cover the text without loss), ``vectors`` (one per chunk, of the declared dimension). Of the ``handbooks``
          also ``realtime events``, ``replayed events``, ``claims`` (complete when all was stored), ``progress``.

        | Get Pipeline Problems    ${document}    chunks    ==    ${NO PROBLEMS}
        """
        problems = pipeline.problems_of(the_run(), document, aspect)
        what = f"{aspect} of {document.name}, job {document.upload.job_id}"
        return Observed(problems, what)

    @getter()
    def get_reason_incomplete(self, document: CatalogueDocument) -> Observed:
        """Returns why a document of the catalogue is not complete; empty where it is.

        | Get Reason Incomplete    ${document}    ==    ${EMPTY}
        """
        reason = pipeline.why_incomplete(the_run(), document)
        return Observed(reason, f"'{document.name}'")

    @getter()
    async def get_misplaced_vectors(self, documents: list[Processed]) -> Observed:
        """Returns the chunks whose vector does not lie near their own text, with the reason; records their share.

        | Get Misplaced Vectors    ${documents}    ==    ${NO PROBLEMS}
        """
        problems = pipeline.misplaced_vectors(the_run(), documents)
        return Observed(problems, "vectors")

    @keyword()
    def get_own_sentences(self, document: Processed) -> list[OwnSentence]:
        """Returns a sentence of each chunk that stands in no other: ``text`` and ``chunk_id``.

        | @{sentences} =    Get Own Sentences    ${document}
        """
        return pipeline.own_sentences(document)

    @step(within=120)
    async def compare_with_baseline(self) -> list[Outcome]:
        """Repeats the recorded documents and requests; returns each with ``kind``, ``name`` and ``difference``.

        A document that is in the catalogue but not in the recording has a ``note`` instead, and gates nothing.
        The recording is that of ``variables/baseline.yaml`` which the descriptor names; without one nothing is known.

        | @{outcomes} =    Compare With Baseline
        """
        return await baseline.outcomes(the_run())
