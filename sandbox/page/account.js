/** Register, log in, log in again when the session has ended, and log out. */
import { busy, clearProblem, fill, showFailure, showProblem } from './dom.js';
import { open } from './http.js';
import { begin, current, end } from './session.js';

const LEAST_CHARACTERS = 8;
const KINDS = {
  login: {
    title: 'Log in',
    lead: 'Upload a document, watch it being read, and ask questions about it.',
    path: '/auth/login',
    autocomplete: 'current-password',
    hint: '',
    other: ['New here?', '#/register', 'Register'],
  },
  register: {
    title: 'Register',
    lead: 'An e-mail address and a password are all it takes.',
    path: '/auth/signup',
    autocomplete: 'new-password',
    hint: 'At least eight characters, letters and others.',
    other: ['You have an account?', '#/login', 'Log in'],
  },
};

/** The form to log in or to register; `entered` is called with a session. */
export function accountView(main, name, entered) {
  const kind = KINDS[name];
  const { content, parts } = fill('account');
  const { email, password } = parts.form.elements;
  parts.title.textContent = kind.title;
  parts.lead.textContent = kind.lead;
  parts.submit.textContent = kind.title;
  parts.hint.textContent = kind.hint;
  password.autocomplete = kind.autocomplete;
  const link = Object.assign(document.createElement('a'), { href: kind.other[1], textContent: kind.other[2] });
  link.className = 'button';
  parts.other.className = 'row';
  parts.other.append(kind.other[0], link);
  handle(parts, [email, password], (values) => {
    if (!/^\S+@\S+$/.test(values.email)) return [email, 'Enter an e-mail address, like name@example.org.'];
    if (!values.password) return [password, 'Enter your password.'];
    if (name === 'register' && values.password.length < LEAST_CHARACTERS) return [password, kind.hint];
    return null;
  }, async (values) => {
    const answer = await (await open('POST', kind.path, values)).json();
    if (!answer.access_token) {
      location.hash = '#/login';
      return;
    }
    begin(answer);
    entered();
  }, (failure) => {
    if (failure.code === 'malformed_email') return email;
    if (failure.code === 'weak_password') return password;
    return null;
  });
  main.replaceChildren(content);
}

/** Ask for the password over what the person is doing, so that nothing typed is lost; resolves with a new session. */
export function askAgain(whose, left) {
  const { content, parts } = fill('again');
  const dialog = content.querySelector('dialog');
  const { email, password } = parts.form.elements;
  email.value = whose?.email ?? '';
  email.readOnly = Boolean(whose);
  parts.reason.textContent = 'Your session has ended. Log in again to continue; nothing that you typed is lost.';
  document.body.append(dialog);
  dialog.showModal();
  password.focus();
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      removeEventListener('storage', elsewhere);
      dialog.close();
      dialog.remove();
      settle(value);
    };
    const elsewhere = () => current()?.user.id === whose?.id && finish(resolve);
    addEventListener('storage', elsewhere);
    parts.leave.addEventListener('click', () => {
      finish(reject, new DOMException('The person has left.', 'AbortError'));
      left();
    });
    handle(parts, [password], (values) => (values.password ? null : [password, 'Enter your password.']), async (values) => {
      begin(await (await open('POST', '/auth/login', values)).json());
      finish(resolve);
    });
  });
}

/** End the session on the server if it can be reached, and here in any case. */
export async function logOut() {
  try {
    await open('POST', '/auth/logout', undefined, current()?.access_token);
  } catch {
    // The tokens are forgotten here; those of the server expire.
  }
  end();
}

/** Submit a form once at a time; what is wrong is said beside its field, or above. */
function handle(parts, fields, check, submit, fieldOf = () => null) {
  const button = parts.form.querySelector('button:not([type])');
  parts.form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.hasAttribute('aria-disabled')) return;
    fields.forEach(clearProblem);
    parts.failure.replaceChildren();
    const { email, password } = parts.form.elements;
    const values = { email: email.value.trim(), password: password.value };
    const problem = check(values);
    if (problem) {
      showProblem(...problem);
      return;
    }
    busy(button, true);
    try {
      await submit(values);
    } catch (failure) {
      const field = fieldOf(failure);
      if (field) showProblem(field, failure.message);
      else showFailure(parts.failure, failure);
    } finally {
      busy(button, false);
    }
  });
}
