"""Questions to the conversation, and their answers."""

from __future__ import annotations

from typing import Any

from acceptance import chat
from acceptance.chat import Answer
from acceptance.checks import retrieval_qa
from acceptance.clients.http import Response
from acceptance.errors import violation
from acceptance.fixtures.handbook import Handbook, figures
from assertionengine import AssertionOperator
from robot.api.deco import keyword, library
from robot_run.keywords import Actor, checked, step, user_named
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class ChatLibrary:
    """Asks questions and reads the answers.

    `Ask` returns an *answer*: ``text``, ``figures``, ``sources``, ``conversation_id``, ``workflow_id``, ``model``.
    """

    @step()
    async def ask(
        self,
        question: str,
        *,
        user: Actor = None,
        conversation: Answer | str | None = None,
        workflow: str | None = None,
        hang_up: bool = False,
    ) -> Answer:
        """Asks a question, in a conversation or in a new one.

        - ``conversation``: an answer of it, or its identifier.
        - ``hang_up``: close the connection afterwards, so that another instance may serve the next question.

        | ${answer} =    Ask    What does the plan pay for glasses?    user=Alice
        | ${next} =    Ask    And for shoes?    conversation=${answer}
        """
        known = conversation.conversation_id if isinstance(conversation, Answer) else conversation
        return await chat.ask(
            the_run(), user_named(user), question, conversation_id=known, workflow_id=workflow, hang_up=hang_up
        )

    @step()
    async def ask_streaming(self, question: str, *, user: Actor = None) -> str:
        """Asks a question whose answer is streamed as Server-Sent Events; returns the whole stream as text.

        | ${text} =    Ask Streaming    What does the plan pay for glasses?
        """
        run = the_run()
        token = user_named(user).access_token
        async with run.client.stream("chat", path={}, token=token, body={"message": question}) as response:
            await response.aread()
            if response.status_code != run.contract.route("chat").success:
                expected = run.contract.route("chat").success
                raise violation("chat, streamed", expected=f"status {expected}", observed=response.text[:300])
            return response.text

    @step()
    async def delete_conversation(self, conversation: Answer | str, *, user: Actor = None) -> Response:
        """Deletes a conversation.

        | Delete Conversation    ${answer}
        """
        known = conversation.conversation_id if isinstance(conversation, Answer) else conversation
        path = {"conversation_id": known}
        return await the_run().client.call("conversation_delete", path=path, token=user_named(user).access_token)

    @step()
    async def get_conversations(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        *,
        user: Actor = None,
        message: str | None = None,
    ) -> Any:
        """Returns the identifiers of a user's conversations.

        | Get Conversations    contains    ${answer.conversation_id}    user=Alice
        """
        values = await chat.listed_conversations(the_run(), user_named(user))
        return checked(values, assertion_operator, assertion_expected, "the conversation list", message=message)

    @step(within=120)
    async def get_handbook_answers(self) -> list[Answer]:
        """Returns the answers to every fact of a handbook and its follow-up, asked once in a run; one at least.

        | @{answers} =    Get Handbook Answers
        """
        answered = await retrieval_qa.answered_facts(the_run())
        return [answer for each in answered for answer in (each.answer, each.follow_up)]

    @keyword
    def get_answer_text(
        self,
        answer: Answer,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns the text of an answer.

        | Get Answer Text    ${answer}    contains    ${fact.figure}
        """
        what = f"answer to '{answer.question}'"
        return checked(
            answer.text, assertion_operator, assertion_expected, what, message=message, look=answer.response.look
        )

    @keyword
    def get_answer_figures(
        self,
        answer: Answer,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        of: Handbook | None = None,
    ) -> Any:
        """Returns every figure in the text of an answer, sorted, without separators of thousands.

        - ``of``: only the figures that this handbook holds too.

        | Get Answer Figures    ${answer}    contains    ${fact.figure}
        | Get Answer Figures    ${answer}    ==    ${NO FIGURES}    of=${deleted.handbook}
        """
        what = f"figures in the answer to '{answer.question}'"
        values = sorted(figures(answer.text) & (figures(answer.text) if of is None else of.figures))
        return checked(values, assertion_operator, assertion_expected, what, message=message, look=answer.response.look)

    @keyword
    def get_answer_model(
        self,
        answer: Answer,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns the name of the model that an answer says it was given by.

        | Get Answer Model    ${answer}    ==    ${declared}
        """
        what = f"model of the answer to '{answer.question}'"
        return checked(
            answer.model, assertion_operator, assertion_expected, what, message=message, look=answer.response.look
        )

    @keyword
    def get_sources(
        self,
        answer: Answer,
        field: str = "document_id",
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns a field of every source that an answer cites: ``document_id``, ``title`` or ``chunk``.

        | Get Sources    ${answer}    document_id    ==    ${{[$upload.document_id]}}
        """
        values = [getattr(source, field) for source in answer.sources]
        what = f"{field} of the sources of '{answer.question}'"
        return checked(values, assertion_operator, assertion_expected, what, message=message, look=answer.response.look)

    @keyword
    def get_first_source(
        self,
        answer: Answer,
        field: str = "document_id",
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns a field of the first source that an answer cites; None where it cites none.

        | Get First Source    ${answer}    document_id    ==    ${upload.document_id}
        """
        value = getattr(answer.sources[0], field) if answer.sources else None
        what = f"{field} of the first source of '{answer.question}'"
        return checked(value, assertion_operator, assertion_expected, what, message=message, look=answer.response.look)
