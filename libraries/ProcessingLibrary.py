"""What processing leaves of documents, whether it completes, and how long it takes."""

from __future__ import annotations

from acceptance.checks import pipeline
from acceptance.checks.pipeline import Which
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 120.0


@library(scope="GLOBAL", version="1.0.0")
class ProcessingLibrary:
    """Steps about `the handbooks`, watched while they were processed, and `the sample documents` of all kinds."""

    @keyword("every status of ${documents} came once and in order")
    def ran_in_order(self, documents: Which) -> None:
        """In the database, numbered from 1; of the handbooks over realtime and in its replay, too (needs `sql`)."""
        the_run().wait(pipeline.stages_ran_in_order(the_run(), documents), within=WITHIN)

    @keyword("the parsed text of ${documents} holds all that they say")
    def text_is_whole(self, documents: Which) -> None:
        """The text that the chunks hold: its sentinels once; of made documents every word, in order (needs `sql`)."""
        the_run().wait(pipeline.text_is_whole(the_run(), documents), within=WITHIN)

    @keyword("the chunks of ${documents} cover the text without loss")
    def chunks_cover(self, documents: Which) -> None:
        """Numbered without a gap, each holding the characters that it says, none left out (needs `sql`)."""
        the_run().wait(pipeline.chunks_cover_the_text(the_run(), documents), within=WITHIN)

    @keyword("every chunk of ${documents} has one vector of the right dimension")
    def vectors_are_there(self, documents: Which) -> None:
        """One and no other, of the dimension that the descriptor declares (needs `sql`)."""
        the_run().wait(pipeline.every_chunk_has_its_vector(the_run(), documents), within=WITHIN)

    @keyword
    def every_vector_lies_near_its_own_text(self) -> None:
        """Vectors are as alike as their texts, and each fits its own text best (needs `sql`)."""
        the_run().wait(pipeline.vectors_lie_near_their_texts(the_run()), within=WITHIN)

    @keyword
    def a_sentence_asked_word_for_word_is_found_in_its_chunk(self) -> None:
        """For each chunk of a handbook: the chunk is the first source of the answer (needs `sql`)."""
        the_run().wait(pipeline.sentences_find_their_chunks(the_run()), within=WITHIN)

    @keyword
    def all_chunks_and_vectors_were_there_when_a_document_was_called_complete(self) -> None:
        """At the moment when REST said so, and when realtime did (needs `sql`)."""
        the_run().wait(pipeline.complete_means_complete(the_run()), within=WITHIN)

    @keyword
    def progress_only_rose_and_was_at_its_end_with_the_document(self) -> None:
        """Over realtime, in its replay and over REST (needs `sql`)."""
        the_run().wait(pipeline.progress_only_rises(the_run()), within=WITHIN)

    @keyword
    def every_valid_document_is_complete(self) -> None:
        """All that the catalogue says must be; records the share."""
        the_run().wait(pipeline.valid_documents_complete(the_run()), within=WITHIN)

    @keyword
    def each_was_processed_in_time(self) -> None:
        """From its announcement to its end; records the seconds of each."""
        the_run().wait(pipeline.processing_is_quick(the_run()), within=WITHIN)
