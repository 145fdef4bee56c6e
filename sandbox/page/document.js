/** One document: its facts, its history, and what can be done with it. */
import { call } from './api.js';
import { confirmed, fill, moment, showFailure, size, time } from './dom.js';
import { follow, inWords } from './jobs.js';

const RELEASE_MS = 60_000;

/** The view; returns how to leave it. */
export function documentView(main, id) {
  const { content, parts } = fill('document');
  let stop = () => {};
  let left = false;
  let found;

  const act = (button, work) => {
    button.addEventListener('click', async () => {
      parts.failure.replaceChildren();
      try {
        await work();
      } catch (failure) {
        if (failure.name !== 'AbortError') showFailure(parts.failure, failure);
      }
    });
  };

  const load = async () => {
    try {
      found = await (await call('GET', `/documents/${id}/status`)).json();
      if (left) return;
      parts.failure.replaceChildren();
      parts.title.textContent = found.filename;
      document.title = `${found.filename} – Document assistant`;
      parts.status.textContent = inWords(found.status);
      parts.created.textContent = moment(found.created_at);
      parts.size.textContent = size(found.bytes_len);
      parts.sha256.textContent = found.sha256;
      parts.whole.hidden = false;
      parts.history.replaceChildren();
      stop = follow(found.job_id, {
        frame: (event) => {
          parts.status.textContent = inWords(event.status);
          parts.retry.hidden = event.state !== 'deadletter';
          parts.history.append(entry(event));
        },
        gone: load,
      });
    } catch (failure) {
      if (failure.name !== 'AbortError' && !left) showFailure(parts.failure, failure, { label: 'Load again', action: load });
    }
  };

  act(parts.retry, async () => {
    await (await call('POST', `/api/upload-pipeline/jobs/${found.job_id}/retry`)).json();
    stop();
    await load();
  });
  act(parts.download, () => download(found));
  act(parts.remove, async () => {
    if (!(await confirmed(`Delete ${found.filename}?`, 'Its passages are removed with it, and cannot be cited any more.'))) return;
    await call('DELETE', `/documents/${id}`);
    location.hash = '#/documents';
  });
  main.replaceChildren(content);
  load();
  return () => {
    left = true;
    stop();
  };
}

function entry(event) {
  const item = document.createElement('li');
  const at = document.createElement('time');
  at.dateTime = event.timestamp;
  at.textContent = time(event.timestamp);
  item.append(at, inWords(event.status));
  return item;
}

/** Save the stored bytes: they are fetched with the token, which a link cannot send. */
async function download({ document_id: id, filename }) {
  const address = URL.createObjectURL(await (await call('GET', `/documents/${id}/content`)).blob());
  Object.assign(document.createElement('a'), { href: address, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(address), RELEASE_MS);
}
