"""Questions to the conversation, and their answers."""

from __future__ import annotations

from typing import Any

from acceptance import chat
from acceptance.chat import Answer, AnswerStream
from acceptance.checks import concurrency, retrieval_qa
from acceptance.checks.concurrency import Journey
from acceptance.checks.retrieval_qa import AnsweredFact, SameQuestion
from acceptance.clients.http import Response
from acceptance.errors import SuiteError, cut, violation
from acceptance.fixtures.handbook import Fact, Handbook, figures
from acceptance.polling import together
from acceptance.uploads import Upload
from robot.api import logger
from robot.api.deco import library
from robot_run.keywords import Actor, Duration, Observed, getter, keyword, seconds_of, step, user_named
from robot_run.lifecycle import the_run

STREAM_SECONDS = 20.0


@library(scope="GLOBAL", version="1.0.0")
class ChatLibrary:
    """Asks questions and reads the answers.

    `Ask` returns an *answer*: ``text``, ``figures``, ``sources``, ``conversation_id``, ``workflow_id``, ``model``.
    A generated document has *facts*, each a question with the figure that answers it: see `Get Facts`.
    """

    @step()
    async def ask(
        self,
        question: str,
        *,
        user: Actor = None,
        conversation: Answer | str | None = None,
        workflow: Answer | str | None = None,
        about: Upload | None = None,
        hang_up: bool = False,
        expected: int | str = "success",
    ) -> Answer | Response:
        """Asks a question, in a conversation or in a new one.

        - ``conversation``, ``workflow``: an answer of it, or its identifier.
        - ``about``: the document, where a question names one; else it is that of the conversation, the one whose place
          the question names, or the latest one of the user.
        - ``hang_up``: close the connection afterwards, so that another instance may serve the next question.
        - ``expected``: ``success``, a status, or a refusal of the contract, such as ``unknown_identifier``.

        Returns the answer; where a refusal is expected, the response.

        | ${answer} =    Ask    What does the plan pay for glasses?    user=Alice
        | ${next} =    Ask    And for shoes?    conversation=${answer}
        | Ask    And for shoes?    conversation=${answer}    user=Bob    expected=unknown_identifier
        """
        options: dict[str, Any] = {
            "conversation_id": conversation.conversation_id if isinstance(conversation, Answer) else conversation,
            "workflow_id": workflow.workflow_id if isinstance(workflow, Answer) else workflow,
            "document_id": about and about.document_id,
            "hang_up": hang_up,
        }
        run, asker = the_run(), user_named(user)
        if expected != "success":
            return await chat.send(run, asker, question, expected=expected, **options)
        return await chat.ask(run, asker, question, **options)

    @keyword()
    def questions_name_a_document(self) -> bool:
        """Returns whether each question names the document that it is about, in its body or its path.

        | ${named} =    Questions Name A Document
        """
        return chat.names_document(the_run().contract)

    @step(within=120)
    async def ask_concurrently(
        self, *questions: Fact | str, user: Actor = None, at_once: int | None = None
    ) -> list[Answer]:
        """Asks several questions at the same moment, each in a new conversation; returns the answers in order.

        - ``questions``: texts, or facts whose questions are asked.
        - ``at_once``: how many at a time; all where it is not given.

        | @{facts} =    Get Facts    ${handbook}
        | @{answers} =    Ask Concurrently    @{facts}    user=Alice    at_once=4
        """
        if not questions:
            raise SuiteError("no question to ask")
        run, asker = the_run(), user_named(user)
        texts = [question.question if isinstance(question, Fact) else question for question in questions]
        return await together(*(chat.ask(run, asker, text) for text in texts), at_once=at_once)

    @step()
    async def ask_streaming(self, question: str, *, user: Actor = None) -> str:
        """Asks a question whose answer is streamed as Server-Sent Events; returns the whole stream as text.

        | ${text} =    Ask Streaming    What does the plan pay for glasses?
        """
        run = the_run()
        asker = user_named(user)
        request = chat.question_of(run, asker, question)
        async with run.client.stream("chat", **request, token=asker.access_token) as response:
            text = b"".join([part async for part in run.client.parts_of(response)]).decode("utf-8", "replace")
            run.client.journal_stream("chat", response, text)
            if response.status_code != (expected := run.contract.route("chat").success):
                observed = f"{response.status_code} {cut(run.redactor.clean(text))}"
                raise violation("chat, streamed", expected=f"status {expected}", observed=observed)
            return text

    @step()
    async def open_answer_stream(self, question: str, *, user: Actor = None, events: int = 1) -> AnswerStream:
        """Asks a question whose answer is streamed, in the background; returns when its first events have arrived.

        The stream has ``text``, ``events`` (their names) and ``ended``; it is closed when the test ends.

        - ``events``: how many are waited for.

        | ${stream} =    Open Answer Stream    What does the plan pay for glasses?
        """
        run = the_run()
        opening = chat.answer_stream(run, user_named(user), question)
        stream = await run.context.channels.enter_async_context(opening)
        await chat.until_streamed(stream, events, STREAM_SECONDS)
        return stream

    @step()
    async def wait_until_answer_stream_ends(self, stream: AnswerStream, *, timeout: Duration = STREAM_SECONDS) -> str:
        """Waits until a streamed answer has ended, whole or not; returns how.

        | ${ended} =    Wait Until Answer Stream Ends    ${stream}
        """
        await chat.until_stream_ended(stream, seconds_of(timeout))
        the_run().note(str(stream))
        return stream.ended

    @getter()
    def get_stream_events(self, stream: AnswerStream) -> Observed:
        """Returns the names of the Server-Sent Events that have arrived of a streamed answer, in their order.

        | @{events} =    Get Stream Events    ${stream}
        """
        return Observed(stream.events, "events of a streamed answer", str(stream))

    @step()
    async def delete_conversation(self, conversation: Answer | str, *, user: Actor = None) -> Response:
        """Deletes a conversation.

        | Delete Conversation    ${answer}
        """
        known = conversation.conversation_id if isinstance(conversation, Answer) else conversation
        path = {"conversation_id": known}
        return await the_run().client.call("conversation_delete", path=path, token=user_named(user).access_token)

    @getter()
    async def get_conversations(self, *, user: Actor = None) -> Observed:
        """Returns the identifiers of a user's conversations.

        | Get Conversations    contains    ${answer.conversation_id}    user=Alice
        """
        values = await chat.listed_conversations(the_run(), user_named(user))
        return Observed(values, "the conversation list")

    @step(within=120)
    async def get_handbook_answers(self) -> list[Answer]:
        """Returns the answers to every fact of a handbook and its follow-up, asked once in a run; one at least.

        | @{answers} =    Get Handbook Answers
        """
        answered = await retrieval_qa.answered_facts(the_run())
        return [answer for each in answered for answer in each.offered.values() if isinstance(answer, Answer)]

    @step()
    async def delete_new_conversations(self, known: list[str], *, user: Actor = None) -> None:
        """Deletes every conversation of a user except the known ones.

        | ${known} =    Get Conversations    user=Bob
        | Ask    What does the plan pay for glasses?    user=Bob
        | Delete New Conversations    ${known}    user=Bob
        """
        run, owner = the_run(), user_named(user)
        for conversation in await chat.listed_conversations(run, owner):
            if conversation not in known:
                path = {"conversation_id": conversation}
                await run.client.call("conversation_delete", path=path, token=owner.access_token)

    @keyword()
    def get_facts(
        self,
        document: Upload,
        *,
        first: int | None = None,
        last: int | None = None,
        spread: int | None = None,
        follow_ups: bool = False,
    ) -> list[Fact]:
        """Returns facts of a generated document: all, or so many ``first`` or ``last`` ones; one at least.

        A fact has ``question``, ``figure``, ``sentence`` and ``follow_up`` (a fact, asked in the same conversation).

        - ``spread``: so many, from the very first to the very last one.
        - ``follow_ups``: include the follow-up of each fact behind it.

        | @{facts} =    Get Facts    ${handbook}    first=6
        """
        facts = document.handbook.facts[slice(first) if last is None else slice(-last, None)]
        if spread is not None and len(facts) > spread > 1:
            facts = tuple(facts[number * (len(facts) - 1) // (spread - 1)] for number in range(spread))
        found = [each for fact in facts for each in (fact, *([fact.follow_up] if follow_ups else [])) if each]
        if not found:
            raise SuiteError(f"{document}: no such facts")
        return found

    @keyword()
    def get_same_questions(self, document: Upload, twin: Upload, *, first: int) -> list[SameQuestion]:
        """Returns the same questions about two documents that differ in their figures alone, in the order of asking.

        Each has ``question``, ``fact``, ``document``, ``other`` and, where a question names its document, ``about``;
        elsewhere the question names the place of the document. Each fact is asked for of either document, in either
        order, and again with other case and blanks.

        - ``first``: so many facts.

        | @{questions} =    Get Same Questions    ${handbook}    ${decoy}    first=2
        """
        return retrieval_qa.same_questions(the_run().contract, document, twin, first)

    @step(within=120)
    async def get_answered_facts(self, document: Upload) -> list[AnsweredFact]:
        """Returns every fact of a document with its answers: asked by the first test of the run that needs them.

        Each has ``fact``, ``answer`` and, where the contract has conversations, ``follow_up``, asked in the same one.
        The document's owner asks, each question over a connection of its own, so that several instances may serve one
        conversation.

        | @{answered} =    Get Answered Facts    ${handbook}
        """
        return await retrieval_qa.answered_facts(the_run(), document)

    @keyword()
    def get_cited_chunks(self, answer: Answer, fact: Fact, chunks: list[dict[str, Any]]) -> list[str]:
        """Returns the cited chunks that hold a fact's figure and its sentence; fails where there is none.

        - ``chunks``: rows of the named query ``chunks``.

        | @{chunks} =    Query    chunks    document_id=${handbook.document_id}
        | @{cited} =    Get Cited Chunks    ${answer}    ${fact}    ${chunks}
        """
        texts = {str(row["chunk_id"]): str(row["text"]) for row in chunks}
        cited = retrieval_qa.citing(answer, fact, texts)
        logger.info(f"{answer}: chunks {', '.join(cited) or 'none'}")
        if not cited:
            expected = f"a cited chunk with {fact.figure} and its sentence"
            raise violation(
                f"'{answer.question}'", expected=expected, observed=answer.sources, look=answer.response.look
            )
        return cited

    @step(within=120)
    async def run_journeys_at_once(self, *, users: int = 10) -> list[Journey]:
        """Runs several users at the same time: each uploads a document of their own, follows its job and asks about it.

        Each asks for a fact of their own document, and then for the fact of another user. Returns a journey per user
        with ``upload``, ``listed`` (document identifiers in the list), ``fact``, ``answer`` and ``other_answer``,
        ``other_handbooks``, ``other_conversations``, and ``problem``: why it ended early, empty where it did not.

        | @{journeys} =    Run Journeys At Once    users=10
        | Should Be Empty    ${journeys}[0].problem
        """
        return await concurrency.run_journeys(the_run(), users)

    @getter()
    def get_answer_text(self, answer: Answer) -> Observed:
        """Returns the text of an answer.

        | Get Answer Text    ${answer}    contains    ${fact.figure}
        """
        what = f"answer to '{answer.question}'"
        return Observed(answer.text, what, answer.response.look)

    @getter()
    def get_answer_figures(self, answer: Answer | str, *, of: Any = None, beside: Any = None) -> Observed:
        """Returns every figure in the text of an answer, sorted, without separators of thousands.

        - ``answer``: an answer, or a text such as that of `Ask Streaming`.
        - ``of``: only figures of these: uploads, handbooks, texts, or a list of them.
        - ``beside``: no figures of these.

        | Get Answer Figures    ${answer}    contains    ${fact.figure}
        | Get Answer Figures    ${answer}    ==    ${NOTHING}    of=${decoy}
        | Get Answer Figures    ${answer}    ==    ${NOTHING}    beside=${answer.question}
        """
        found = answer.figures if isinstance(answer, Answer) else figures(answer)
        if of is not None:
            known = _figures_of(of)
            if not known:
                raise SuiteError(f"no figure in {of}")
            found &= known
        values = sorted(found - _figures_of(beside))
        asked, look = (answer.question, answer.response.look) if isinstance(answer, Answer) else ("a question", "")
        what = f"figures in the answer to '{asked}'"
        return Observed(values, what, look)

    @getter()
    def get_cited_documents(self, answer: Answer, *, beside: Upload | None = None) -> Observed:
        """Returns identifiers of the documents that an answer cites, each once.

        - ``beside``: leave out this document.

        | Get Cited Documents    ${answer}    ==    ${NOTHING}    beside=${upload}
        """
        known = None if beside is None else beside.document_id
        values = [document for document in answer.documents if document != known]
        what = f"documents cited for '{answer.question}'"
        return Observed(values, what, answer.response.look)

    @getter()
    def get_answer_model(self, answer: Answer) -> Observed:
        """Returns the name of the model that an answer says it was given by.

        | Get Answer Model    ${answer}    ==    ${declared}
        """
        what = f"model of the answer to '{answer.question}'"
        return Observed(answer.model, what, answer.response.look)

    @getter()
    def get_sources(self, answer: Answer, field: str = "document_id") -> Observed:
        """Returns a field of every source that an answer cites: ``document_id``, ``title`` or ``chunk``.

        | Get Sources    ${answer}    document_id    ==    ${{[$upload.document_id]}}
        """
        values = [getattr(source, field) for source in answer.sources]
        what = f"{field} of the sources of '{answer.question}'"
        return Observed(values, what, answer.response.look)

    @getter()
    def get_first_source(self, answer: Answer, field: str = "document_id") -> Observed:
        """Returns a field of the first source that an answer cites; None where it cites none.

        | Get First Source    ${answer}    document_id    ==    ${upload.document_id}
        """
        value = getattr(answer.sources[0], field) if answer.sources else None
        what = f"{field} of the first source of '{answer.question}'"
        return Observed(value, what, answer.response.look)


def _figures_of(holders: Any) -> set[str]:
    """Every figure of uploads, handbooks, texts, or lists of them."""
    if holders is None:
        return set()
    if isinstance(holders, Upload):
        return holders.handbook.figures
    if isinstance(holders, Handbook):
        return holders.figures
    if isinstance(holders, str):
        return figures(holders)
    return {figure for holder in holders for figure in _figures_of(holder)}
