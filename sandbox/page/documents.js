/** The documents: upload, progress and list. */
import { call } from './api.js';
import { announce, busy, clearProblem, confirmed, fill, moment, showFailure, showProblem, size } from './dom.js';
import { Failure } from './http.js';
import { STAGES, follow, inWords, isActive, stagesOf } from './jobs.js';
import { interrupted, limits, problemOf, transfer, upload, whenTransferred } from './transfer.js';

const STATES = { done: 'done', now: 'in progress', waiting: 'waiting', failed: 'failed' };
const BESIDE_THE_FIELD = ['unsupported_media_type', 'file_too_large', 'body_too_large', 'unreadable_file', 'duplicate_document'];
const MOST_FOLLOWED = 8;

/** The view; returns how to leave it. */
export function documentsView(main) {
  const { content, parts } = fill('documents');
  const cards = new Map();
  const field = parts.form.elements.file;
  let allowed = null;
  let left = false;

  const show = () => {
    parts.transfer.hidden = !transfer?.busy;
    busy(parts.submit, Boolean(transfer?.busy));
    if (!transfer?.busy) return;
    parts.sending.textContent = `Sending ${transfer.file.name}`;
    parts.percent.textContent = `${transfer.percent} %`;
    parts.bar.value = transfer.percent;
    parts.bar.setAttribute('aria-label', `Upload of ${transfer.file.name}`);
  };

  const send = async (file) => {
    clearProblem(field);
    parts.failure.replaceChildren();
    try {
      const announced = await upload(file);
      if (!announced || left) return;
      parts.form.reset();
      announce(`${file.name} has been uploaded.`);
      await list();
    } catch (failure) {
      if (failure.name === 'AbortError') return;
      if (BESIDE_THE_FIELD.includes(failure.code)) showProblem(field, failure.message);
      else showFailure(parts.failure, failure, { label: 'Upload again', action: () => send(file) });
    }
  };

  parts.form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (transfer?.busy) return;
    const file = field.files[0];
    const problem = problemOf(file, allowed);
    if (problem) showProblem(field, problem);
    else send(file);
  });
  field.addEventListener('change', () => clearProblem(field));

  const list = async () => {
    try {
      const { documents } = await (await call('GET', '/documents')).json();
      if (left) return;
      parts.listfailure.replaceChildren();
      parts.empty.hidden = documents.length > 0;
      const followed = documents.filter((document) => isActive(document.state)).slice(0, MOST_FOLLOWED);
      for (const [id, card] of cards) {
        if (!documents.some((document) => document.document_id === id)) {
          card.stop();
          card.element.remove();
          cards.delete(id);
        }
      }
      documents.forEach((document, place) => {
        if (!cards.has(document.document_id)) cards.set(document.document_id, cardOf(document, list));
        const card = cards.get(document.document_id);
        if (parts.list.children[place] !== card.element) parts.list.insertBefore(card.element, parts.list.children[place] ?? null);
        if (followed.includes(document) && !card.followed) card.follow();
      });
    } catch (failure) {
      if (failure.name !== 'AbortError' && !left) showFailure(parts.listfailure, failure, { label: 'Load again', action: list });
    }
  };

  const prepare = async () => {
    try {
      allowed = await limits();
      parts.hint.textContent = `A PDF file of ${allowed.max_file_size_bytes / 1024 ** 2} MiB at most`;
    } catch {
      // The application refuses what is too large itself.
    }
    try {
      const name = await interrupted();
      if (name && !left) {
        showFailure(parts.failure, new Failure(`The upload of ${name} was interrupted.`, { advice: 'Choose the file again to send it.' }));
      }
    } catch {
      // The list below tells what cannot be reached.
    }
    await list();
  };

  whenTransferred(show);
  main.replaceChildren(content);
  show();
  prepare();
  return () => {
    left = true;
    whenTransferred(() => {});
    cards.forEach((card) => card.stop());
  };
}

function lineOf(stages) {
  const place = stages.findIndex(([, state]) => state !== 'done');
  return place < 0 ? 'All stages are done' : `Stage ${place + 1} of ${stages.length}`;
}

/** A document in the list, with its progress while it is processed. */
function cardOf(document, reload) {
  const { content, parts } = fill('document-item');
  const element = content.firstElementChild;
  const card = { element, followed: false, stop: () => {} };
  parts.name.textContent = document.filename;
  parts.name.href = `#/documents/${document.document_id}`;
  parts.of.textContent = ` ${document.filename}`;
  parts.facts.textContent = `${size(document.bytes_len)}, uploaded ${moment(document.created_at)}`;
  parts.status.textContent = inWords(document.status);
  parts.bar.setAttribute('aria-label', `Progress of ${document.filename}`);
  parts.stages.setAttribute('aria-label', `Stages of ${document.filename}`);
  parts.remove.addEventListener('click', async () => {
    if (!(await confirmed(`Delete ${document.filename}?`, 'Its passages are removed with it, and cannot be cited any more.'))) return;
    try {
      await call('DELETE', `/documents/${document.document_id}`);
      announce(`${document.filename} has been deleted.`);
      await reload();
    } catch (failure) {
      if (failure.name !== 'AbortError') showFailure(parts.failure, failure);
    }
  });

  const progress = ({ status, state, progress: { total_pct: percent } }) => {
    const line = state === 'retryable' ? 'Waiting to be tried again' : inWords(status);
    parts.job.hidden = false;
    parts.status.textContent = line;
    parts.percent.textContent = `${percent} %`;
    parts.bar.value = percent;
    const stages = stagesOf(status);
    parts.line.textContent = lineOf(stages);
    for (const [stage, now] of stages) {
      const item = element.querySelector(`[data-stage="${stage}"]`);
      if (item.dataset.state !== now && now === 'now') announce(`${document.filename}: stage ${STAGES.indexOf(stage) + 1} of 4, ${stage}`);
      item.dataset.state = now;
      if (now === 'now') item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
      parts[stage].textContent = ` ${STATES[now]}`;
    }
    if (state === 'done') announce(`${document.filename} is ready for questions.`);
    document = { ...document, status, state };
    if (state === 'deadletter') explain();
    else parts.failure.replaceChildren();
  };

  /** Why it has failed, and the way to process it again. */
  const explain = async () => {
    const job = await call('GET', `/api/upload-pipeline/jobs/${document.job_id}`).then((answer) => answer.json(), () => null);
    if (document.state !== 'deadletter') return;
    const failure = new Failure(`${document.filename} could not be processed.`, { advice: job?.last_error?.message ?? '' });
    showFailure(parts.failure, failure, { label: 'Process again', action: again });
  };
  const again = async () => {
    parts.failure.replaceChildren();
    try {
      await (await call('POST', `/api/upload-pipeline/jobs/${document.job_id}/retry`)).json();
      card.follow();
    } catch (failure) {
      if (failure.name !== 'AbortError') showFailure(parts.failure, failure, { label: 'Process again', action: again });
    }
  };

  card.follow = () => {
    card.stop();
    card.followed = true;
    progress(document);
    card.stop = follow(document.job_id, {
      frame: progress,
      broken: () => { parts.line.textContent = 'The connection is interrupted. Trying again…'; },
      gone: reload,
    });
  };
  if (document.state === 'deadletter') explain();
  return card;
}
