/** Ask, with the answer as it is written and its sources. Turns are kept in this tab: the application lists no messages. */
import { listen } from './api.js';
import { announce, busy, clearProblem, fill, showFailure, showProblem } from './dom.js';
import { Failure, lost } from './http.js';

const DRAFT = 'draft';

const keyOf = (conversation) => `turns:${conversation}`;
const kept = (conversation) => JSON.parse(sessionStorage.getItem(keyOf(conversation)) ?? '[]');

/** Questions without an answer so far, with their conversation: a reload shows them again. */
const PENDING = 'pending';

/** The view; returns how to leave it. */
export function askView(main, conversation = null) {
  const { content, parts } = fill('ask');
  const field = parts.form.elements.question;
  const leaving = new AbortController();
  let asking = false;

  const ask = async (question, turn) => {
    asking = true;
    busy(parts.submit, true);
    sessionStorage.setItem(PENDING, JSON.stringify({ question, conversation }));
    turn.wait();
    try {
      const answer = await answerTo(question, conversation, turn.write, leaving.signal);
      sessionStorage.removeItem(PENDING);
      turn.finish(answer);
      announce(`The answer has arrived: ${answer.text}`);
      const earlier = kept(answer.conversation_id);
      sessionStorage.setItem(keyOf(answer.conversation_id), JSON.stringify([...earlier, { question, answer }]));
      conversation = answer.conversation_id;
      // In place: the question stays where it is, and a reload comes back to it.
      history.replaceState(null, '', `#/ask/${conversation}`);
      parts.new.hidden = false;
    } catch (failure) {
      if (leaving.signal.aborted) return;
      sessionStorage.removeItem(PENDING);
      if (failure.name === 'AbortError') turn.fail(new Failure('The question was not asked.'), again);
      else turn.fail(failure, again);
    } finally {
      asking = false;
      busy(parts.submit, false);
    }
    function again() {
      if (!asking) ask(question, turn);
    }
  };

  const add = (question) => {
    const turn = turnOf(question);
    parts.turns.append(turn.element);
    return turn;
  };

  parts.form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (asking) return;
    clearProblem(field);
    const question = field.value.trim();
    if (!question) {
      showProblem(field, 'Type a question first.');
      return;
    }
    field.value = '';
    sessionStorage.removeItem(DRAFT);
    const turn = add(question);
    turn.element.scrollIntoView({ block: 'nearest' });
    ask(question, turn);
  });
  field.addEventListener('input', () => sessionStorage.setItem(DRAFT, field.value));
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      parts.form.requestSubmit();
    }
  });

  field.value = sessionStorage.getItem(DRAFT) ?? '';
  const turns = conversation ? kept(conversation) : [];
  turns.forEach(({ question, answer }) => add(question).finish(answer));
  parts.new.hidden = !conversation;
  if (conversation && !turns.length) {
    parts.lead.textContent = 'This conversation was begun elsewhere. Its earlier questions are remembered, but not shown here.';
  }
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
  if (pending && pending.conversation === conversation) {
    sessionStorage.removeItem(PENDING);
    const turn = add(pending.question);
    turn.fail(new Failure('The answer to this question was interrupted.', { advice: 'You can ask it again.' }), () => {
      if (!asking) ask(pending.question, turn);
    });
  }
  main.replaceChildren(content);
  return () => leaving.abort();
}

/** Ask the application; `write` gets the text so far. */
async function answerTo(question, conversation, write, signal) {
  const body = { message: question, ...(conversation ? { conversation_id: conversation } : {}) };
  let text = '';
  let answer = null;
  let failed = null;
  try {
    await listen('POST', '/api/chat', { body, signal }, (name, data) => {
      if (name === 'delta') write((text += data.text));
      if (name === 'done') answer = data;
      if (name === 'error') failed = data.error;
    });
  } catch (failure) {
    if (failure.code !== 'connection_lost' || !text) throw failure;
  }
  if (answer) return answer;
  if (failed) throw new Failure(failed.message, { code: failed.code, reference: failed.request_id, advice: 'You can ask it again.' });
  throw lost('The connection was lost while the answer was being written.');
}

/** A question with its answer, as it comes about. */
function turnOf(question) {
  const { content, parts } = fill('turn');
  const element = content.firstElementChild;
  parts.question.textContent = question;
  parts.thinking.hidden = true;
  return {
    element,
    wait() {
      parts.failure.replaceChildren();
      parts.answer.textContent = '';
      parts.thinking.hidden = false;
      element.setAttribute('aria-busy', 'true');
    },
    write(text) {
      parts.thinking.hidden = true;
      parts.answer.textContent = text;
    },
    finish({ text, sources, metadata }) {
      element.removeAttribute('aria-busy');
      parts.thinking.hidden = true;
      parts.answer.textContent = text;
      parts.cited.hidden = false;
      parts.sources.replaceChildren(...sources.map((source, place) => sourceOf(source, place + 1, text)));
      const found = sources.length ? '' : 'No passage of your documents supports this answer. ';
      parts.facts.textContent = `${found}Confidence ${Math.round(100 * metadata.confidence)} %, ${metadata.processing_time.toFixed(1)} s`;
    },
    fail(failure, again) {
      element.removeAttribute('aria-busy');
      parts.thinking.hidden = true;
      showFailure(parts.failure, failure, { label: 'Ask again', action: again });
    },
  };
}

function sourceOf(source, number, text) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = `Source ${number}: ${source.title}`;
  button.addEventListener('click', () => openSource(source, text));
  item.append(button);
  return item;
}

/** The cited passage and its document. */
function openSource(source, text) {
  const { content, parts } = fill('source');
  const dialog = content.querySelector('dialog');
  parts.title.textContent = source.title;
  parts.quote.textContent = text;
  parts.chunk.textContent = source.chunk;
  parts.document.textContent = source.document_id;
  parts.open.href = `#/documents/${source.document_id}`;
  parts.open.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
