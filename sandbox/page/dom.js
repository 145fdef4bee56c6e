/** Small helpers on the document: templates, failures, and announcements. */

/** A copy of a template's content, and its parts by name. */
export function fill(id) {
  const content = document.getElementById(id).content.cloneNode(true);
  return { content, parts: partsOf(content) };
}

export function partsOf(root) {
  return Object.fromEntries([...root.querySelectorAll('[data-part]')].map((part) => [part.dataset.part, part]));
}

/** Show what went wrong, and offer the one thing that helps. */
export function showFailure(place, failure, retry = null) {
  const { content, parts } = fill('failure');
  parts.what.textContent = failure.message;
  parts.advice.textContent = failure.advice ?? '';
  if (retry) {
    parts.actions.hidden = false;
    parts.retry.textContent = retry.label;
    parts.retry.addEventListener('click', retry.action);
  }
  if (failure.reference) {
    parts.reference.hidden = false;
    parts.reference.textContent = `Reference for support: ${failure.reference}`;
  }
  place.replaceChildren(content);
  place.scrollIntoView({ block: 'nearest' });
}

/** Say beside a field what is wrong with it, and put the cursor there. */
export function showProblem(field, message) {
  const place = document.getElementById(`${field.id}-problem`);
  const line = document.createElement('p');
  line.setAttribute('role', 'alert');
  line.textContent = message;
  place.replaceChildren(line);
  field.setAttribute('aria-invalid', 'true');
  field.focus();
}

export function clearProblem(field) {
  document.getElementById(`${field.id}-problem`).replaceChildren();
  field.removeAttribute('aria-invalid');
}

/** A button that is busy stays where the keyboard is: it is not disabled, its presses are ignored. */
export function busy(button, is) {
  if (is) button.setAttribute('aria-disabled', 'true');
  else button.removeAttribute('aria-disabled');
}

/** Read out by screen readers; never more often than things change. */
export function announce(text) {
  document.getElementById('announcer').textContent = text;
}

/** Ask before something is deleted. */
export function confirmed(title, text) {
  const { content, parts } = fill('confirm');
  parts.title.textContent = title;
  parts.text.textContent = text;
  const dialog = content.querySelector('dialog');
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
  });
}

export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const moments = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const times = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

export const moment = (iso) => moments.format(new Date(iso));
export const time = (iso) => times.format(new Date(iso));

export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 ** 2 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
